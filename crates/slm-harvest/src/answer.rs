//! What the rules see: answers, and their tasks.

use slm_benchmarks::{ScoringPhase, Split, Task};
use slm_report::{Decoding, SampleRecord};

/// A scored answer of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The run's name.
    pub run: String,
    /// Its record, upgraded to this version.
    pub record: SampleRecord,
    /// The step of the trajectory that made the program, if the run recorded it.
    pub step: Option<u32>,
    /// Mean log-probability of its tokens under a model, in nats; `None` if it was not computed.
    pub likelihood: Option<f64>,
}

/// What identifies an answer, in the order of rows.
pub(crate) type AnswerOrder<'a> = (&'a str, &'a str, &'a str, Decoding, u32, &'a str);

impl Answer {
    /// Returns what identifies it: task, arm, workflow, sampling, sample, run.
    pub(crate) fn order(&self) -> AnswerOrder<'_> {
        let record = &self.record;
        (
            &record.task_id,
            &record.arm,
            &record.workflow,
            record.decoding,
            record.sample,
            &self.run,
        )
    }
}

/// A task, as far as the rules need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnableTask {
    /// The run whose answers name it so.
    pub run: String,
    /// Its name in the run.
    pub name: String,
    /// Its name in its benchmark, by which answers of several runs belong together.
    pub id: String,
    /// The code that an answer continues.
    pub prompt: String,
    /// The function or class that the tests use; empty for a program that reads its input.
    pub entry_point: String,
    /// Tests that its text shows.
    pub examples: Vec<String>,
    /// Whether its publisher reserves it for scores.
    pub is_of_test_split: bool,
    /// Whether it was made of a function of a repository.
    pub is_of_repository: bool,
    /// The publisher's continuation of the prompt; empty if there is none.
    pub solution: String,
}

impl LearnableTask {
    /// Returns what the rules need of a task that the run `run` calls `name`.
    pub fn new(run: &str, name: &str, task: &Task, phase: &ScoringPhase) -> Self {
        let view = task.view();
        Self {
            run: run.to_owned(),
            name: name.to_owned(),
            id: view.task_id.clone(),
            prompt: view.prompt.clone(),
            entry_point: view.entry_point.clone(),
            examples: view.public_examples.clone(),
            is_of_test_split: task.split() == Some(Split::Test),
            is_of_repository: view.repository.is_some(),
            solution: task.canonical_solution(phase).to_owned(),
        }
    }
}
