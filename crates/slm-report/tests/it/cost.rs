//! What a run cost: the section with and without prices, with lower bounds, and with hostile texts.

use std::fs;

use slm_artifacts::{Energy, EnergyPart, MeasuredEnergy};
use slm_config::Costs;
use slm_report::RunInfo;

use crate::page::check;
use crate::synthetic::{records, run};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden/report");

fn read(joules: f64, seconds: f64) -> MeasuredEnergy {
    let mut part = MeasuredEnergy::default();
    part.gain(joules);
    part.seconds = seconds;
    part
}

/// A run whose phases took 60 W.
fn measured() -> RunInfo {
    let mut run = run(&["adapter"]);
    for timing in &mut run.timings {
        let part = read(60.0 * timing.seconds, timing.seconds);
        timing.energy = Some(Energy([(EnergyPart::Processors, part)].into()));
    }
    let training = run.adapters[0].training.as_mut().expect("a training");
    let gpu = read(300.0 * training.seconds, training.seconds);
    let processors = read(90.0 * training.seconds, training.seconds);
    training.energy = Some(Energy(
        [(EnergyPart::Processors, processors), (EnergyPart::Gpu, gpu)].into(),
    ));
    run
}

fn prices(currency: &str) -> Costs {
    Costs {
        price_per_kwh: Some(0.3),
        price_per_hour: Some(1.2),
        currency: Some(currency.to_owned()),
    }
}

/// The section of the report on a run.
fn section(run: &RunInfo) -> String {
    let report = check(&records(&["adapter"], 40), run);
    let section = report.markdown.split("## What it cost\n").nth(1);
    let section = section.expect("the section").split("\n## ").next();
    section.expect("a text").to_owned()
}

#[track_caller]
fn compare(found: &str, name: &str) {
    let golden = format!("{GOLDEN}/{name}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, found).expect("written");
    }
    let expected = fs::read_to_string(&golden).expect("the golden");
    assert_eq!(
        found, expected,
        "the section differs from {golden}; if this is intended, rerun the test with UPDATE_GOLDEN=1 and review the diff"
    );
}

#[test]
fn the_section_has_money_with_prices_alone() {
    compare(&section(&measured()), "cost-without-prices.md");
    let priced = RunInfo {
        prices: Some(prices("EUR")),
        ..measured()
    };
    compare(&section(&priced), "cost-with-prices.md");
}

#[test]
fn what_could_not_be_read_is_a_lower_bound_with_its_reason() {
    let mut run = measured();
    run.prices = Some(prices("<b>|\n# EUR"));
    let energy = run.timings[1].energy.as_mut().expect("an energy");
    energy.add(&Energy::unread(7.0, "`energy_uj` | <i>\n# denied"));
    run.timings[2].energy = None;
    let page = section(&run);
    for part in [
        "| the whole run |",
        "| at least ",
        "- Not measured for 7.0 s: ",
        "- Not measured for 8.2 s: an earlier version of this program did not measure it.",
    ] {
        assert!(page.contains(part), "`{part}` is not in\n{page}");
    }
    let scoring = page.lines().find(|line| line.starts_with("| scoring |"));
    let scoring = scoring.expect("a row");
    // The hours have a price.
    assert!(
        scoring.contains("| unknown | at least 0.00275"),
        "{scoring}"
    );
}

#[test]
fn a_run_without_times_has_no_section() {
    let mut run = measured();
    run.timings.clear();
    let report = check(&records(&["adapter"], 40), &run);
    assert!(!report.markdown.contains("What it cost"));
    assert!(report.summary["cost"].is_null());
}
