//! `evaluator report`: the report of a run that is there already, without a model.

use std::path::PathBuf;

use anyhow::Result;
use cli::{Failure, UserMistake};

use crate::arguments::ReportArguments;
use crate::run_folder::RunFolder;

/// Writes the report anew, and prints where it is.
pub(crate) fn rebuild(arguments: &ReportArguments) -> Result<(), Failure> {
    Ok(report(arguments)?)
}

fn report(arguments: &ReportArguments) -> Result<()> {
    let folders = [
        arguments.run.clone(),
        arguments.reports.join(&arguments.run),
    ];
    let is_run = |folder: &PathBuf| folder.join(crate::run_folder::RUN).is_file();
    let folder = folders.into_iter().find(is_run).ok_or_else(|| {
        UserMistake(format!(
            "{}: no folder of a run, it holds no {}\n\
             hint: `evaluator compare` prints the path of its report, which lies in the run's folder",
            arguments.run.display(),
            crate::run_folder::RUN
        ))
    })?;
    let info = RunFolder::read_info(&folder)?;
    let run = RunFolder::open(folder)?;
    let expected = expected_records(&info);
    let found = run.records().len();
    if found < expected {
        cli::note(&format!(
            "{found} of {expected} answers are recorded: the report is of an unfinished run"
        ));
    }
    if let Some(path) = super::publish(&info, &run, arguments.json)? {
        cli::result(&format!("report: {}", path.display()));
    }
    Ok(())
}

/// Answers that the finished run has.
fn expected_records(info: &crate::record::RunInfo) -> usize {
    let tasks: usize = info
        .benchmarks
        .iter()
        .map(|benchmark| benchmark.tasks)
        .sum();
    let samples: usize = info
        .plan
        .cells
        .iter()
        .map(|cell| cell.samples as usize)
        .sum();
    tasks * samples
}
