//! The part of a page that needs no script: verdicts, numbers, and where they come from.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};
use serde::Serialize;
use slm_config::{Declared, HypothesisId};

use super::TrainingPage;
use super::chart::{Chart, ForestGroup};
use super::document::Facts;
use super::evaluation::EvaluationPage;
use super::evaluation_charts;
use crate::findings::Findings;
use crate::findings::arms::Arms;
use crate::findings::cell_summary::CellSummary;
use crate::findings::claim::Claim;
use crate::findings::conclusion::Conclusion;
use crate::findings::gate::Gate;
use crate::number::{self, interval, number, p_value, percent, signed, signed_interval};
use crate::record::{RunInfo, SampleRecord};
use crate::sample_metric::SampleMetric;

/// The summary of a report as a page shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overview {
    cards: Vec<Card>,
    pub(super) charts: Vec<Chart>,
    cells: Vec<Vec<String>>,
}

/// The verdict on a hypothesis.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Card {
    question: String,
    /// The verdict's key, which colours the card.
    outcome: String,
    verdict: String,
    subject: String,
    rows: Vec<String>,
}

/// The head of the table of cells.
const CELL_COLUMNS: [&str; 9] = [
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
    run: &RunInfo,
    records: &[SampleRecord],
    arms: &Arms,
    findings: &Findings,
    cells: &[CellSummary],
) -> Overview {
    Overview {
        cards: cards(findings),
        charts: evaluation_charts::charts(run, records, arms, findings, cells),
        cells: cells.iter().map(cell_row).collect(),
    }
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

fn cards(findings: &Findings) -> Vec<Card> {
    let mut cards = Vec::new();
    for adapter in findings.comparison.iter().flat_map(|found| &found.adapters) {
        let claims: Vec<&Claim> = adapter.claims.iter().collect();
        let mut card = card(HypothesisId::H1, adapter.outcome, &claims);
        card.subject = format!("{} less base", adapter.name);
        card.rows.extend(adapter.gate.as_ref().map(gate_row));
        if claims.is_empty() {
            let mi = adapter.mi();
            card.rows.push(format!(
                "MI: {} ({}), {}; no effect was required",
                signed(mi.difference, 1),
                interval_text(signed_interval(mi.interval, 1, 1.0), mi.no_interval),
                number::count(mi.n, "task"),
            ));
        }
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
        HypothesisId::H1 => "Is the adapter's code more maintainable?",
        HypothesisId::H2 => "Does sampling change the complexity of code?",
        HypothesisId::H3 => "Do several agents pass more tests than reflection?",
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
        rows: claims.iter().map(|claim| claim_row(claim)).collect(),
    }
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
        if claim.declared == Some(Declared::Default) {
            " (default)"
        } else {
            ""
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
        "{label}: {found}; required {required}; {}, {} of them differ{p}",
        number::count(claim.n, "task"),
        claim.differing,
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

/// Escapes a text for HTML, in elements and quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A table.
#[derive(Serialize)]
struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// One run in the summary.
#[derive(Serialize)]
struct RunPart<'a> {
    at: usize,
    name: &'a str,
    line: String,
    cards: &'a [Card],
    contrasts: Vec<Table>,
    cells: Table,
    facts: Facts,
    recipe: &'a str,
}

/// Renders the body of a page of runs.
pub(super) fn of_evaluation(title: &str, runs: &[EvaluationPage], without_steps: usize) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        title: &'a str,
        runs: Vec<RunPart<'a>>,
        without_steps: String,
    }
    let note = match without_steps {
        0 => String::new(),
        n => format!(
            "The trajectories of {} were left out to keep this file small.",
            number::count(n, "answer")
        ),
    };
    render(
        include_str!("evaluation.html.jinja"),
        &Body {
            title,
            runs: runs
                .iter()
                .enumerate()
                .map(|(at, run)| part(at, run))
                .collect(),
            without_steps: note,
        },
    )
}

fn part<'a>(at: usize, page: &EvaluationPage<'a>) -> RunPart<'a> {
    let (run, overview) = (page.info, page.overview);
    let benchmarks: Vec<String> = (run.benchmarks.iter())
        .map(|of| format!("{} ({})", of.name, number::count(of.tasks, "task")))
        .collect();
    let line = format!(
        "{} on {}; {} of {}; {}",
        run.base_model.name,
        benchmarks.join(", "),
        number::grouped(page.records.len()),
        number::count(run.n_answers(), "answer"),
        run.created.split('T').next().unwrap_or_default(),
    );
    let contrasts = overview.charts.iter().filter_map(|chart| match chart {
        Chart::Forest { groups, .. } => Some(groups.iter().map(contrast_table)),
        _ => None,
    });
    RunPart {
        at,
        name: &run.name,
        line,
        cards: &overview.cards,
        contrasts: contrasts.flatten().collect(),
        cells: Table {
            title: "Cells".to_owned(),
            head: CELL_COLUMNS.map(str::to_owned).to_vec(),
            rows: overview.cells.clone(),
        },
        facts: facts(run),
        recipe: &run.recipe.yaml,
    }
}

fn contrast_table(group: &ForestGroup) -> Table {
    let head = [
        "contrast",
        "difference",
        "95 % interval",
        "required",
        "tasks",
    ];
    let rows = group.rows.iter().map(|row| {
        let both = row.low.zip(row.high);
        let interval = both.map(|(low, high)| slm_statistics::Interval { low, high });
        vec![
            row.label.clone(),
            signed(row.value, group.digits),
            signed_interval(interval, group.digits, 1.0),
            signed(row.required, group.digits),
            row.n.to_string(),
        ]
    });
    Table {
        title: format!("{} ({})", group.title, group.unit),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}

fn facts(run: &RunInfo) -> Facts {
    let mut facts = vec![
        ("command".to_owned(), run.command.clone()),
        (
            "base model".to_owned(),
            format!("{}, SHA-256 {}", run.base_model.name, run.base_model.sha256),
        ),
    ];
    for adapter in &run.adapters {
        facts.push((
            format!("adapter {}", adapter.name),
            format!("{}, SHA-256 {}", adapter.path, adapter.sha256),
        ));
    }
    for benchmark in &run.benchmarks {
        facts.push((
            format!("benchmark {}", benchmark.name),
            format!(
                "{}, SHA-256 {}",
                number::count(benchmark.tasks, "task"),
                benchmark.sha256
            ),
        ));
    }
    let seeds: Vec<String> = run
        .seeds
        .iter()
        .map(|of| format!("{} {}", of.name, of.seed))
        .collect();
    let seconds: f64 = run.timings.iter().map(|phase| phase.seconds).sum();
    facts.extend([
        (
            "device".to_owned(),
            format!("{}, {}", run.device, number::count(run.threads, "thread")),
        ),
        ("time".to_owned(), number::seconds(Some(seconds))),
        (
            "sandbox".to_owned(),
            format!("level {}, Python {}", run.sandbox.level, run.python_version),
        ),
        ("seeds".to_owned(), seeds.join(", ")),
        (
            "configuration".to_owned(),
            format!("SHA-256 {}", run.config_sha256),
        ),
        ("slm-lora".to_owned(), run.project_version.clone()),
    ]);
    facts
}

/// Renders the body of the page of a training.
pub(super) fn of_training(page: &TrainingPage) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        title: &'a str,
        subtitle: &'a str,
        cards: &'a [(String, String, String)],
        tables: Vec<Table>,
        examples: &'a [(String, Vec<(String, bool)>)],
        facts: &'a Facts,
        recipe: &'a str,
    }
    let tables = page.tables.iter().map(|(title, head, rows)| Table {
        title: title.clone(),
        head: head.clone(),
        rows: rows.clone(),
    });
    render(
        include_str!("training.html.jinja"),
        &Body {
            title: &page.title,
            subtitle: &page.subtitle,
            cards: &page.cards,
            tables: tables.collect(),
            examples: &page.examples,
            facts: &page.facts,
            recipe: &page.recipe,
        },
    )
}

/// Renders a template of this program, which prints strings alone, all of them escaped.
fn render(template: &str, context: &impl Serialize) -> String {
    let rendered = || -> Result<String, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax?);
        environment.remove_filter("safe");
        environment.render_str(template, minijinja::value::Serde(context))
    };
    rendered().unwrap_or_else(|error| panic!("{error:#}"))
}
