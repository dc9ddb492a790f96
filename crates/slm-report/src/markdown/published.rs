//! What others report on the same benchmarks, beside what this run found.

use crate::record::{RunInfo, SampleRecord};

use super::super::number::number;
use super::text::{name, table};

/// A benchmark by its name here, and the published pass@1 in percent of the models in [`MODELS`].
const SCORES: [(&str, [f64; 2]); 3] = [
    ("humaneval", [43.9, 70.7]),
    ("humaneval+", [36.6, 66.5]),
    ("mbpp+", [58.6, 59.4]),
];

const MODELS: [&str; 2] = ["Qwen2.5-Coder-1.5B", "Qwen2.5-Coder-1.5B-Instruct"];

/// A table of the benchmarks of the run that have published scores; none if there are none.
pub(super) fn section(run: &RunInfo, records: &[SampleRecord]) -> Option<String> {
    let known: Vec<(&str, [f64; 2])> = SCORES
        .into_iter()
        .filter(|(benchmark, _)| run.benchmarks.iter().any(|of| of.name == *benchmark))
        .collect();
    if known.is_empty() {
        return None;
    }
    let header: Vec<&str> = std::iter::once("pass@1 (%)")
        .chain(known.iter().map(|(benchmark, _)| *benchmark))
        .collect();
    let published = MODELS.iter().enumerate().map(|(at, model)| {
        let scores = known.iter().map(|(_, scores)| number(scores[at], 1));
        std::iter::once(format!("{model}, published"))
            .chain(scores)
            .collect()
    });
    let single = run.plan.cells.iter().filter(|cell| {
        cell.workflow == slm_config::Workflow::Single && cell.decoding == run.plan.reference
    });
    let ours = single.map(|cell| {
        let rates = known.iter().map(|(benchmark, _)| {
            let (mut passed, mut all) = (0, 0);
            for record in records.iter().filter(|record| {
                record.arm == cell.arm
                    && record.workflow == cell.workflow.name()
                    && record.decoding == cell.decoding
                    && record.benchmark == *benchmark
            }) {
                all += 1;
                passed += usize::from(record.passed());
            }
            number((all > 0).then(|| passed as f64 * 100.0 / all as f64), 1)
        });
        std::iter::once(format!(
            "{}, this run",
            name(&cell.label(run.plan.reference))
        ))
        .chain(rates)
        .collect()
    });
    let rows: Vec<Vec<String>> = published.chain(ours).collect();
    Some(format!(
        "{}\nPublished: Hui et al. 2024, Qwen2.5-Coder technical report, arXiv:2409.12186, greedy, with the authors' own \
         prompts; their MBPP+ has 399 tasks (v0.1.0), ours what the benchmark's file holds. Another prompt alone may \
         move a score by tens of points, so only arms of one run are compared.\n",
        table(&header, 1, &rows)
    ))
}
