//! `evaluator review --bench`: how many faults in reference solutions a reviewer finds, and what it finds without a fault.
//!
//! Each fault is one edit that the hidden tests notice. The reviewer sees the function with it, and every function
//! without one. The controls are the static rules alone, and lines drawn at random as often as the model names some.

mod faults;
mod figures;
mod page;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result};
use slm_artifacts::FinishReason;
use slm_benchmarks::{NAMES, REPOSITORY, TaskSet};
use slm_cli::UserMistake;
use slm_config::Evaluate;
use slm_sandbox::Limits;

use super::answer::read;
use super::left_out::{Counts, LeftOut};
use super::model::Model;
use super::request::Requests;
use crate::backend::{Answer, Query};
use crate::benchmark_file::load_tasks;
use crate::dataset::calls::ask;
use crate::experiment::learned;
use crate::review_arguments::ReviewArguments;
use faults::{Faults, Subject, make};
use figures::{Document, Found, Observed};

/// What to do about an adapter that has learned the functions.
const HINT: &str = "measure the adapter on functions that it has not learned";

/// Most bytes of the first line of a file of tasks.
const MOST_LINE_BYTES: u64 = 16 << 20;

/// Measures the reviewer, and prints a page or a document.
///
/// # Errors
/// The tasks or the model cannot be read, the sandbox fails, or no fault is proven.
pub(super) fn run(tasks: &str, arguments: &ReviewArguments) -> Result<()> {
    let (name, mut set) = load(tasks, arguments.data.as_deref())?;
    let model = Model::open(arguments)?;
    let default = Evaluate::default();
    let evaluate = model.as_ref().map_or(&default, |of| &of.recipe.evaluate);
    let limits = Limits::default().with_cpu_s(evaluate.timeout_s);
    let sandbox = arguments.sandbox.open(evaluate.python.as_deref(), limits)?;
    if let Some(most) = arguments.max_tasks {
        set.tasks
            .truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }
    if let Some(adapter) = model.as_ref().and_then(Model::adapter) {
        learned::check_tasks(std::slice::from_ref(adapter), &set.tasks, Some(HINT))?;
    }
    let faults = make(
        &set,
        &sandbox,
        usize::from(arguments.mutants),
        arguments.seed,
    )?;
    if faults.subjects.iter().all(|of| of.fault.is_none()) {
        let reasons = faults.left_out.iter();
        let reasons: Vec<String> = reasons.map(|(of, n)| format!("\n  {n} {of}")).collect();
        return Err(UserMistake(format!(
            "{tasks}: no fault in a reference solution is noticed by its hidden tests{}\nhint: choose a benchmark with \
             reference solutions and tests",
            reasons.concat()
        ))
        .into());
    }
    let mut counts = Counts::default();
    let mut described = None;
    let answers = match &model {
        None => None,
        Some(model) => {
            let answers = answers(model, &faults.subjects)?;
            described = Some(model.described(&answers.iter().collect::<Vec<_>>()));
            Some(answers)
        }
    };
    let observed = observed(&faults, answers.as_deref(), &mut counts);
    let document = Document::new(
        name,
        arguments.seed,
        &faults,
        &observed,
        described,
        counts.by_text(),
    );
    let text = serde_json::to_string_pretty(&document).context("cannot write the figures")?;
    if let Some(folder) = &arguments.output {
        store(folder, &text)?;
    }
    if arguments.json {
        slm_cli::document(&text);
    } else {
        slm_cli::result(&page::page(&document));
    }
    Ok(())
}

/// Loads a benchmark by its name, or a file of tasks.
fn load(tasks: &str, data: Option<&Path>) -> Result<(String, TaskSet)> {
    if NAMES.contains(&tasks) {
        return Ok((tasks.to_owned(), load_tasks(tasks, data)?.0));
    }
    let path = Path::new(tasks);
    if !path.is_file() || data.is_some() {
        return Err(UserMistake(format!(
            "{tasks}: no benchmark and no file of tasks\nhint: the benchmarks are {}",
            NAMES.join(", ")
        ))
        .into());
    }
    let mut first = String::new();
    let file = File::open(path).with_context(|| format!("cannot read {tasks}"))?;
    // What is not text is refused by the benchmark's own reader.
    let _ = BufReader::new(file.take(MOST_LINE_BYTES)).read_line(&mut first);
    let row: serde_json::Value = serde_json::from_str(&first).unwrap_or_default();
    let name = if row["repo"].is_object() {
        REPOSITORY
    } else {
        "custom"
    };
    Ok((tasks.to_owned(), load_tasks(name, Some(path))?.0))
}

/// Asks the model about each subject.
fn answers(model: &Model, subjects: &[Subject]) -> Result<Vec<Answer>> {
    let requests = Requests::new(&model.recipe.evaluate, model.has_adapter())?;
    let queries: Vec<Query> = subjects
        .iter()
        .map(|of| requests.of(&of.id(), &of.function))
        .collect();
    ask(&*model.backend(), queries, "review")
}

/// Returns the lines that each reviewer names, subject by subject.
fn observed(faults: &Faults, answers: Option<&[Answer]>, counts: &mut Counts) -> Vec<Observed> {
    let mut all = Vec::new();
    for (at, subject) in faults.subjects.iter().enumerate() {
        let function = &subject.function.function;
        let by_model = answers.map(|answers| {
            let answer = &answers[at];
            if answer.finish_reason == FinishReason::NoRoom {
                counts.add(LeftOut::NoRoom);
                return Found::default();
            }
            let n_lines = function.last_line - function.first_line + 1;
            let is_cut = answer.finish_reason == FinishReason::Length;
            let answer = read(&answer.text, is_cut, n_lines);
            counts.extend(answer.left_out);
            let lines = answer.findings.iter();
            Found::of(lines.map(|(line, _)| function.first_line + line - 1))
        });
        all.push(Observed {
            by_rules: Found::of(subject.function.findings.iter().map(|of| of.line)),
            by_model,
        });
    }
    all
}

/// Writes the figures into a folder that holds nothing but earlier ones.
fn store(folder: &Path, text: &str) -> Result<()> {
    const FIGURES: &str = "review-bench.json";
    let is_own = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name() == FIGURES)
    };
    if folder.exists() && !std::fs::read_dir(folder).is_ok_and(|mut all| all.all(is_own)) {
        return Err(UserMistake(format!(
            "{}: exists and holds something else than {FIGURES}\nhint: choose another folder with --output",
            folder.display()
        ))
        .into());
    }
    let path = folder.join(FIGURES);
    let written = slm_artifacts::atomic_write(&path, format!("{text}\n"));
    written.with_context(|| format!("cannot write {}", path.display()))
}
