//! One sentence a hypothesis, for whoever decides and does not read on.

use crate::record::RunInfo;

use super::super::claim::asked_in_words;
use super::super::contrast::Contrast;
use super::super::hypotheses::Findings;
use super::super::hypotheses::h1::{AdapterComparison, Comparison};
use super::super::hypotheses::h2::SweepFindings;
use super::super::hypotheses::h3::CollaborationFindings;
use super::super::metric::PASS_RATE;
use super::super::number::{count, grouped, number, percent, signed, signed_interval};
use super::super::same_text::SameText;
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
    let (mi, code) = (adapter.mi(), adapter.mi_code());
    let change = match (mi.difference, code.difference) {
        (Some(mi_change), Some(code_change)) => format!(
            "MI {} on average ({} to {} on {}; {}), `mi_code` {} ({}). {}",
            change_in_words(mi_change, "points", 1),
            number(mi.reference_mean, 1),
            number(mi.mean, 1),
            tasks(mi),
            interval_in_words(mi, 1, 1.0),
            change_in_words(code_change, "", 1),
            interval_in_words(code, 1, 1.0),
            bonus(adapter),
        ),
        _ => "no task has programs that parse from both the base model and the adapter, so MI cannot be compared. "
            .to_owned(),
    };
    format!(
        "**H1 {}.** With adapter {}, {change}{} {} {} of the adapter's programs passed all their tests against {} of \
         the base model's.",
        adapter.outcome.words(),
        name(&adapter.name),
        rows(adapter),
        same_text(adapter.same_text, "in both arms"),
        passed(tuned),
        passed(base),
    )
}

/// How MI's change divides between the code and its comments.
fn bonus(adapter: &AdapterComparison) -> String {
    let [mi, code, bonus] = [adapter.mi(), adapter.mi_code(), &adapter.bonus]
        .map(|contrast| signed(contrast.difference, 1));
    if adapter.bonus.differing == 0 {
        return String::new();
    }
    format!("Of MI's {mi}, {code} is `mi_code` and {bonus} the comment bonus. ")
}

/// What was asked for, and that all of it is needed.
fn rows(adapter: &AdapterComparison) -> String {
    let asked = capitalised(&asked_in_words(&adapter.claims));
    if adapter.claims.len() < 2 {
        return format!("{asked}.");
    }
    let verdicts: Vec<String> = adapter
        .claims
        .iter()
        .map(|claim| format!("{} {}", claim.metric().label, claim.outcome.words()))
        .collect();
    format!("{asked}; H1 needs them all: {}.", verdicts.join(", "))
}

fn same_text(found: SameText, where_: &str) -> String {
    let SameText { same, of } = found;
    if of == 0 {
        return format!("No answer is there {where_}.");
    }
    let verb = if same == 1 { "is" } else { "are" };
    format!(
        "{} of {} {verb} the same text {where_}.",
        grouped(same),
        count(of, "answer")
    )
}

fn of_sweep(found: &SweepFindings, run: &RunInfo) -> String {
    let verdict = found
        .claim
        .as_ref()
        .map_or("inconclusive", |claim| claim.outcome.words());
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
            "at {} (chosen on the other half of the tasks{}) instead of the recipe's own sampling ({}), the cyclomatic \
             complexity of solved programs {} on average ({} to {} on {}; {}); {}",
            point.decoding,
            equals(test.equals),
            run.plan.reference,
            change_in_words(difference, "", 2),
            number(test.complexity.reference_mean, 2),
            number(test.complexity.mean, 2),
            tasks(&test.complexity),
            interval_in_words(&test.complexity, 2, 1.0),
            asked_in_words(found.claim.as_slice()),
        ),
    };
    let cost = test
        .pass_rate
        .difference
        .map_or_else(String::new, |difference| {
            format!(
                " The pass rate {} on average ({}), where {} points may be lost.",
                change_in_words(difference * PASS_RATE.scale, "points", 1),
                interval_in_words(&test.pass_rate, 1, PASS_RATE.scale),
                number(found.pass_rate_margin, 1),
            )
        });
    format!(
        "**H2 {verdict}.** {}.{cost} {}",
        capitalised(&change),
        same_text(test.same_text, "at both points on the tested half")
    )
}

/// That the choice was one among equals.
fn equals(n: usize) -> String {
    match n {
        0 => String::new(),
        n => format!(
            "; {} of the grid did as well there",
            count(n, "other point")
        ),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn of_collaboration(found: &CollaborationFindings) -> String {
    let verdict = found
        .claim
        .as_ref()
        .map_or("inconclusive", |claim| claim.outcome.words());
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
         {} ({}); {}. {}",
        percent_of_tasks(contrast.pass_rate.mean),
        percent_of_tasks(contrast.pass_rate.reference_mean),
        signed(difference, 1),
        tasks(&contrast.pass_rate),
        interval_in_words(&contrast.pass_rate, 1, PASS_RATE.scale),
        asked_in_words(found.claim.as_slice()),
        same_text(contrast.same_text, "in both workflows"),
    )
}

/// How many tasks were compared, and on how many of them the sides differ.
fn tasks(contrast: &Contrast) -> String {
    let all = count(contrast.n, "task");
    match contrast.differing {
        differing if differing == contrast.n => all,
        0 => format!("{all}, none of which differs"),
        1 => format!("{all}, 1 of which differs"),
        differing => format!("{all}, {} of which differ", grouped(differing)),
    }
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
    if difference == 0.0 {
        "did not change".to_owned()
    } else if !size.contains(|c: char| ('1'..='9').contains(&c)) {
        let half = 0.5 / 10_f64.powi(digits as i32);
        format!("changed by less than {half}{unit}")
    } else if difference > 0.0 {
        format!("rose by {size}{unit}")
    } else {
        format!("fell by {size}{unit}")
    }
}

fn interval_in_words(contrast: &Contrast, digits: usize, scale: f64) -> String {
    match contrast.interval {
        None => contrast.no_interval.unwrap_or("no interval").to_owned(),
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
