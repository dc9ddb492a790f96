//! What a reader learns who reads nothing else.

use std::fmt::Write as _;

use crate::record::RunInfo;

use super::super::arms::{Arm, Arms};
use super::super::comparison::{AdapterComparison, Comparison};
use super::super::metric::{MI, MI_CODE, PAIRED};
use super::super::number::{count, number, p_value, percent, signed, signed_interval};
use super::super::summary::ArmSummary;
use super::super::verdict::{MIN_PAIRS, Outcome};
use super::text::{name, table};

/// Title, one sentence an adapter, what was measured, and the declared claim with its evidence.
pub(super) fn section(arms: &Arms, comparison: &Comparison, run: &RunInfo) -> String {
    let mut page = format!("# Base model against adapter: {}\n\n", name(&run.name));
    for (adapter, summary) in comparison.adapters.iter().zip(&comparison.arms[1..]) {
        let sentence = sentence(adapter, &comparison.arms[0], summary, run);
        let _ = writeln!(page, "> {sentence}\n");
    }
    if comparison.adapters.is_empty() {
        page.push_str("> The run has no adapter, so there is nothing to compare.\n\n");
    }
    let workflow = arms
        .all()
        .flat_map(Arm::samples)
        .next()
        .map_or("none", |s| &s.workflow);
    let _ = writeln!(
        page,
        "{} on {} of benchmark {}, {} each, workflow {}, {}.\n",
        name(&run.base_model.name),
        count(comparison.tasks, "task"),
        name(&run.benchmark.name),
        count(run.sampling.samples_per_task as usize, "sample"),
        name(workflow),
        run.created.split('T').next().map_or_else(String::new, name),
    );
    page.push_str(
        "**Maintainability index (MI):** 0 to 100, higher is easier to maintain; falls with Halstead volume (V), \
         cyclomatic complexity (CC) and logical lines (LLOC), rises with comments and docstrings. **`mi_code`** is \
         the same index with comments and docstrings removed, so it shows the code alone.\n\n",
    );
    if !comparison.adapters.is_empty() {
        page.push_str(&claims(comparison, run));
    }
    page
}

/// The verdict and what it rests on, in one sentence.
fn sentence(
    adapter: &AdapterComparison,
    base: &ArmSummary,
    tuned: &ArmSummary,
    run: &RunInfo,
) -> String {
    let declared = number(run.declared.maintainability_index, 1);
    let verdict = match adapter.outcome {
        Outcome::Supported => "Supported",
        Outcome::NotSupported => "Not supported",
        Outcome::Inconclusive => "Inconclusive",
    };
    let mi = adapter.mi();
    let change = match mi.difference {
        None => "no task has programs that parse from both the base model and the adapter, so MI cannot be \
                 compared"
            .to_owned(),
        Some(difference) => format!(
            "MI {} ({} to {} on {}{}), where a rise of at least {declared} in MI and in `mi_code` ({}) was \
             declared",
            change_in_words(difference),
            number(mi.base_mean, 1),
            number(mi.adapter_mean, 1),
            count(mi.n, "task"),
            mi.interval.map_or_else(
                || "; too few for an interval".to_owned(),
                |_| format!("; 95 % interval {}", signed_interval(mi.interval, 1, 1.0)),
            ),
            signed(adapter.paired[1].difference, 1),
        ),
    };
    format!(
        "**{verdict}.** With adapter {}, {change}; {} of the adapter's programs passed all their tests against {} of \
         the base model's.",
        name(&adapter.name),
        passed(tuned),
        passed(base),
    )
}

fn change_in_words(difference: f64) -> String {
    let size = number(difference.abs(), 1);
    if size == "0.0" {
        "did not change on average".to_owned()
    } else if difference > 0.0 {
        format!("rose by {size} points on average")
    } else {
        format!("fell by {size} points on average")
    }
}

fn passed(arm: &ArmSummary) -> String {
    format!(
        "{} of {} ({})",
        arm.pass_rate.count,
        arm.pass_rate.of,
        percent(arm.pass_rate.share)
    )
}

/// The declared claim and what became of each of its parts.
fn claims(comparison: &Comparison, run: &RunInfo) -> String {
    let header = [
        "adapter",
        "metric",
        "declared",
        "found",
        "95 % interval",
        "p",
        "p (Holm)",
        "verdict",
    ];
    let rows: Vec<Vec<String>> = comparison
        .adapters
        .iter()
        .flat_map(|adapter| adapter.claims.iter().map(move |claim| (adapter, claim)))
        .map(|(adapter, claim)| {
            let contrast = adapter
                .paired
                .iter()
                .find(|contrast| contrast.metric == claim.metric);
            let metric = PAIRED.iter().find(|metric| metric.key == claim.metric);
            vec![
                name(&adapter.name),
                metric
                    .map_or(claim.metric, |metric| metric.label)
                    .to_owned(),
                format!("≥ {}", signed(claim.declared, 1)),
                signed(contrast.and_then(|contrast| contrast.difference), 1),
                signed_interval(contrast.and_then(|contrast| contrast.interval), 1, 1.0),
                p_value(claim.p),
                p_value(claim.holm_p),
                claim.outcome.words().to_owned(),
            ]
        })
        .collect();
    format!(
        "Declared before the run: the adapter raises {} and {} by at least {} points. *Supported*: the mean difference \
         is at least that and its interval lies above 0. *Not supported*: even the interval's upper end is lower than \
         that. *Inconclusive*: neither, or fewer than {MIN_PAIRS} pairs.\n\n{}",
        MI.label,
        MI_CODE.label,
        number(run.declared.maintainability_index, 1),
        table(&header, 2, &rows),
    )
}
