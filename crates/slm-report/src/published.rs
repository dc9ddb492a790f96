//! Published scores on the benchmarks of a run.

use std::collections::BTreeSet;

use serde::Serialize;
use slm_config::Workflow;

use crate::record::{RunInfo, SampleRecord};

/// A benchmark's name in this project, its number of tasks, and the published pass@1 in percent of the models in
/// [`PUBLISHED_MODELS`].
const PUBLISHED: [(&str, usize, [f64; 2]); 3] = [
    ("humaneval", 164, [43.9, 70.7]),
    ("humaneval+", 164, [36.6, 66.5]),
    ("mbpp+", 378, [58.6, 59.4]),
];

const PUBLISHED_MODELS: [&str; 2] = ["Qwen2.5-Coder-1.5B", "Qwen2.5-Coder-1.5B-Instruct"];

/// Published scores on the run's benchmarks, and those of this run.
#[derive(Serialize)]
pub(crate) struct Published {
    /// Those of which this run answered at least half of the tasks.
    benchmarks: Vec<Answered>,
    /// Those of which it answered fewer: a score of all tasks beside one of a small part would be no comparison.
    too_few: Vec<Answered>,
    /// A model, and its pass@1 in percent on each of `benchmarks`.
    models: Vec<(&'static str, Vec<f64>)>,
    /// A cell of this run, and its pass@1 in percent; `None` if it has no sample.
    cells: Vec<(String, Vec<Option<f64>>)>,
}

/// How much of a benchmark a run answered.
#[derive(Serialize)]
struct Answered {
    name: &'static str,
    tasks: usize,
    /// Tasks of the whole benchmark.
    whole: usize,
    #[serde(skip)]
    scores: [f64; 2],
}

impl Answered {
    fn new(
        (name, whole, scores): (&'static str, usize, [f64; 2]),
        records: &[SampleRecord],
    ) -> Self {
        let own = records.iter().filter(|record| record.benchmark == name);
        let tasks: BTreeSet<&str> = own.map(|record| record.task_id.as_str()).collect();
        Self {
            name,
            tasks: tasks.len(),
            whole,
            scores,
        }
    }
}

impl Published {
    /// Returns `None` if no benchmark of the run has published scores.
    pub(crate) fn new(run: &RunInfo, records: &[SampleRecord]) -> Option<Self> {
        let known = PUBLISHED
            .into_iter()
            .filter(|(name, ..)| run.benchmarks.iter().any(|of| of.name == *name))
            .map(|of| Answered::new(of, records));
        let (known, too_few): (Vec<Answered>, _) = known.partition(|of| of.tasks * 2 >= of.whole);
        let models = PUBLISHED_MODELS.iter().enumerate().map(|(at, model)| {
            let scores = known.iter().map(|of| of.scores[at]);
            (*model, scores.collect())
        });
        let cells = run.plan.cells.iter().filter(|cell| {
            cell.workflow == Workflow::Single && cell.decoding == run.plan.reference
        });
        let cells = cells.map(|cell| {
            let of_cell = |record: &&SampleRecord| {
                record.arm == cell.arm
                    && record.workflow == cell.workflow.name()
                    && record.decoding == cell.decoding
            };
            let rates = known.iter().map(|benchmark| {
                let samples = records.iter().filter(of_cell);
                let samples: Vec<_> = samples
                    .filter(|of| of.benchmark == benchmark.name)
                    .collect();
                let passed = samples.iter().filter(|sample| sample.passed()).count();
                (!samples.is_empty()).then(|| passed as f64 * 100.0 / samples.len() as f64)
            });
            (cell.label(run.plan.reference), rates.collect())
        });
        let (models, cells) = (models.collect(), cells.collect());
        let is_there = !known.is_empty() || !too_few.is_empty();
        is_there.then_some(Self {
            benchmarks: known,
            too_few,
            models,
            cells,
        })
    }
}
