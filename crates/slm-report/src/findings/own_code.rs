//! The summary of a run on the user's own repository: the numbers that its owner asks for first.

use serde::Serialize;

use super::arms::{ArmSamples, Arms};
use super::contrast::Contrast;
use crate::record::{RunInfo, SampleRecord};
use crate::sample_metric::{DEBT, MI_CODE, PASS_RATE, REFERENCE_LOSS, SIMILARITY};

/// The benchmark of tasks from the user's own repository.
const REPOSITORY: &str = "repository";

/// Base model against adapters on the functions of the user's own repository.
#[derive(Debug, Serialize)]
pub(crate) struct OwnCode {
    /// Functions that at least one arm answered.
    pub(crate) functions: usize,
    /// Those of them that have tests.
    pub(crate) tested: usize,
    pub(crate) adapters: Vec<OwnCodeOfAdapter>,
}

/// One adapter against the base model.
#[derive(Debug, Serialize)]
pub(crate) struct OwnCodeOfAdapter {
    pub(crate) name: String,
    /// Whether its folder records that its training held the files of a repository's tasks out.
    pub(crate) held_out: bool,
    pub(crate) contrasts: Vec<Contrast>,
}

impl OwnCode {
    /// Returns `None` without an answer to a task of a repository.
    pub(crate) fn new(arms: &Arms, run: &RunInfo) -> Option<Self> {
        let any = |task: &str, holds: fn(&SampleRecord) -> bool| {
            let mut samples = arms.all().flat_map(|arm| arm.of_task(task));
            samples.any(|sample| holds(sample))
        };
        let mut tasks = arms.tasks.clone();
        tasks.retain(|task| any(task, |sample| sample.benchmark == REPOSITORY));
        let tested = tasks
            .iter()
            .filter(|task| any(task, SampleRecord::is_tested));
        let of_adapter = |adapter: &ArmSamples| OwnCodeOfAdapter {
            name: adapter.name.to_owned(),
            held_out: run.adapters.iter().any(|of| {
                let search = of.search.as_ref().filter(|_| of.name == adapter.name);
                search.is_some_and(|search| search.benchmarks.iter().any(|name| name == REPOSITORY))
            }),
            contrasts: [PASS_RATE, MI_CODE, DEBT, SIMILARITY, REFERENCE_LOSS]
                .iter()
                .map(|metric| Contrast::on_tasks(arms, &tasks, adapter, metric))
                .collect(),
        };
        (!tasks.is_empty()).then(|| Self {
            functions: tasks.len(),
            tested: tested.count(),
            adapters: arms.adapters.iter().map(of_adapter).collect(),
        })
    }
}
