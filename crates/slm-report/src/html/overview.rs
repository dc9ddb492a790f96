//! The verdicts, cells and costs of a report, as texts for a page.

use serde::Serialize;
use slm_config::{Declared, HypothesisId};

use super::chart::Chart;
use super::evaluation_charts;
use crate::findings::Findings;
use crate::findings::arms::Arms;
use crate::findings::cell_summary::CellSummary;
use crate::findings::claim::Claim;
use crate::findings::conclusion::Conclusion;
use crate::findings::gate::Gate;
use crate::number::{self, interval, number, p_value, percent, signed, signed_interval};
use crate::record::{RunInfo, SampleRecord};
use crate::run_cost::{RunCost, TaskCost, WorkCost};
use crate::sample_metric::{PASS_RATE, SampleMetric};

/// The summary of a report as a page shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overview {
    pub(super) cards: Vec<Card>,
    pub(super) charts: Vec<Chart>,
    /// Rows of [`CELL_COLUMNS`].
    pub(super) cells: Vec<Vec<String>>,
    /// Rows of [`COST_COLUMNS`]; none before the run's times are recorded.
    pub(super) cost: Vec<Vec<String>>,
}

/// The verdict on a hypothesis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Card {
    question: String,
    /// The verdict's key, which colours the card.
    outcome: String,
    verdict: String,
    subject: String,
    rows: Vec<String>,
}

/// The head of the table of cells.
pub(super) const CELL_COLUMNS: [&str; 9] = [
    "arm",
    "workflow",
    "sampling",
    "answers",
    "passed",
    "pass rate",
    "calls",
    "tokens",
    "prompt tokens",
];

/// Summarises a report.
pub(crate) fn overview(
    (run, cost): (&RunInfo, Option<&RunCost>),
    records: &[SampleRecord],
    arms: &Arms,
    findings: &Findings,
    cells: &[CellSummary],
) -> Overview {
    Overview {
        cards: cards(run, findings),
        charts: evaluation_charts::charts(run, records, arms, findings, cells),
        cells: cells.iter().map(cell_row).collect(),
        cost: cost.map_or_else(Vec::new, cost_rows),
    }
}

/// The head of the table of costs.
pub(super) const COST_COLUMNS: [&str; 3] = ["", "time", "energy and price"];

/// The whole run, its phases by kind, and what a solved task of each cell cost.
fn cost_rows(cost: &RunCost) -> Vec<Vec<String>> {
    let prices = cost.prices.as_ref();
    let row = |what: String, of: &WorkCost| {
        vec![what, number::seconds(Some(of.seconds)), of.text(prices)]
    };
    let mut rows = vec![row("the whole run".to_owned(), &cost.whole)];
    for kind in &cost.kinds {
        let key = serde_json::to_value(kind.kind).ok();
        let name = key
            .as_ref()
            .and_then(|key| key.as_str())
            .unwrap_or_default();
        rows.push(row(name.to_owned(), &kind.cost));
    }
    let solved = |what: String, of: &TaskCost| {
        vec![what, number::seconds(Some(of.seconds)), of.text(prices)]
    };
    for cell in &cost.cells {
        if let Some(task) = &cell.per_solved_task {
            let n = number::count(cell.solved_tasks, "solved task");
            let name = format!(
                "{} {} {}: each of {n}",
                cell.arm, cell.workflow, cell.decoding
            );
            rows.push(solved(name, task));
        }
    }
    for training in &cost.trainings {
        rows.push(row(format!("training of {}", training.arm), &training.cost));
    }
    rows
}

fn cell_row(cell: &CellSummary) -> Vec<String> {
    let share = (cell.tested > 0).then(|| cell.passed as f64 / cell.tested as f64);
    vec![
        cell.arm.clone(),
        cell.workflow.clone(),
        cell.decoding.to_string(),
        number::grouped(cell.samples),
        if cell.tested > 0 {
            format!("{} of {}", cell.passed, cell.tested)
        } else {
            "no tests".to_owned()
        },
        percent(share),
        number(cell.calls, 1),
        number(cell.completion_tokens, 0),
        number(cell.prompt_tokens, 0),
    ]
}

fn cards(run: &RunInfo, findings: &Findings) -> Vec<Card> {
    let mut cards = Vec::new();
    if run.is_part() {
        let declared = run.n_tasks_of_benchmarks();
        cards.push(Card {
            question: "Interim: shards of the run are missing".to_owned(),
            outcome: "withheld".to_owned(),
            verdict: "withheld".to_owned(),
            subject: format!("{} of {} declared tasks", run.n_tasks(), declared),
            rows: vec!["Verdicts are withheld until all tasks are answered.".to_owned()],
        });
    }
    // With claims in several workflows, the first one is named, too.
    let others = findings
        .comparison
        .iter()
        .flat_map(|found| &found.elsewhere);
    let several = others.clone().any(|other| !other.claims.is_empty());
    let first = run.plan.compared_workflow().filter(|_| several);
    for adapter in findings.comparison.iter().flat_map(|found| &found.adapters) {
        let claims: Vec<&Claim> = adapter.claims.iter().collect();
        let mut card = card(HypothesisId::H1, adapter.outcome, &claims);
        card.subject = match first {
            Some(workflow) => format!("{} less base, {workflow}", adapter.name),
            None => format!("{} less base", adapter.name),
        };
        card.rows.extend(adapter.gate.as_ref().map(gate_row));
        if claims.is_empty() {
            // MI is the first of them.
            let mi = &adapter.paired[0];
            card.rows.push(format!(
                "MI: {} ({}), {}; no effect was required",
                signed(mi.difference, 1),
                interval_text(signed_interval(mi.interval, 1, 1.0), mi.no_interval),
                number::count(mi.n, "task"),
            ));
        }
        cards.push(card);
    }
    for other in others {
        let Some(outcome) = other.outcome else {
            continue;
        };
        let claims: Vec<&Claim> = other.claims.iter().collect();
        let mut card = card(HypothesisId::H1, outcome, &claims);
        card.rows.extend(other.gate.as_ref().map(gate_row));
        cards.push(card);
    }
    if let Some(found) = &findings.sweep {
        let claims: Vec<&Claim> = found.claim.iter().collect();
        let outcome = found
            .claim
            .as_ref()
            .map_or(Conclusion::Inconclusive, |of| of.outcome);
        let mut card = card(HypothesisId::H2, outcome, &claims);
        if let Some(test) = &found.test {
            card.subject = format!(
                "{} less the recipe's own sampling",
                found.points[test.point].decoding
            );
            card.rows.push(format!(
                "pass rate: {} points ({}); a loss of {} is allowed",
                signed(test.pass_rate.difference.map(|of| of * 100.0), 1),
                interval_text(
                    signed_interval(test.pass_rate.interval, 1, 100.0),
                    test.pass_rate.no_interval
                ),
                number(found.pass_rate_margin, 1),
            ));
        }
        cards.push(card);
    }
    if let Some(found) = &findings.collaboration {
        let claims: Vec<&Claim> = found.claim.iter().collect();
        let outcome = found
            .claim
            .as_ref()
            .map_or(Conclusion::Inconclusive, |of| of.outcome);
        let mut card = card(HypothesisId::H3, outcome, &claims);
        if let Some(first) = found.contrasts.first() {
            card.subject = format!("{} less {}", first.workflow, first.less);
        }
        cards.push(card);
    }
    cards
}

fn card(hypothesis: HypothesisId, outcome: Conclusion, claims: &[&Claim]) -> Card {
    let question = match hypothesis {
        HypothesisId::H1 => question_of_h1(claims),
        HypothesisId::H2 => "Does sampling change the complexity of code?",
        HypothesisId::H3 => "Do several agents solve more tasks than reflection?",
    };
    let key = serde_json::to_value(outcome).ok();
    let key = key
        .as_ref()
        .and_then(|key| key.as_str())
        .unwrap_or_default();
    Card {
        question: format!("{}: {question}", hypothesis.name().to_uppercase()),
        outcome: key.to_owned(),
        verdict: key.replace('_', " "),
        subject: claims
            .first()
            .map_or_else(String::new, |claim| claim.contrast.clone()),
        rows: claims
            .iter()
            .flat_map(|claim| std::iter::once(claim_row(claim)).chain(discordant_row(claim)))
            .collect(),
    }
}

fn question_of_h1(claims: &[&Claim]) -> &'static str {
    let on_pass_rate = |claim: &&Claim| claim.metric == PASS_RATE.key;
    let n = claims.iter().copied().filter(on_pass_rate).count();
    match n {
        0 => "Is the adapter's code more maintainable?",
        _ if n == claims.len() => "Does the adapter solve more tasks?",
        _ => "Is the adapter's code more maintainable, and does the adapter solve more tasks?",
    }
}

/// The tasks that one side of a claim on the pass rate solved alone.
fn discordant_row(claim: &Claim) -> Option<String> {
    let found = claim.discordant.as_ref().filter(|_| claim.n > 0)?;
    let detectable = found.detectable_difference.map_or_else(
        || "too few to compute the smallest detectable difference".to_owned(),
        |of| format!("smallest detectable difference: {} points", number(of, 1)),
    );
    Some(format!(
        "{} solved by the first side alone, {} by the second; {detectable}",
        number::count(found.other_only, "task"),
        number::grouped(found.reference_only),
    ))
}

fn claim_row(claim: &Claim) -> String {
    let metric = SampleMetric::all().find(|metric| metric.key == claim.metric);
    let (label, digits) = metric.map_or((claim.metric, 1), |of| (of.label, of.digits));
    if !claim.assisted.is_empty() {
        let assisted = claim.assisted.join(" and ");
        return format!("{label}: not tested, since a teacher assisted {assisted}");
    }
    let required = format!(
        "{} {}{}",
        if claim.effect < 0.0 { "≤" } else { "≥" },
        signed(claim.effect, digits),
        match claim.declared {
            Some(Declared::Default) => " (default)",
            Some(Declared::Recipe) => "",
            None => " (whether the recipe declared it is not recorded)",
        },
    );
    let found = match claim.estimate {
        None => "no comparison is possible".to_owned(),
        Some(estimate) => format!(
            "{} ({})",
            signed(estimate, digits),
            interval_text(signed_interval(claim.interval, digits, 1.0), None)
        ),
    };
    let p = match claim.p {
        None => String::new(),
        Some(_) => format!(", p {}, Holm {}", p_value(claim.p), p_value(claim.holm_p)),
    };
    format!(
        "{label}: {found}; required {required}; {}, of which {} {}{p}",
        number::count(claim.n, "task"),
        claim.differing,
        if claim.differing == 1 {
            "differs"
        } else {
            "differ"
        },
    )
}

fn gate_row(gate: &Gate) -> String {
    let key = serde_json::to_value(gate.outcome).ok();
    let words = key
        .as_ref()
        .and_then(|key| key.as_str())
        .unwrap_or_default();
    format!(
        "gate, pass rate: {} points (95 % interval {}), required to stay above {}: {}",
        signed(gate.estimate, 1),
        signed_interval(gate.interval, 1, 1.0),
        signed(-gate.margin, 1),
        words.replace('_', " "),
    )
}

fn interval_text(interval: String, reason: Option<&str>) -> String {
    if interval == interval_of_none() {
        return reason.unwrap_or("no interval").to_owned();
    }
    format!("95 % interval {interval}")
}

fn interval_of_none() -> String {
    interval(None, 1, 1.0)
}
