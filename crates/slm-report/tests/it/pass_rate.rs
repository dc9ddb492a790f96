//! H1 on the pass rate: its numbers, sentence, chart row, and what it requires beside other rows.

use serde_json::{Value, json};
use slm_config::{Hypothesis, HypothesisMetric, Workflow};
use slm_report::html::{EvaluationPage, evaluation};
use slm_report::{Cell, Experiment, Report, RunInfo, SampleRecord, ShardInfo};
use slm_statistics::minimal_detectable_rate_difference;

use crate::page::check;
use crate::synthetic::{declared_in_the_recipe, records_of_cells, run_of, untested};

const TASKS: usize = 40;

/// Whether a side solves a task: of 40, both solve 10, the better one alone 9, the other alone 2.
fn solves(is_better: bool, task: usize) -> bool {
    match (task * 7) % TASKS {
        0..10 => true,
        10..19 => is_better,
        19..21 => !is_better,
        _ => false,
    }
}

fn row(effect: f64) -> Hypothesis {
    Hypothesis {
        metric: HypothesisMetric::PassRate,
        effect,
        ..run_of(Experiment::Compare, &["adapter"]).plan.hypotheses[0].clone()
    }
}

/// A comparison whose recipe declares these rows.
fn declaring(rows: impl IntoIterator<Item = Hypothesis>) -> RunInfo {
    let mut run = run_of(Experiment::Compare, &["adapter"]);
    run.plan.hypotheses = rows.into_iter().collect();
    declared_in_the_recipe(run)
}

/// The answers of a run in which the adapter is better in every workflow.
fn answers(run: &RunInfo) -> Vec<SampleRecord> {
    records_of_cells(run, TASKS, |cell, task| {
        (solves(cell.arm == "adapter", task), 3.0)
    })
}

fn claims(report: &Report) -> &Vec<Value> {
    report.summary["claims"].as_array().expect("a list")
}

fn contains(report: &Report, part: &str) {
    let page = &report.markdown;
    assert!(page.contains(part), "`{part}` in:\n{page}");
}

#[test]
fn the_numbers_are_those_of_h3_on_the_same_outcomes() {
    let run = declaring([row(5.0)]);
    let report = check(&answers(&run), &run);
    let own = &claims(&report)[0];
    let of_h3 = run_of(Experiment::Workflows, &[]);
    let records = records_of_cells(&of_h3, TASKS, |cell, task| match cell.workflow {
        Workflow::MultiAgent => (solves(true, task), 3.0),
        _ => (solves(false, task), 3.0),
    });
    let theirs = check(&records, &of_h3);
    let theirs = &claims(&theirs)[0];
    for key in [
        "metric",
        "effect",
        "n",
        "differing",
        "discordant",
        "estimate",
        "interval",
        "outcome",
        "test",
        "p",
        "holm_p",
    ] {
        assert_eq!(own[key], theirs[key], "{key}");
    }
    assert_eq!(
        (&own["hypothesis"], &own["contrast"]),
        (&json!("h1"), &json!("adapter less base"))
    );
}

#[test]
fn the_numbers_are_those_computed_by_hand() {
    let run = declaring([row(5.0)]);
    let report = check(&answers(&run), &run);
    let claim = &claims(&report)[0];
    assert_eq!((&claim["n"], &claim["differing"]), (&json!(40), &json!(11)));
    let discordant = &claim["discordant"];
    let alone = (&discordant["other_only"], &discordant["reference_only"]);
    assert_eq!(alone, (&json!(9), &json!(2)));
    let close = |found: &Value, expected: f64| {
        let found = found.as_f64().expect("a number");
        assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
    };
    // 19 less 12 of 40 tasks.
    close(&claim["estimate"], 17.5);
    // At most 2 of 11 fair coins: twice (1 + 11 + 55) / 2^11.
    assert_eq!(claim["test"], "exact McNemar");
    close(&claim["p"], 134.0 / 2048.0);
    let detectable = minimal_detectable_rate_difference(11.0 / 40.0, 40).expect("a difference");
    close(&discordant["detectable_difference"], 100.0 * detectable);
    assert_eq!(claim["outcome"], "supported");
    let strict = declaring([row(20.0)]);
    assert_eq!(
        claims(&check(&answers(&strict), &strict))[0]["outcome"],
        "inconclusive"
    );
}

#[test]
fn a_sentence_a_chart_and_a_row_of_the_forest_plot_have_the_pass_rate_in_points() {
    let run = declaring([row(5.0)]);
    let records = answers(&run);
    let report = check(&records, &run);
    contains(
        &report,
        "> **H1 supported.** With adapter `adapter`, the pass rate rose by 17.5 points on average (30.0\u{a0}% to 47.5\u{a0}% on \
         40 tasks with tests; 95 % interval ",
    );
    contains(
        &report,
        "): the adapter alone solved 9 tasks, the base model alone 2. MI did not change on average",
    );
    contains(&report, "The declared effect is +5.0 in pass rate.");
    contains(
        &report,
        "| H1 | `adapter less base` | Pass rate (%) | **supported** | ≥ +5.0 | +17.5 |",
    );
    contains(
        &report,
        "- **Sample size, pass rate.** `adapter less base`: 40 tasks with tests, of which one of them alone solves 11, so a \
         difference of ",
    );
    let picture = report
        .pictures
        .iter()
        .find(|(name, _)| name == "pictures/pass_rate.svg");
    let (_, svg) = picture.expect("a chart by task");
    assert!(svg.contains("required ≥ +5.0") && svg.contains("mean +17.5"));
    let page = EvaluationPage {
        info: &run,
        records: &records,
        overview: &report.overview,
        steps: &[],
    };
    let (html, _) = evaluation(&[page], 1_000_000).expect("a page");
    for part in [
        "H1: Does the adapter solve more tasks?",
        "9 tasks solved by the first side alone, 2 by the second; smallest detectable difference: ",
        "H1: Pass rate (%) (points)",
        "<td>adapter less base</td><td>+17.5</td>",
        "<td>+5.0</td><td>40</td>",
    ] {
        assert!(html.contains(part), "`{part}`");
    }
}

#[test]
fn beside_other_rows_it_is_one_of_the_required_and_of_holms_family() {
    let of_code = Hypothesis {
        metric: HypothesisMetric::MiCode,
        effect: 3.0,
        pass_rate_margin: Some(2.0),
        ..row(5.0)
    };
    let run = declaring([of_code, row(5.0)]);
    let mut records = answers(&run);
    for (at, record) in records.iter_mut().enumerate() {
        let gain = if record.arm == "adapter" { 5.0 } else { 0.0 };
        let metrics = record.metrics.as_mut().expect("measured");
        metrics.mi_code = 50.0 + gain + (at % 5) as f64 * (1.0 + gain);
    }
    let report = check(&records, &run);
    let found = &report.summary["findings"]["h1"]["adapters"][0];
    assert_eq!(found["outcome"], "supported");
    assert_eq!(found["gate"]["outcome"], "supported");
    contains(
        &report,
        "H1 requires all of them: mi_code supported, pass rate supported, gate supported.",
    );
    let [of_code, of_rate] = [0, 1]
        .map(|at| ["p", "holm_p"].map(|key| claims(&report)[at][key].as_f64().expect("tested")));
    assert!(of_code[0] < of_rate[0], "{of_code:?} {of_rate:?}");
    assert!((of_code[1] - 2.0 * of_code[0]).abs() < 1e-12, "{of_code:?}");
    assert!((of_rate[1] - of_rate[0]).abs() < 1e-12, "{of_rate:?}");
}

#[test]
fn a_row_in_another_workflow_has_its_own_verdict_and_sentence() {
    let elsewhere = Hypothesis {
        workflow: Some(Workflow::Codet),
        ..row(5.0)
    };
    let mut run = declaring([row(20.0), elsewhere]);
    run.plan.comparison = Some(vec![Workflow::Single, Workflow::Codet]);
    let cells = run.plan.cells.clone();
    run.plan.cells.extend(cells.into_iter().map(|cell| Cell {
        workflow: Workflow::Codet,
        ..cell
    }));
    let report = check(&answers(&run), &run);
    assert_eq!(claims(&report).len(), 2);
    let [first, second] = [0, 1].map(|at| &claims(&report)[at]);
    assert_eq!(second["contrast"], "adapter less base, codet");
    for key in ["discordant", "estimate", "interval", "p"] {
        assert_eq!(first[key], second[key], "{key}");
    }
    let outcomes = (&first["outcome"], &second["outcome"]);
    assert_eq!(outcomes, (&json!("inconclusive"), &json!("supported")));
    contains(
        &report,
        "> **H1 in `codet` supported.** With adapter `adapter`, the pass rate rose by 17.5 points on average",
    );
    contains(
        &report,
        "- **Sample size, pass rate.** `adapter less base, codet`: 40 tasks with tests",
    );
}

#[test]
fn a_shard_withholds_the_verdict_and_tasks_without_tests_conclude_nothing() {
    let mut run = declaring([row(5.0)]);
    let tasks: Vec<SampleRecord> = answers(&run).into_iter().map(untested).collect();
    let report = check(&tasks, &run);
    let claim = &claims(&report)[0];
    assert_eq!(claim["outcome"], "inconclusive");
    assert_eq!(
        (&claim["p"], &claim["estimate"]),
        (&Value::Null, &Value::Null)
    );
    contains(
        &report,
        "no task has tests that both arms answered, so the pass rate cannot be compared.",
    );
    run.shard = Some(ShardInfo {
        index: 1,
        of: 2,
        tasks: vec!["starter/00".to_owned()],
    });
    let report = check(&answers(&run), &run);
    assert_eq!(claims(&report)[0]["outcome"], "withheld");
    contains(
        &report,
        "> **H1 withheld.** With adapter `adapter`, the pass rate rose by 17.5 points",
    );
}
