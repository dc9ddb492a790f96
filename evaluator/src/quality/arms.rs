//! The quality of runs: a line for each cell, and each adapter beside the base model.

use std::path::PathBuf;

use anyhow::Context;
use slm_artifacts::BASE_ARM;
use slm_cli::{Failure, UserMistake};
use slm_report::SampleRecord;

use super::arms_page;
use super::cells::cells_of;
use crate::recorded;
use crate::run_folder::RunFolder;

/// Prints the cells of the runs.
pub(super) fn run(folders: &[PathBuf], is_json: bool) -> Result<(), Failure> {
    let mut cells = Vec::new();
    for folder in folders {
        let info = RunFolder::read_info(folder)?;
        let records = recorded::read(folder, &info)?;
        let records: Vec<SampleRecord> = records.into_iter().map(SampleRecord::upgraded).collect();
        if records.is_empty() {
            let text = format!(
                "{}: the run has no record yet\nhint: repeat its command; `evaluator runs` lists the runs",
                folder.display()
            );
            return Err(anyhow::Error::from(UserMistake(text)).into());
        }
        let names = info.adapters.iter().map(|adapter| adapter.name.as_str());
        let arms: Vec<&str> = std::iter::once(BASE_ARM).chain(names).collect();
        cells.extend(cells_of(
            &info.name,
            &records,
            &arms,
            info.statistics_seed(),
        ));
    }
    if is_json {
        let document = serde_json::to_string_pretty(&cells);
        slm_cli::document(&document.context("cannot write the cells as JSON")?);
    } else {
        slm_cli::result(&arms_page::render(&cells));
    }
    Ok(())
}
