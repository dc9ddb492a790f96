//! `evaluator dataset`: training data from the tested answers of runs.
//!
//! Which answers become rows is decided by the library `slm-harvest`. Here are the files around it: the runs and their
//! tasks (`runs`), the refusal of tasks that a recipe evaluates (`gate`), plans of the programs (`plans`), sketches of
//! functions (`sketches`), workflows by task (`routes`), splits of tasks (`decompositions`), tasks to measure a verifier
//! by (`verifier`) and its measurement (`judging`), and the folder (`folder`).

pub(crate) mod calls;
mod decompositions;
mod folder;
pub(crate) mod gate;
mod judging;
mod likelihood;
pub(crate) mod models;
mod page;
mod plans;
mod routes;
pub(crate) mod runs;
mod sketches;
mod splits;
pub(crate) mod verdicts;
mod verifier;

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use serde_json::json;
use slm_artifacts::{DatasetInfo, ROUTES_FILE};
use slm_benchmarks::{ScoringPhase, Task, fingerprints};
use slm_cli::{Failure, UserMistake};
use slm_harvest::{Answer, Harvest, Kind, Prefer, Reason, Settings, harvest};
use slm_scoring::names_test_machinery;

use crate::dataset_arguments::DatasetArguments;
use runs::HarvestedRun;
use verifier::HeldOut;

/// Makes a data set, writes its folder, and prints what became of every answer.
pub(crate) fn run(arguments: &DatasetArguments) -> Result<(), Failure> {
    Ok(make(arguments)?)
}

fn make(arguments: &DatasetArguments) -> Result<()> {
    let settings = arguments.settings()?;
    folder::check(&arguments.output)?;
    let info = if settings.kind == Kind::Sketches {
        let sketched = sketches::make(arguments, &settings)?;
        let parts = folder::Parts {
            harvest: &sketched.harvest,
            settings: &settings,
            runs: Vec::new(),
            tasks: sketched.tasks,
            more: sketched.more,
            beside: None,
        };
        folder::write(&arguments.output, parts)?
    } else if settings.kind == Kind::Routes {
        let made = routes::make(arguments)?;
        let parts = folder::Parts {
            harvest: &made.harvest,
            settings: &settings,
            runs: made.runs,
            tasks: made.tasks,
            more: made.more,
            beside: Some((ROUTES_FILE, made.file)),
        };
        folder::write(&arguments.output, parts)?
    } else {
        of_runs(arguments, &settings)?
    };
    if arguments.json {
        slm_cli::document(&serde_json::to_string_pretty(&info)?);
    } else {
        slm_cli::result(&page::page(&info, &arguments.output));
    }
    Ok(())
}

/// Makes a data set of the answers of runs.
fn of_runs(arguments: &DatasetArguments, settings: &Settings) -> Result<DatasetInfo> {
    let runs = runs::open(&arguments.runs, &arguments.reports)?;
    // All answers of finished runs are final: solutions may be opened.
    let phase = ScoringPhase::begin();
    let answers = answers(&runs, settings, arguments)?;
    let mut harvest = if settings.kind == Kind::Decompositions {
        decompositions::make(&runs, &answers, &phase)?
    } else {
        harvested(&runs, &answers, settings, &phase)?
    };
    let held = if settings.kind == Kind::Verifier {
        Some(verifier::hold_out(&mut harvest, &runs, settings.seed)?)
    } else {
        None
    };
    let learned = learned_tasks(&harvest, &runs);
    let recipe = arguments.recipe.as_deref();
    let compared_with = gate::refuse_evaluated(&learned, "rows", recipe, &phase)?;
    let mut more = BTreeMap::from([("compared_with".to_owned(), json!(compared_with))]);
    if let Some(mut held) = held {
        judge(&mut held, &runs, arguments)?;
        more.extend(held.rules);
    }
    if settings.kind == Kind::Plans {
        more.extend(plans::add(&mut harvest, &runs, arguments, &phase)?);
    }
    // Plans may leave fewer tasks.
    let learned = learned_tasks(&harvest, &runs);
    let parts = folder::Parts {
        harvest: &harvest,
        settings,
        runs: runs::sources(&runs)?,
        tasks: fingerprints(&learned, &phase),
        more,
        beside: None,
    };
    folder::write(&arguments.output, parts)
}

/// Measures the verifier that the user named on the rows of held-out tasks.
fn judge(held: &mut HeldOut, runs: &[HarvestedRun], arguments: &DatasetArguments) -> Result<()> {
    let (Some(named), Some(run)) = (&arguments.judge, runs.first()) else {
        return Ok(());
    };
    let ids: HashSet<&str> = held.rows.iter().map(|row| row.task_id.as_str()).collect();
    let tasks = runs::tasks_of(&ids, runs);
    let found = judging::measured(named, &held.rows, &tasks, run, arguments.device)?;
    if let Some(split) = held.rules.get_mut("held_out") {
        split["auc"]["verifier"] = found;
    }
    Ok(())
}

/// Returns the answers of all runs, with their likelihood if the rules need it.
fn answers(
    runs: &[HarvestedRun],
    settings: &Settings,
    arguments: &DatasetArguments,
) -> Result<Vec<Answer>> {
    let mut all = Vec::new();
    for run in runs {
        let mut answers: Vec<Answer> = run.answers().collect();
        if settings.prefer == Prefer::Likelihood {
            likelihood::add(run, &mut answers, arguments.device)?;
        }
        all.extend(answers);
    }
    Ok(all)
}

/// Applies the rules to the answers of all runs.
fn harvested(
    runs: &[HarvestedRun],
    answers: &[Answer],
    settings: &Settings,
    phase: &ScoringPhase,
) -> Result<Harvest> {
    let tasks = runs::learnable_tasks(runs, phase);
    let names_machinery = |program: &str| names_test_machinery(program).is_some();
    let found = harvest(answers, &tasks, settings, &names_machinery);
    let mut harvest = found.map_err(|error| {
        UserMistake(format!(
            "{error}\nhint: sample more answers (evaluate.samples_per_task, a higher temperature), or choose other tasks"
        ))
    })?;
    count_unscored(&mut harvest, runs);
    Ok(harvest)
}

/// Counts the answers of all runs that have no verdict.
fn count_unscored(harvest: &mut Harvest, runs: &[HarvestedRun]) {
    let unscored: usize = runs.iter().map(|run| run.unscored).sum();
    if unscored > 0 {
        harvest.answers += unscored;
        harvest.left_out.insert(Reason::Unscored, unscored);
    }
}

/// Returns the tasks of the rows, each once.
fn learned_tasks(harvest: &Harvest, runs: &[HarvestedRun]) -> Vec<Task> {
    let ids = harvest.rows.iter().map(|row| row.task_id.as_str());
    let ids = ids.collect();
    runs::tasks_of(&ids, runs)
}
