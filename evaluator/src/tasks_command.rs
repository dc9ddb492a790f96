//! `evaluator tasks`: makes a benchmark of a repository's own functions, proven by its own tests.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use slm_artifacts::publish;
use slm_cli::{Failure, Progress, UserMistake};
use slm_repository::{Report, RepositoryError, TaskOptions, TaskProgress, make_tasks};
use slm_sandbox::Limits;

use crate::arguments::TasksArguments;

/// Makes the tasks, writes them, and prints what became of every documented function.
pub(crate) fn run(arguments: &TasksArguments) -> Result<(), Failure> {
    Ok(make(arguments)?)
}

/// The document for `--json`.
#[derive(Serialize)]
struct Document<'a> {
    output: &'a Path,
    #[serde(flatten)]
    report: &'a Report,
}

fn make(arguments: &TasksArguments) -> Result<()> {
    let output = &arguments.output;
    check_output(output)?;
    let limits = Limits::default().with_cpu_s(arguments.timeout_s);
    let sandbox = arguments
        .sandbox
        .open(arguments.python.as_deref(), limits)?;
    let options = TaskOptions {
        output: output.clone(),
        split: arguments.split,
        seed: arguments.seed,
    };
    let folder = output
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut bars = Bars::default();
    let report = written_alone(output, |part| {
        let cannot_write = || format!("cannot write {}", output.display());
        let mut file = BufWriter::new(File::create(part).with_context(cannot_write)?);
        let made = make_tasks(
            &arguments.repository,
            &sandbox,
            &options,
            &mut |progress| bars.show(progress),
            &mut |row| {
                let written = file.write_all(row.to_line().as_bytes());
                written.with_context(cannot_write)
            },
        );
        let report = made.map_err(explained)?;
        file.flush().with_context(cannot_write)?;
        Ok(report)
    })?;
    bars.finish();
    if arguments.split.is_some() && (report.train == 0 || report.eval == 0) {
        slm_cli::note(&format!(
            "warning: all tasks are on one side of the split, {} for training and {} for evaluation\n\
             hint: a file is never divided; choose another --seed or --split, or a repository of more files",
            report.train, report.eval
        ));
    }
    if arguments.json {
        let document = Document {
            output,
            report: &report,
        };
        slm_cli::document(&serde_json::to_string_pretty(&document)?);
        return Ok(());
    }
    slm_cli::result(&format!(
        "{report}tasks written to {}\nhint: evaluate on them with --set \
         \"evaluate.benchmarks=[{{name: repository, path: {}}}]\"",
        output.display(),
        output.display()
    ));
    Ok(())
}

/// Writes a file under a name of this process's own and renames it at the end, so that two runs with the same output do
/// not write into each other's file.
fn written_alone<T>(output: &Path, write: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    let part = output.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let result = write(&part).and_then(|result| {
        let published = publish(&part, output);
        published.with_context(|| format!("cannot write {}", output.display()))?;
        Ok(result)
    });
    if result.is_err() {
        let _ = fs::remove_file(&part);
    }
    result
}

/// Refuses to overwrite a file that this command has not written.
fn check_output(output: &Path) -> Result<(), UserMistake> {
    if !output.exists() {
        return Ok(());
    }
    if !output.is_file() {
        return Err(UserMistake(format!(
            "{}: not a file\nhint: name a file with --output, for example own.jsonl",
            output.display()
        )));
    }
    let mut first = String::new();
    let line = File::open(output).and_then(|file| BufReader::new(file).read_line(&mut first));
    let row: serde_json::Value = serde_json::from_str(&first).unwrap_or_default();
    if line.is_ok_and(|bytes| bytes == 0) || row["repo"]["sha256"].is_string() {
        return Ok(());
    }
    Err(UserMistake(format!(
        "{}: the file exists and holds no tasks of a repository\nhint: choose another file with --output",
        output.display()
    )))
}

/// Marks errors that a user can mend.
fn explained(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<RepositoryError>() {
        Ok(
            error @ (RepositoryError::NoFolder { .. }
            | RepositoryError::NoPython { .. }
            | RepositoryError::TooLarge { .. }),
        ) => UserMistake(error.to_string()).into(),
        Ok(error) => error.into(),
        Err(error) => error,
    }
}

/// One progress bar after the other.
#[derive(Default)]
struct Bars(Option<(&'static str, Progress)>);

impl Bars {
    fn show(&mut self, progress: TaskProgress) {
        let (label, done, total, unit) = match progress {
            TaskProgress::Files { done } => ("reading", done, 0, "files"),
            TaskProgress::Tests { done, total } => ("running tests", done, total, "files"),
            TaskProgress::Functions { done, total } => ("proving", done, total, "functions"),
        };
        if total == 0 {
            return;
        }
        if self.0.as_ref().is_none_or(|(shown, _)| *shown != label) {
            self.finish();
            self.0 = Some((label, Progress::new(label, total as u64, unit)));
        }
        if let Some((_, bar)) = self.0.as_mut().filter(|_| done > 0) {
            bar.set(done as u64, "");
        }
    }

    fn finish(&mut self) {
        if let Some((_, bar)) = self.0.take() {
            bar.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_tasks_are_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |text: &str, is_allowed: bool| {
            let path = folder.path().join("own.jsonl");
            std::fs::write(&path, text).expect("a file");
            assert_eq!(check_output(&path).is_ok(), is_allowed, "{text}");
        };
        check("", true);
        check("{\"repo\": {\"sha256\": \"ab\"}}\n", true);
        check("{\"text\": \"rows\"}\n", false);
        check("notes\n", false);
        assert!(check_output(&folder.path().join("new.jsonl")).is_ok());
    }
}
