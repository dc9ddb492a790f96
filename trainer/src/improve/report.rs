//! The report on all rounds: `improve-report.md` and its chart, in the run's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use slm_artifacts::{AdapterFolder, DatasetInfo};
use slm_cli::{duration_text, shell_word};
use slm_config::{Costs, Improve, Recipe};
use slm_report::{COST_PHRASES, RoundCurves, SampleRecord, WorkCost, draw_round_curves};

use super::judge::{Figures, Judgement, Ks, Paired, solved};
use super::spent;
use super::state::Line;
use super::stop::Stop;
use super::tasks::{Part, Tasks};
use crate::folder::replace_file;

/// File name of the report.
const REPORT_FILE: &str = "improve-report.md";
/// File name of its chart.
const PICTURE_FILE: &str = "improve.svg";

const TEMPLATE: &str = include_str!("improve.md.jinja");

/// What a round did.
#[derive(Debug)]
pub(super) struct Round {
    /// The round whose adapter answered; `None` for the base model.
    answered_by: Option<usize>,
    /// Answers of the round.
    answers: usize,
    /// Those that pass.
    passed: usize,
    /// Tasks that some answer of the round solves.
    solved: usize,
    /// Those that no earlier round solved.
    new: usize,
    /// The data set made from all answers up to then.
    data: Option<Harvest>,
    /// The adapter's answers to the dev tasks.
    pub(super) judgement: Option<Judgement>,
}

/// A round's data set.
#[derive(Debug, Serialize)]
struct Harvest {
    rows: usize,
    tasks: usize,
    left_out: BTreeMap<String, usize>,
}

impl Round {
    /// A round after its answers.
    pub(super) fn sampled(
        answers: &[SampleRecord],
        answered_by: Option<usize>,
        new: usize,
    ) -> Self {
        Self {
            answered_by,
            answers: answers.len(),
            passed: answers.iter().filter(|record| record.passed()).count(),
            solved: solved(answers).len(),
            new,
            data: None,
            judgement: None,
        }
    }

    /// Adds the round's data set.
    pub(super) fn harvest(&mut self, info: DatasetInfo) {
        let tasks: BTreeSet<&str> = info
            .tasks
            .iter()
            .map(|task| task.task_id.as_str())
            .collect();
        self.data = Some(Harvest {
            rows: info.rows,
            tasks: tasks.len(),
            left_out: info.left_out,
        });
    }
}

/// How the rounds ended.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The base model's answers to the dev tasks.
    pub(super) base: Judgement,
    /// The rounds that began, in their order.
    pub(super) rounds: Vec<Round>,
    /// The round whose adapter is kept.
    pub(super) best_round: usize,
    /// Whether it beats the base model on the dev tasks.
    pub(super) beats_base: bool,
    /// Why no further round followed.
    pub(super) stop: Stop,
}

/// The subject of a report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// The user's recipe.
    pub(super) recipe: &'a Recipe,
    /// The tasks.
    pub(super) tasks: &'a Tasks,
    /// How the rounds ended.
    pub(super) outcome: &'a Outcome,
    /// The log of the finished stages.
    pub(super) lines: &'a [Line],
    /// The folder of the kept adapter.
    pub(super) adapter: &'a Path,
}

/// The data of the template, and the document of `--json`.
#[derive(Serialize)]
struct Page<'a> {
    name: &'a str,
    adapter: String,
    best_round: usize,
    beats_base: bool,
    stop: String,
    train_tasks: usize,
    dev_tasks: usize,
    left_out: String,
    ks: Ks,
    base: &'a Figures,
    rounds: Vec<Row<'a>>,
    stages: Vec<SpentTime>,
    total_time: String,
    cost: WorkCost,
    /// `None` without any.
    prices: Option<&'a Costs>,
    settings: &'a Improve,
    evaluate_command: String,
}

#[derive(Serialize)]
struct Row<'a> {
    round: usize,
    answered_by: Option<usize>,
    answers: usize,
    passed: usize,
    solved: usize,
    new: usize,
    data: Option<&'a Harvest>,
    dev: Option<&'a Figures>,
    /// Of pass@1 to the base model, on the same dev tasks.
    difference: Option<Paired>,
    kept: bool,
}

#[derive(Serialize)]
struct SpentTime {
    round: usize,
    stage: &'static str,
    seconds: f64,
    time: String,
    cost: WorkCost,
}

/// Writes the report and its chart, and returns the document of `--json`.
///
/// # Errors
/// The disk is full or not writable.
pub(super) fn write(folder: &Path, subject: &Subject) -> Result<String> {
    let page = Page::new(folder, subject);
    replace_file(folder, PICTURE_FILE, &draw_round_curves(&curves(&page)))?;
    let markdown = slm_report::markdown::render(&[("improve", TEMPLATE), COST_PHRASES], &page);
    replace_file(folder, REPORT_FILE, &markdown)?;
    Ok(serde_json::to_string_pretty(&page)?)
}

/// Returns the result on one line.
pub(super) fn last_line(subject: &Subject) -> String {
    let outcome = subject.outcome;
    let kept = outcome.rounds.get(outcome.best_round.saturating_sub(1));
    let rate = kept.and_then(|round| Some(round.judgement.as_ref()?.figures.pass_1));
    let base = &outcome.base.figures;
    let verdict = if outcome.beats_base {
        ""
    } else {
        "; no round beat the base model"
    };
    format!(
        "{}: adapter of round {}, pass@1 {:.1} % on {} dev tasks (base model {:.1} %){verdict}",
        subject.adapter.display(),
        outcome.best_round,
        rate.unwrap_or_default(),
        base.tasks,
        base.pass_1,
    )
}

impl<'a> Page<'a> {
    fn new(folder: &Path, subject: &Subject<'a>) -> Self {
        let Subject {
            recipe,
            tasks,
            outcome,
            lines,
            adapter,
        } = *subject;
        let word = |path: &Path| shell_word(&path.display().to_string());
        let rounds = outcome.rounds.iter().enumerate();
        let prices = Some(&recipe.costs).filter(|costs| costs.has_price());
        let cost = spent::all(lines, prices);
        Self {
            name: recipe.name(),
            adapter: adapter.display().to_string(),
            best_round: outcome.best_round,
            beats_base: outcome.beats_base,
            stop: outcome.stop.to_string(),
            train_tasks: tasks.n(Part::Train),
            dev_tasks: tasks.n(Part::Dev),
            left_out: tasks.left_out_text(),
            ks: Ks::of(recipe.improve.judge_samples),
            base: &outcome.base.figures,
            rounds: rounds
                .map(|(index, round)| Row::new(index + 1, round, outcome, recipe))
                .collect(),
            stages: lines
                .iter()
                .map(|line| SpentTime::new(line, prices))
                .collect(),
            total_time: time_text(cost.seconds),
            cost,
            prices,
            settings: &recipe.improve,
            evaluate_command: format!(
                "evaluator compare {} --recipe {}",
                word(adapter),
                word(&folder.join(AdapterFolder::RECIPE))
            ),
        }
    }
}

impl<'a> Row<'a> {
    fn new(number: usize, round: &'a Round, outcome: &Outcome, recipe: &Recipe) -> Self {
        let Round {
            answered_by,
            answers,
            passed,
            solved,
            new,
            data,
            judgement,
        } = round;
        let seed = recipe.evaluate.statistics_seed;
        Self {
            round: number,
            answered_by: *answered_by,
            answers: *answers,
            passed: *passed,
            solved: *solved,
            new: *new,
            data: data.as_ref(),
            dev: judgement.as_ref().map(|judgement| &judgement.figures),
            difference: judgement
                .as_ref()
                .and_then(|judgement| judgement.difference(&outcome.base, seed)),
            kept: number == outcome.best_round,
        }
    }
}

impl SpentTime {
    fn new(line: &Line, prices: Option<&Costs>) -> Self {
        Self {
            round: line.round,
            stage: line.stage.name(),
            seconds: line.seconds,
            time: time_text(line.seconds),
            cost: WorkCost::of(line.seconds, line.energy.as_ref(), prices),
        }
    }
}

fn time_text(seconds: f64) -> String {
    duration_text(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// Collects the rates of the chart.
fn curves(page: &Page) -> RoundCurves {
    let rate = |of: fn(&Figures) -> Option<f64>| {
        let rounds = page.rounds.iter().filter_map(|round| round.dev);
        std::iter::once(page.base).chain(rounds).map(of).collect()
    };
    let Ks { small, large } = page.ks;
    let mut rates = vec![
        ("pass@1, greedy".to_owned(), rate(|of| Some(of.pass_1))),
        ("pass@1".to_owned(), rate(|of| Some(of.sampled_pass_1))),
        (format!("pass@{small}"), rate(|of| Some(of.pass_k_small))),
        (format!("pass@{large}"), rate(|of| Some(of.pass_k_large))),
    ];
    // With few answers both numbers are equal.
    rates.dedup_by(|a, b| a.0 == b.0);
    RoundCurves {
        name: page.name.to_owned(),
        rates,
        kept: Some(page.best_round),
    }
}
