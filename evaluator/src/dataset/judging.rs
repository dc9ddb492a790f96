//! How well a model in the role `verifier` separates the answers to held-out tasks.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use slm_artifacts::BASE_ARM;
use slm_benchmarks::Task;
use slm_cli::UserMistake;
use slm_harvest::Row;
use slm_model::{DeviceChoice, Sampling};

use super::calls;
use super::models::Models;
use super::runs::HarvestedRun;
use super::verifier::{asking, auc};
use crate::backend::{Judgement, Query, Speaker, Wanted};
use crate::experiment::adapters::NamedAdapter;
use crate::experiment::learned;

/// What to do about an adapter that has learned held-out tasks.
const HINT: &str =
    "measure an adapter with the runs, the --seed and the --max-rows that its rows were made with";

/// Asks the base model of a run, with the adapter `named` unless that is [`BASE_ARM`], about each row of the held-out tasks,
/// and returns the area under the ROC curve of its probability of yes, with the number of rows that got one.
///
/// # Errors
/// There is no such adapter, it is of another base model, or it has learned one of the tasks; or the model cannot be
/// opened, or was behind a server.
pub(super) fn measured(
    named: &Path,
    rows: &[Row],
    tasks: &[Task],
    run: &HarvestedRun,
    device: DeviceChoice,
) -> Result<Value> {
    if rows.is_empty() {
        let text = "no answers are held out, on which --judge could measure a verifier\n\
                    hint: sample answers to at least two tasks";
        return Err(UserMistake(text.to_owned()).into());
    }
    if run.info.endpoint.is_some() {
        return Err(UserMistake(format!(
            "{}: a server answered, and --judge asks the built-in model\n\
             hint: omit --judge, or sample with the built-in model",
            run.folder.display()
        ))
        .into());
    }
    let adapters: Vec<NamedAdapter> = if named == Path::new(BASE_ARM) {
        Vec::new()
    } else {
        vec![NamedAdapter::find(named)?]
    };
    learned::check_tasks(&adapters, tasks, Some(HINT))?;
    let models = Models::open_with(run, &adapters, None, device)?;
    let queries: Vec<Query> = rows
        .iter()
        .map(|row| {
            Ok(Query {
                messages: asking(row)?,
                begun: String::new(),
                stop: Vec::new(),
                sampling: Sampling::GREEDY,
                max_new_tokens: 1,
                seed: 0,
                speaker: Speaker::Arm,
                wanted: Wanted {
                    judgement: true,
                    ..Wanted::default()
                },
            })
        })
        .collect::<Result<_>>()?;
    let model = models.arm((!adapters.is_empty()).then_some(0));
    let answers = calls::ask(&*model, queries, "held-out answers")?;
    let scored: Vec<(bool, f64)> = rows
        .iter()
        .zip(&answers)
        .filter_map(|(row, answer)| {
            let score = answer.judgement.and_then(Judgement::score)?;
            Some((row.label == Some(true), score))
        })
        .collect();
    let mut found = json!({"auc": auc(&scored), "answers": scored.len(), "name": BASE_ARM});
    if let Some(adapter) = adapters.first() {
        found["name"] = json!(adapter.name());
        found["sha256"] = json!(slm_model::Adapter::sha256(adapter.folder())?);
    }
    Ok(found)
}
