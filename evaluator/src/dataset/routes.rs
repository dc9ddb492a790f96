//! Which workflow is the cheapest that solves a task, for `--to routes`: what the router of `adaptive` learns.
//!
//! As in ALAMA (<https://arxiv.org/abs/2412.00722>), what was tried on training tasks teaches the choice: the cheapest
//! workflow that solves a task is the wanted answer to the router's own request, every other one an unwanted answer.
//! `routes.jsonl` beside the rows is what the router `nearest` reads.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::Result;
use serde_json::{Value, json};
use slm_artifacts::{ROUTES_VERSION, RoutesHeader, RoutesKind, SourceRun, TaskFingerprint, sha256};
use slm_benchmarks::{ScoringPhase, fingerprints};
use slm_cli::UserMistake;
use slm_config::{Prompts, Workflow};
use slm_harvest::{Answer, Harvest, LearnableTask, Reason, RouteRules, Routed, routes};
use slm_model::Message;
use slm_report::Decoding;

use super::gate;
use super::runs::{self, HarvestedRun};
use crate::dataset_arguments::DatasetArguments;
use crate::workflow::list_of_workflows;
use crate::workflow::prompt::{Prompt, Templates};

/// The rows and the file of routes.
pub(super) struct Made {
    pub(super) harvest: Harvest,
    pub(super) runs: Vec<SourceRun>,
    /// The fingerprints of all tasks of the routes.
    pub(super) tasks: Vec<TaskFingerprint>,
    /// Rules beside the settings.
    pub(super) more: BTreeMap<String, Value>,
    /// The text of [`ROUTES_FILE`](slm_artifacts::ROUTES_FILE).
    pub(super) file: String,
}

/// Makes the rows and the file of routes.
///
/// # Errors
/// The runs cannot be read or have several arms, no workflow solves any task, or a task is evaluated by the recipe.
pub(super) fn make(arguments: &DatasetArguments) -> Result<Made> {
    let runs = runs::open(&arguments.runs, &arguments.reports)?;
    let arm = only_arm(&runs)?;
    // All answers of finished runs are final: solutions may be opened.
    let phase = ScoringPhase::begin();
    let workflows = workflows_of(&runs);
    let routed = routed(&runs, &workflows, &phase)?;
    let ids: HashSet<&str> = routed.tasks.iter().map(|of| of.task_id.as_str()).collect();
    let learned = runs::tasks_of(&ids, &runs);
    let recipe = arguments.recipe.as_deref();
    let compared_with = gate::refuse_evaluated(&learned, "routes", recipe, &phase)?;
    let known = fingerprints(&learned, &phase);
    let left_out = routed.left_out.iter();
    let header = RoutesHeader {
        version: ROUTES_VERSION,
        kind: RoutesKind::Routes,
        runs: runs::sources(&runs)?,
        arm,
        tasks_counted: routed.tasks.len(),
        left_out: left_out
            .map(|(reason, count)| (reason.text().to_owned(), *count))
            .collect(),
        offline: runs::cost(&runs),
        tasks: known.clone(),
    };
    let mut file = serde_json::to_string(&header)? + "\n";
    for task in &routed.tasks {
        file += &serde_json::to_string(task)?;
        file.push('\n');
    }
    let names: Vec<&str> = workflows.iter().map(|of| of.name()).collect();
    let more = BTreeMap::from([
        ("compared_with".to_owned(), json!(compared_with)),
        ("choices".to_owned(), json!(names)),
        ("offline".to_owned(), json!(header.offline)),
        ("routes_sha256".to_owned(), json!(sha256(&file))),
    ]);
    Ok(Made {
        harvest: Harvest {
            rows: routed.rows,
            answers: routed.answers,
            left_out: routed.left_out,
        },
        runs: header.runs,
        tasks: known,
        more,
        file,
    })
}

/// Returns the request of a row, which is the router's own.
///
/// # Errors
/// None for the built-in templates.
pub(super) fn asking_for_route(
    stub: &str,
    entry_point: &str,
    listed: &str,
) -> Result<Vec<Message>> {
    let values = [
        ("task", stub),
        ("entry_point", entry_point),
        ("choices", listed),
    ];
    Ok(Templates::load(&Prompts::default())?.messages(Prompt::Route, &values))
}

/// Returns the arm of all answers.
fn only_arm(runs: &[HarvestedRun]) -> Result<String, UserMistake> {
    let records = runs.iter().flat_map(|run| &run.records);
    let arms: BTreeSet<&str> = records.map(|record| record.arm.as_str()).collect();
    let mut all = arms.iter();
    match (all.next(), all.next()) {
        (Some(arm), None) => Ok((*arm).to_owned()),
        (None, _) => Err(UserMistake(
            "the runs have no answers\nhint: finish them by the commands that started them"
                .to_owned(),
        )),
        _ => {
            let arms: Vec<&str> = arms.into_iter().collect();
            Err(UserMistake(format!(
                "the runs have several arms, but one model is routed: {}\n\
                 hint: name runs of one arm, such as those of `evaluator workflows`",
                arms.join(", ")
            )))
        }
    }
}

/// Returns the workflows of the runs' cells that can be chosen, in the order of the table.
fn workflows_of(runs: &[HarvestedRun]) -> Vec<Workflow> {
    let cells = runs.iter().flat_map(|run| &run.info.plan.cells);
    let ran: HashSet<Workflow> = cells.map(|cell| cell.workflow).collect();
    let all = Workflow::ALL.iter().copied();
    all.filter(|of| ran.contains(of) && !of.chooses()).collect()
}

fn routed(runs: &[HarvestedRun], workflows: &[Workflow], phase: &ScoringPhase) -> Result<Routed> {
    let answers: Vec<Answer> = runs.iter().flat_map(HarvestedRun::answers).collect();
    let tasks = runs::learnable_tasks(runs, phase);
    let references: HashMap<&str, Decoding> = runs
        .iter()
        .map(|run| (run.info.name.as_str(), run.info.plan.reference))
        .collect();
    let chooses = |name: &str| {
        let found = Workflow::ALL.iter().find(|of| of.name() == name);
        found.is_some_and(|of| of.chooses())
    };
    let rules = RouteRules {
        listed: &list_of_workflows(workflows),
        reference: &|run| references.get(run).copied(),
        chooses: &chooses,
        words: &|task: &LearnableTask| slm_retrieval::query_of(&task.prompt, &task.entry_point),
    };
    let found = routes(&answers, &tasks, &rules);
    let mut found = found.map_err(|error| {
        UserMistake(format!(
            "{error}\nhint: run more workflows (evaluate.workflows), or choose other tasks"
        ))
    })?;
    let unscored: usize = runs.iter().map(|run| run.unscored).sum();
    if unscored > 0 {
        found.answers += unscored;
        found.left_out.insert(Reason::Unscored, unscored);
    }
    Ok(found)
}
