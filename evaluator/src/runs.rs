//! `evaluator runs`: the runs under reports/.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;
use slm_artifacts::{NotFound, is_bare_name, run_by_name, runs_below};
use slm_cli::{Failure, UserMistake, print_list};

use crate::arguments::RunsArguments;
use crate::run_folder::{RECORDS, RUN, RunFolder, SUMMARY};

/// The name that means the newest run.
const LATEST: &str = "latest";

/// One run.
#[derive(Debug, Serialize)]
struct Run {
    name: String,
    folder: String,
    /// When it was started.
    date: String,
    experiment: String,
    model: String,
    adapters: Vec<String>,
    tasks: usize,
    /// Records written.
    samples: usize,
    /// Records of the finished run.
    samples_expected: usize,
    /// The outcome of each hypothesis by its metric; empty without a report.
    verdicts: Vec<Claim>,
}

#[derive(Debug, Serialize)]
struct Claim {
    hypothesis: String,
    /// The compared sides.
    contrast: String,
    metric: String,
    outcome: String,
}

/// Lists the runs, the newest first.
pub(crate) fn run(arguments: &RunsArguments) -> Result<(), Failure> {
    let mut runs: Vec<Run> = runs_below(&arguments.reports, described)
        .into_iter()
        .filter_map(|(_, folder)| match read(&folder) {
            Ok(run) => Some(run),
            Err(error) => {
                slm_cli::note(&format!("left out: {error:#}"));
                None
            }
        })
        .collect();
    runs.sort_by(|a, b| b.date.cmp(&a.date));
    let header = [
        "name",
        "date",
        "experiment",
        "model",
        "tasks",
        "samples",
        "verdict",
    ];
    let none = format!(
        "no run under {}\nhint: `evaluator compare` writes one",
        arguments.reports.display()
    );
    print_list(&runs, arguments.json, &header, row, &none)
}

fn row(run: &Run) -> Vec<String> {
    let samples = if run.samples == run.samples_expected {
        run.samples.to_string()
    } else {
        format!("{} of {}", run.samples, run.samples_expected)
    };
    let verdicts: Vec<_> = run
        .verdicts
        .iter()
        .map(|claim| {
            // The workflow of H1, if it is not the first one.
            let place = claim.contrast.split_once(" less base, ");
            let place = place.map_or_else(String::new, |(_, workflow)| format!(" in {workflow}"));
            format!(
                "{} {} ({}{place})",
                claim.hypothesis, claim.outcome, claim.metric
            )
        })
        .collect();
    vec![
        run.name.clone(),
        run.date.clone(),
        run.experiment.clone(),
        run.model.clone(),
        run.tasks.to_string(),
        samples,
        verdicts.join("; "),
    ]
}

/// When a run's description was last written; `None` for another folder.
fn described(folder: &Path) -> Option<SystemTime> {
    let described = fs::metadata(folder.join(RUN)).and_then(|file| file.modified());
    described.ok()
}

fn read(folder: &Path) -> anyhow::Result<Run> {
    let info = RunFolder::read_info(folder)?;
    let records = fs::read_to_string(folder.join(RECORDS)).unwrap_or_default();
    Ok(Run {
        name: info.name.clone(),
        folder: folder.display().to_string(),
        date: info.created.clone(),
        experiment: info.plan.experiment.command().to_owned(),
        model: info.base_model.name.clone(),
        adapters: info
            .adapters
            .iter()
            .map(|adapter| adapter.name.clone())
            .collect(),
        tasks: info.n_tasks(),
        samples: records.matches('\n').count(),
        samples_expected: info.n_answers(),
        verdicts: verdicts(folder),
    })
}

/// The claims of the run's summary, if there is one.
fn verdicts(folder: &Path) -> Vec<Claim> {
    let text = fs::read(folder.join(SUMMARY)).unwrap_or_default();
    let summary: Value = serde_json::from_slice(&text).unwrap_or_default();
    let claims = summary["claims"].as_array().into_iter().flatten();
    claims
        .map(|claim| {
            let word = |key: &str| claim[key].as_str().unwrap_or_default().replace('_', " ");
            Claim {
                hypothesis: word("hypothesis"),
                contrast: claim["contrast"].as_str().unwrap_or_default().to_owned(),
                metric: word("metric"),
                outcome: word("outcome"),
            }
        })
        .collect()
}

/// The folder of the run that a user means: a run's folder, the name of one below `reports` or the beginning of it, or
/// `latest`.
///
/// # Errors
/// There is no such run, or several begin so.
pub(crate) fn folder_of(named: &Path, reports: &Path) -> Result<PathBuf, UserMistake> {
    if named.join(RUN).is_file() {
        return Ok(named.to_owned());
    }
    if named == Path::new(LATEST) {
        // By the same time that the list shows: a description may be written again.
        let newest = runs_below(reports, described)
            .into_iter()
            .filter_map(|(_, folder)| Some((RunFolder::read_info(&folder).ok()?.created, folder)))
            .max();
        return newest.map(|(_, folder)| folder).ok_or_else(|| {
            UserMistake(format!(
                "no run under {}\nhint: `evaluator compare` writes one",
                reports.display()
            ))
        });
    }
    if is_bare_name(named) {
        let by_name = run_by_name(reports, &named.to_string_lossy(), described);
        if by_name.is_ok() || !named.is_dir() {
            return by_name.map_err(|error: NotFound| UserMistake(error.to_string()));
        }
    }
    Err(UserMistake(format!(
        "{}: no run's folder, it holds no {RUN}\nhint: `evaluator runs` lists the runs",
        named.display()
    )))
}
