//! One sentence a hypothesis, for whoever decides and does not read on.

use crate::record::RunInfo;

use super::super::contrast::Contrast;
use super::super::hypotheses::Findings;
use super::super::hypotheses::h1::{AdapterComparison, Comparison};
use super::super::hypotheses::h2::SweepFindings;
use super::super::hypotheses::h3::CollaborationFindings;
use super::super::metric::PASS_RATE;
use super::super::number::{count, number, percent, signed, signed_interval};
use super::super::summary::ArmSummary;
use super::text::name;

/// The sentences, in the order of the hypotheses.
pub(super) fn sentences(findings: &Findings, run: &RunInfo) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(comparison) = &findings.comparison {
        sentences.extend(of_adapters(comparison));
    }
    sentences.extend(findings.sweep.as_ref().map(|found| of_sweep(found, run)));
    sentences.extend(findings.collaboration.as_ref().map(of_collaboration));
    sentences
}

fn of_adapters(comparison: &Comparison) -> Vec<String> {
    if comparison.adapters.is_empty() {
        return vec!["The run has no adapter, so there is nothing to compare.".to_owned()];
    }
    let base = &comparison.arms[0];
    let tuned = comparison.adapters.iter().zip(&comparison.arms[1..]);
    tuned
        .map(|(adapter, summary)| of_adapter(adapter, base, summary))
        .collect()
}

fn of_adapter(adapter: &AdapterComparison, base: &ArmSummary, tuned: &ArmSummary) -> String {
    let mi = adapter.mi();
    let declared: Vec<String> = adapter
        .claims
        .iter()
        .map(|claim| format!("{} in {}", signed(claim.declared, 1), claim.metric().label))
        .collect();
    let change = match mi.difference {
        None => "no task has programs that parse from both the base model and the adapter, so MI cannot be \
                 compared"
            .to_owned(),
        Some(difference) => format!(
            "MI {} ({} to {} on {}; {}), and `mi_code` by {}; declared was {}",
            change_in_words(difference, "points", 1),
            number(mi.reference_mean, 1),
            number(mi.mean, 1),
            count(mi.n, "task"),
            interval_in_words(mi, 1, 1.0),
            signed(adapter.paired[1].difference, 1),
            declared.join(" and "),
        ),
    };
    format!(
        "**H1 {}.** With adapter {}, {change}. {} of the adapter's programs passed all their tests against {} of the \
         base model's.",
        adapter.outcome.words(),
        name(&adapter.name),
        passed(tuned),
        passed(base),
    )
}

fn of_sweep(found: &SweepFindings, run: &RunInfo) -> String {
    let verdict = found
        .claim
        .as_ref()
        .map_or("inconclusive", |claim| claim.outcome.words());
    let declared = found.claim.as_ref().map(|claim| claim.declared);
    let (Some(test), Some(point)) = (&found.test, found.chosen()) else {
        return format!(
            "**H2 {verdict}.** On the {} on which the best sampling was to be chosen, no point of the grid solves one \
             that the recipe's own sampling ({}) solves too, so complexity cannot be compared.",
            count(found.choosing_tasks, "task"),
            run.plan.reference,
        );
    };
    let change = match test.complexity.difference {
        None => format!(
            "no task of the {} left for the test is solved both at {} (chosen on the others) and by the recipe's own \
             sampling ({}), so complexity cannot be compared",
            found.testing_tasks, point.decoding, run.plan.reference
        ),
        Some(difference) => format!(
            "at {} (chosen on the other half of the tasks) instead of the recipe's own sampling ({}), the cyclomatic \
             complexity of solved programs {} ({} to {} on {}; {}); declared was {}",
            point.decoding,
            run.plan.reference,
            change_in_words(difference, "", 2),
            number(test.complexity.reference_mean, 2),
            number(test.complexity.mean, 2),
            count(test.complexity.n, "task"),
            interval_in_words(&test.complexity, 2, 1.0),
            signed(declared, 1),
        ),
    };
    let cost = test
        .pass_rate
        .difference
        .map_or_else(String::new, |difference| {
            format!(
                " The pass rate {} ({}), where {} points may be lost.",
                change_in_words(difference * PASS_RATE.scale, "points", 1),
                interval_in_words(&test.pass_rate, 1, PASS_RATE.scale),
                number(found.pass_rate_margin, 1),
            )
        });
    let mut letters = change.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    let change: String = first.into_iter().chain(letters).collect();
    format!("**H2 {verdict}.** {change}.{cost}")
}

fn of_collaboration(found: &CollaborationFindings) -> String {
    let verdict = found
        .claim
        .as_ref()
        .map_or("inconclusive", |claim| claim.outcome.words());
    let declared = found.claim.as_ref().map(|claim| claim.declared);
    let contrast = found.contrasts.first();
    let Some((contrast, difference)) =
        contrast.and_then(|c| Some((c, c.pass_rate.difference? * PASS_RATE.scale)))
    else {
        return format!(
            "**H3 {verdict}.** No task has an answer from both several agents and reflection, so they cannot be compared."
        );
    };
    format!(
        "**H3 {verdict}.** Several agents passed all tests of {}, one that reflects of {}: a difference of {} points on \
         {} ({}), where {} was declared.",
        percent_of_tasks(contrast.pass_rate.mean),
        percent_of_tasks(contrast.pass_rate.reference_mean),
        signed(difference, 1),
        count(contrast.pass_rate.n, "task"),
        interval_in_words(&contrast.pass_rate, 1, PASS_RATE.scale),
        signed(declared, 1),
    )
}

fn percent_of_tasks(share: Option<f64>) -> String {
    format!(
        "{}\u{a0}% of the tasks",
        number(share.map(|share| share * 100.0), 1)
    )
}

fn change_in_words(difference: f64, unit: &str, digits: usize) -> String {
    let size = number(difference.abs(), digits);
    let unit = if unit.is_empty() {
        String::new()
    } else {
        format!(" {unit}")
    };
    if !size.contains(|c: char| ('1'..='9').contains(&c)) {
        "did not change on average".to_owned()
    } else if difference > 0.0 {
        format!("rose by {size}{unit} on average")
    } else {
        format!("fell by {size}{unit} on average")
    }
}

fn interval_in_words(contrast: &Contrast, digits: usize, scale: f64) -> String {
    match contrast.interval {
        None => "too few for an interval".to_owned(),
        interval => format!("95 % interval {}", signed_interval(interval, digits, scale)),
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
