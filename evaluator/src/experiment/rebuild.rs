//! `evaluator report`: the report of a run that is there already, or of the shards of one, without a model.

use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_cli::{Failure, UserMistake};

use super::merge;
use crate::arguments::ReportArguments;
use crate::run_folder::RunFolder;

/// Writes the report anew, and prints where it is.
pub(crate) fn rebuild(arguments: &ReportArguments) -> Result<(), Failure> {
    Ok(report(arguments)?)
}

fn report(arguments: &ReportArguments) -> Result<()> {
    let folders: Vec<PathBuf> = arguments
        .runs
        .iter()
        .map(|run| folder_of(run, &arguments.reports))
        .collect::<Result<_, _>>()?;
    let (info, run) = match &folders[..] {
        [folder] => {
            let info = RunFolder::read_info(folder)?;
            let run = RunFolder::open(folder.clone())?;
            let (expected, found) = (info.n_answers(), run.records().len());
            if found < expected {
                slm_cli::note(&format!(
                    "{found} of {expected} answers are recorded: the report is of an unfinished run"
                ));
            }
            (info, run)
        }
        shards => merge::merge(shards, &arguments.reports)?,
    };
    if let Some(path) = super::publish(&info, &run, arguments.json)? {
        slm_cli::result(&format!("report: {}", path.display()));
    }
    Ok(())
}

/// A run's folder by its path, or by its name under the reports' folder.
fn folder_of(run: &Path, reports: &Path) -> Result<PathBuf, UserMistake> {
    let folders = [run.to_owned(), reports.join(run)];
    let is_run = |folder: &PathBuf| folder.join(crate::run_folder::RUN).is_file();
    folders.into_iter().find(is_run).ok_or_else(|| {
        UserMistake(format!(
            "{}: no folder of a run, it holds no {}\n\
             hint: `evaluator compare` prints the path of its report, which lies in the run's folder",
            run.display(),
            crate::run_folder::RUN
        ))
    })
}
