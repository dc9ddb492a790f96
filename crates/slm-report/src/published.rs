//! Published scores on the benchmarks of a run.

use serde::Serialize;
use slm_config::Workflow;

use crate::record::{RunInfo, SampleRecord};

/// A benchmark's name in this project, and the published pass@1 in percent of the models in [`PUBLISHED_MODELS`].
const PUBLISHED: [(&str, [f64; 2]); 3] = [
    ("humaneval", [43.9, 70.7]),
    ("humaneval+", [36.6, 66.5]),
    ("mbpp+", [58.6, 59.4]),
];

const PUBLISHED_MODELS: [&str; 2] = ["Qwen2.5-Coder-1.5B", "Qwen2.5-Coder-1.5B-Instruct"];

/// Published scores on the run's benchmarks, and those of this run.
#[derive(Serialize)]
pub(crate) struct Published {
    benchmarks: Vec<&'static str>,
    /// A model, and its pass@1 in percent on each benchmark.
    models: Vec<(&'static str, Vec<f64>)>,
    /// A cell of this run, and its pass@1 in percent; `None` if it has no sample.
    cells: Vec<(String, Vec<Option<f64>>)>,
}

impl Published {
    /// Returns `None` if no benchmark of the run has published scores.
    pub(crate) fn new(run: &RunInfo, records: &[SampleRecord]) -> Option<Self> {
        let known: Vec<(&str, [f64; 2])> = PUBLISHED
            .into_iter()
            .filter(|(benchmark, _)| run.benchmarks.iter().any(|of| of.name == *benchmark))
            .collect();
        let models = PUBLISHED_MODELS.iter().enumerate().map(|(at, model)| {
            let scores = known.iter().map(|(_, scores)| scores[at]);
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
            let rates = known.iter().map(|(benchmark, _)| {
                let samples = records.iter().filter(of_cell);
                let samples: Vec<_> = samples.filter(|of| of.benchmark == *benchmark).collect();
                let passed = samples.iter().filter(|sample| sample.passed()).count();
                (!samples.is_empty()).then(|| passed as f64 * 100.0 / samples.len() as f64)
            });
            (cell.label(run.plan.reference), rates.collect())
        });
        (!known.is_empty()).then(|| Self {
            benchmarks: known.iter().map(|(benchmark, _)| *benchmark).collect(),
            models: models.collect(),
            cells: cells.collect(),
        })
    }
}
