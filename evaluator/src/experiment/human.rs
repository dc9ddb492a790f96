//! The human's own body of each task from a repository or without tests: its metrics, its loss under each arm, and the
//! comparison of a program with it. Of every other task with a solution, only the n-grams of the bodies are compared.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use slm_artifacts::BASE_ARM;
use slm_benchmarks::{ScoringPhase, Tests};
use slm_cli::Progress;
use slm_metrics::syntax::{BleuCounts, same_signature, similarity};
use slm_report::{ProgramMetrics, RunInfo, SampleRecord};
use slm_repository::definition_in;

use super::answering::Answering;
use super::tasks::RunTask;
use crate::workflow::trajectory::Finished;

/// The loss of the human's body, in nats per token, by arm and task.
pub(super) type Losses = BTreeMap<(String, String), f64>;

/// Returns the metrics of the human's programs, by task. Tasks of published benchmarks with tests have none: their
/// solutions are references for tests, not the code that the user wants to match.
pub(super) fn metrics(tasks: &[RunTask], phase: &ScoringPhase) -> BTreeMap<String, ProgramMetrics> {
    let own = tasks.iter().filter(|task| is_own(task, phase));
    let measured = own.filter_map(|task| {
        let prompt = &task.view.prompt;
        let program = format!("{prompt}{}", task.task.canonical_solution(phase));
        let metrics = ProgramMetrics::measure(&program, prompt)?;
        Some((task.view.task_id.clone(), metrics))
    });
    measured.collect()
}

fn is_own(task: &RunTask, phase: &ScoringPhase) -> bool {
    let is_measured = *task.task.hidden().open(phase) == Tests::Measured;
    task.view.repository.is_some() || is_measured
}

/// Computes the loss of the human's bodies under each arm that answered the tasks. Those of earlier starts are taken
/// from the records. A server does not report it, and a body that exceeds the model's context has none.
///
/// # Errors
/// The chat template cannot render a request.
pub(super) fn losses(
    answering: &Answering,
    info: &RunInfo,
    tasks: &[RunTask],
    finished: &[Finished],
    records: &[SampleRecord],
    phase: &ScoringPhase,
) -> Result<Losses> {
    let own: BTreeMap<&str, &RunTask> = tasks
        .iter()
        .filter(|task| is_own(task, phase))
        .map(|task| (task.view.task_id.as_str(), task))
        .collect();
    let mut losses: Losses = records
        .iter()
        .filter_map(|record| {
            let key = (record.arm.clone(), record.task_id.clone());
            Some((key, record.reference_loss?))
        })
        .collect();
    let open: BTreeSet<(&str, &str)> = finished
        .iter()
        .map(|finished| (finished.key.arm.as_str(), finished.key.task_id.as_str()))
        .filter(|(arm, task)| {
            own.contains_key(task) && !losses.contains_key(&((*arm).to_owned(), (*task).to_owned()))
        })
        .collect();
    if open.is_empty() || answering.endpoint().is_some() {
        return Ok(losses);
    }
    let mut progress = Progress::new("human bodies", open.len() as u64, "losses");
    for (done, (arm, task)) in (1..).zip(open) {
        let place = info.adapters.iter().position(|of| of.name == arm);
        if place.is_some() || arm == BASE_ARM {
            let of = own[task];
            let body = of.task.canonical_solution(phase);
            if let Some(loss) = answering.body_loss(place, &of.view.prompt, body)? {
                losses.insert((arm.to_owned(), task.to_owned()), loss);
            }
        }
        progress.set(done, "");
    }
    progress.finish();
    Ok(losses)
}

/// How a program compares with the human's.
#[derive(Default)]
pub(super) struct Comparison {
    /// Whether the function has the same parameters; false if the program lacks it.
    pub(super) same_signature: Option<bool>,
    /// Similarity of the tokens of the bodies, 0 to 1.
    pub(super) similarity: Option<f64>,
    /// The n-grams of the bodies.
    pub(super) bleu: Option<BleuCounts>,
}

impl Comparison {
    /// Compares a program with the human's; of one that does not parse, only the n-grams, of which it has none.
    pub(super) fn new(task: &RunTask, program: &str, parses: bool, phase: &ScoringPhase) -> Self {
        let solution = task.task.canonical_solution(phase);
        if solution.trim().is_empty() {
            return Self::default();
        }
        let target = task.view.repository.as_ref();
        let name = target.map_or(&task.view.entry_point, |target| &target.qualified_name);
        let function = name.rsplit('.').next().unwrap_or(name);
        let human = format!("{}{solution}", task.view.prompt);
        // Without a definition that can be moved, there is nothing to compare with.
        let human = definition_in(&human, name);
        let own = parses.then(|| definition_in(program, name)).flatten();
        let bleu = human.as_ref().and_then(|human| {
            BleuCounts::of_bodies(own.as_deref().unwrap_or_default(), human, function)
        });
        if !parses || !is_own(task, phase) {
            return Self {
                bleu,
                ..Self::default()
            };
        }
        let (Some(own), Some(human)) = (own, human) else {
            return Self {
                same_signature: Some(false),
                similarity: None,
                bleu,
            };
        };
        Self {
            same_signature: Some(same_signature(&own, function, &human) == Some(true)),
            similarity: similarity(&own, &human).ok(),
            bleu,
        }
    }
}
