//! `evaluator view`: runs as one HTML file.

mod steps;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_cli::{Failure, UserMistake};
use slm_report::html::{EvaluationPage, Overview, Step, evaluation};
use slm_report::{RunInfo, SampleRecord};

use crate::json_lines;
use crate::recorded;
use crate::run_folder::{PAGE, RunFolder, TRAJECTORIES};
use crate::view_arguments::ViewArguments;
use crate::workflow::event::{AnswerName, Event, name_of_record};

/// The size of the page that an experiment writes beside its report, in bytes.
const LIMIT: usize = 15_000_000;

/// A run as it was read.
struct Run {
    info: RunInfo,
    records: Vec<SampleRecord>,
    overview: Overview,
    steps: Vec<Option<Vec<Step>>>,
}

/// Writes the page of the runs, and prints its path.
pub(crate) fn run(arguments: &ViewArguments) -> Result<(), Failure> {
    Ok(view(arguments)?)
}

fn view(arguments: &ViewArguments) -> Result<()> {
    let folders: Vec<PathBuf> = (arguments.runs.iter())
        .map(|named| folder_of(named, &arguments.reports))
        .collect::<Result<_, _>>()?;
    let path = match (&arguments.output, &folders[..]) {
        (Some(path), _) => path.clone(),
        (None, [folder]) => folder.join(PAGE),
        (None, _) => {
            return Err(UserMistake(
                "several runs, and no file for their page\nhint: name it with -o runs.html"
                    .to_owned(),
            )
            .into());
        }
    };
    let runs: Vec<Run> = folders.iter().map(|of| read(of)).collect::<Result<_>>()?;
    let limit = arguments.limit_mb as usize * 1_000_000;
    let page = page(&runs, limit)?;
    slm_cli::write_page(&path, &page)?;
    slm_cli::result(&format!("page: {}", path.display()));
    Ok(())
}

/// Returns the page of a finished run, which an experiment writes beside its report.
pub(crate) fn beside_report(
    folder: &Path,
    info: &RunInfo,
    records: &[SampleRecord],
    overview: &Overview,
) -> Result<String> {
    let steps = steps_of(folder, records);
    let run = EvaluationPage {
        info,
        records,
        overview,
        steps: &steps,
    };
    Ok(evaluation(&[run], LIMIT)?.0)
}

/// The folder of a run; one of a training is named.
fn folder_of(named: &Path, reports: &Path) -> Result<PathBuf, UserMistake> {
    let is_training = [named, &named.join("adapter")]
        .iter()
        .any(|folder| folder.join("training.json").is_file());
    if is_training {
        return Err(UserMistake(format!(
            "{}: holds a training, not a run\nhint: trainer view {}",
            named.display(),
            named.display()
        )));
    }
    crate::runs::folder_of(named, reports)
}

fn read(folder: &Path) -> Result<Run> {
    let info = RunFolder::read_info(folder)?;
    let records = recorded::read(folder, &info)?;
    let expected = info.n_answers();
    if records.len() < expected {
        slm_cli::note(&format!(
            "{}: {} of {expected} answers are recorded; the page is of an unfinished run",
            folder.display(),
            records.len()
        ));
    }
    let records: Vec<SampleRecord> = crate::order::sorted(&info, &records)
        .into_iter()
        .map(SampleRecord::upgraded)
        .collect();
    let overview = slm_report::build(&info, &records).overview;
    let steps = steps_of(folder, &records);
    Ok(Run {
        info,
        records,
        overview,
        steps,
    })
}

fn page(runs: &[Run], limit: usize) -> Result<String> {
    let pages: Vec<EvaluationPage> = runs
        .iter()
        .map(|run| EvaluationPage {
            info: &run.info,
            records: &run.records,
            overview: &run.overview,
            steps: &run.steps,
        })
        .collect();
    let (page, without_steps) = evaluation(&pages, limit)?;
    if without_steps > 0 {
        slm_cli::note(&format!(
            "the trajectories of {without_steps} answers are left out to keep the page small\n\
             hint: raise --limit-mb"
        ));
    }
    Ok(page)
}

/// Returns the steps of each record; none if the run has no readable log, which costs the page its trajectories alone.
fn steps_of(folder: &Path, records: &[SampleRecord]) -> Vec<Option<Vec<Step>>> {
    let path = folder.join(TRAJECTORIES);
    if !path.is_file() {
        return Vec::new();
    }
    let events: Vec<Event> = match json_lines::read_file(&path) {
        Ok(events) => events,
        Err(error) => {
            slm_cli::note(&format!("the page has no trajectories: {error:#}"));
            return Vec::new();
        }
    };
    let mut trajectories: HashMap<AnswerName, Vec<&Event>> = HashMap::new();
    for event in &events {
        trajectories
            .entry(event.trajectory.name())
            .or_default()
            .push(event);
    }
    let of_record = |record: &SampleRecord| {
        let mut events = trajectories.get(&name_of_record(record))?.clone();
        events.sort_by_key(|event| event.step);
        Some(events.into_iter().map(steps::step).collect())
    };
    records.iter().map(of_record).collect()
}
