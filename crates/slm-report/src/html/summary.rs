//! The part of a page that needs no script: verdicts, numbers, and where they come from.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};
use serde::Serialize;

use super::TrainingPage;
use super::chart::{Chart, ForestGroup};
use super::overview::{CELL_COLUMNS, COST_COLUMNS, Card};
use super::run_page::EvaluationPage;
use crate::number::{self, signed, signed_interval};
use crate::record::RunInfo;

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
    cost: Table,
    facts: Vec<(String, String)>,
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
        cost: Table {
            title: "What it cost".to_owned(),
            head: COST_COLUMNS.map(str::to_owned).to_vec(),
            rows: overview.cost.clone(),
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

fn facts(run: &RunInfo) -> Vec<(String, String)> {
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
        facts: &'a [(String, String)],
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
