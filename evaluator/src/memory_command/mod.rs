//! `evaluator memory`: what successful runs teach, as text for the workflow `memory`.
//!
//! Which answers become entries is decided by the library `slm-harvest`. Here are what led to each program (`history`),
//! the general lines (`general`), and the file.

mod general;
mod history;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result};
use slm_artifacts::{
    MEMORY_VERSION, MemoryCounts, MemoryEntry, MemoryHeader, MemoryKind, atomic_write,
};
use slm_benchmarks::{ScoringPhase, fingerprints};
use slm_cli::{Failure, UserMistake, text_table};
use slm_harvest::{Answer, KeptAnswer, Memorable, Reason, memorable};
use slm_scoring::names_test_machinery;

use crate::dataset::gate;
use crate::dataset::runs::{self, HarvestedRun};
use crate::knowledge::memory_file;
use crate::memory_arguments::MemoryArguments;
use history::Histories;

/// Most bytes of the first line of a file that may be replaced.
const MOST_HEADER_BYTES: u64 = 16 << 20;

/// Makes a memory, writes its file, and prints what became of every answer.
pub(crate) fn run(arguments: &MemoryArguments) -> Result<(), Failure> {
    Ok(make(arguments)?)
}

fn make(arguments: &MemoryArguments) -> Result<()> {
    check(&arguments.output)?;
    let runs = runs::open(&arguments.runs, &arguments.reports)?;
    // All answers of finished runs are final: solutions may be opened.
    let phase = ScoringPhase::begin();
    let found = kept(&runs, &phase)?;
    let ids: HashSet<&str> = found
        .answers_kept
        .iter()
        .map(|of| of.row.task_id.as_str())
        .collect();
    let learned = runs::tasks_of(&ids, &runs);
    let recipe = arguments.recipe.as_deref();
    let compared_with = gate::refuse_evaluated(&learned, "entries", recipe, &phase)?;
    let histories = Histories::read(&runs)?;
    let entries: Vec<MemoryEntry> = found
        .answers_kept
        .iter()
        .map(|kept| entry(kept, &histories))
        .collect();
    let mut header = MemoryHeader {
        version: MEMORY_VERSION,
        kind: MemoryKind::Memory,
        runs: runs::sources(&runs)?,
        compared_with,
        counts: MemoryCounts {
            answers: found.answers,
            entries: entries.len(),
        },
        left_out: found
            .left_out
            .iter()
            .map(|(reason, count)| (reason.text().to_owned(), *count))
            .collect(),
        offline: runs::cost(&runs),
        general: Vec::new(),
        general_check: None,
        tasks: fingerprints(&learned, &phase),
    };
    if arguments.general {
        let made = general::make(&runs, &found.answers_kept, arguments, &phase)?;
        header.general = made.lines;
        header.general_check = Some(made.check);
        header.offline.calls += made.cost.calls;
        header.offline.completion_tokens += made.cost.completion_tokens;
        header.offline.executions += made.cost.executions;
    }
    write(&arguments.output, &header, &entries)?;
    if arguments.json {
        slm_cli::document(&serde_json::to_string_pretty(&header)?);
    } else {
        slm_cli::result(&page(&header, &arguments.output));
    }
    Ok(())
}

/// Selects the answers of all runs that become entries.
fn kept(runs: &[HarvestedRun], phase: &ScoringPhase) -> Result<Memorable> {
    let answers: Vec<Answer> = runs.iter().flat_map(HarvestedRun::answers).collect();
    let tasks = runs::learnable_tasks(runs, phase);
    let names_machinery = |program: &str| names_test_machinery(program).is_some();
    let found = memorable(&answers, &tasks, &names_machinery);
    let mut found = found.map_err(|error| {
        let names: Vec<&str> = runs.iter().map(|run| run.info.name.as_str()).collect();
        UserMistake(format!(
            "{}: {error}\nhint: sample more answers (evaluate.samples_per_task, a higher temperature), or choose other \
             tasks",
            names.join(", ")
        ))
    })?;
    let unscored: usize = runs.iter().map(|run| run.unscored).sum();
    if unscored > 0 {
        found.answers += unscored;
        found.left_out.insert(Reason::Unscored, unscored);
    }
    Ok(found)
}

fn entry(kept: &KeptAnswer, histories: &Histories) -> MemoryEntry {
    let row = &kept.row;
    // A row of an answer has one side.
    let source = &row.sides[0].source;
    let history = histories.of(source);
    MemoryEntry {
        task_id: row.task_id.clone(),
        entry_point: row.entry_point.clone(),
        words: slm_retrieval::query_of(&row.stub, &row.entry_point),
        plan: history.plan,
        program: kept.program.clone(),
        failed: history.failed,
        importance: kept.importance,
        run: source.run.clone(),
        arm: source.arm.clone(),
        workflow: source.workflow.clone(),
        temperature: source.temperature,
        top_p: source.top_p,
        sample: source.sample,
    }
}

/// Refuses to replace a file that this command has not written.
fn check(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    if !path.is_file() {
        return Err(UserMistake(format!(
            "{}: not a regular file\nhint: choose another file with --output",
            path.display()
        ))
        .into());
    }
    let file = fs::File::open(path);
    let file = file.with_context(|| format!("cannot read {}", path.display()))?;
    let mut bytes = Vec::new();
    file.take(MOST_HEADER_BYTES)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let first = bytes.split(|&byte| byte == b'\n').next().unwrap_or(&bytes);
    let header = std::str::from_utf8(first).map_err(|_| "not UTF-8".to_owned());
    match header.and_then(memory_file::header) {
        Ok(_) => Ok(()),
        Err(problem) => Err(UserMistake(format!(
            "{}: the file exists and is no memory: {problem}\nhint: choose another file with --output",
            path.display()
        ))
        .into()),
    }
}

/// Writes the file. Equal input gives equal bytes.
fn write(path: &Path, header: &MemoryHeader, entries: &[MemoryEntry]) -> Result<()> {
    let mut text = serde_json::to_string(header)? + "\n";
    for entry in entries {
        text += &serde_json::to_string(entry)?;
        text.push('\n');
    }
    atomic_write(path, &text).with_context(|| format!("cannot write {}", path.display()))
}

/// Returns what became of the answers, as text.
fn page(header: &MemoryHeader, path: &Path) -> String {
    let MemoryCounts { answers, entries } = header.counts;
    let mut text = format!(
        "{}, from {} of {}\n",
        counted(entries, "entry", "entries"),
        counted(answers, "answer", "answers"),
        counted(header.runs.len(), "run", "runs")
    );
    if !header.left_out.is_empty() {
        let rows = header.left_out.iter();
        let rows: Vec<Vec<String>> = rows
            .map(|(reason, count)| vec![reason.clone(), count.to_string()])
            .collect();
        let _ = write!(text, "\n{}", text_table(&["left out", "answers"], &rows));
    }
    if let Some(check) = &header.general_check {
        let became = if check.kept { "kept" } else { "dropped" };
        let _ = write!(
            text,
            "\n{} by {}, {became}: {} of {} tasks solved with them, {} without\n",
            counted(check.lines, "general line", "general lines"),
            check.speaker,
            check.solved_with,
            check.tasks,
            check.solved_without
        );
    }
    let _ = write!(
        text,
        "\nmemory written to {}; use it with knowledge.memory",
        path.display()
    );
    text
}

fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
