//! `evaluator report`: rebuilds the report of an existing run, or of the shards of one, without a model.

use std::path::PathBuf;

use anyhow::Result;
use slm_cli::{Failure, UserMistake};

use super::{against, merge};
use crate::recorded;
use crate::report_arguments::ReportArguments;
use crate::run_folder::RunFolder;

/// Rebuilds the report, and prints its path.
pub(crate) fn rebuild(arguments: &ReportArguments) -> Result<(), Failure> {
    Ok(report(arguments)?)
}

fn report(arguments: &ReportArguments) -> Result<()> {
    let folders: Vec<PathBuf> = arguments
        .runs
        .iter()
        .map(|run| crate::runs::folder_of(run, &arguments.reports))
        .collect::<Result<_, _>>()?;
    if let Some(against) = &arguments.against {
        let [folder] = &folders[..] else {
            let text = format!(
                "--against compares one run, but {} are given\nhint: merge the shards of a run first",
                folders.len()
            );
            return Err(UserMistake(text).into());
        };
        let against = crate::runs::folder_of(against, &arguments.reports)?;
        let comparison = against::compare(folder, &against)?;
        if arguments.json {
            slm_cli::document(&serde_json::to_string_pretty(&comparison)?);
        } else {
            slm_cli::result(comparison.markdown().trim_end());
        }
        return Ok(());
    }
    let (info, run) = match &folders[..] {
        [folder] if !arguments.interim => {
            let info = RunFolder::read_info(folder)?;
            recorded::refuse_none(folder)?;
            let run = RunFolder::open_recorded(folder.clone())?;
            recorded::check(folder, &info, run.records())?;
            let (expected, found) = (info.n_answers(), run.records().len());
            if found < expected {
                slm_cli::note(&format!(
                    "{found} of {expected} answers are recorded: the report is of an unfinished run"
                ));
            }
            (info, run)
        }
        shards => merge::merge(shards, &arguments.reports, arguments.interim)?,
    };
    if let Some(path) = super::publish(&info, &run, arguments.json)? {
        slm_cli::result(&format!("report: {}", path.display()));
    }
    Ok(())
}
