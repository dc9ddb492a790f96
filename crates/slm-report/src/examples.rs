//! The programs that the page shows: those whose MI rose or fell most, and one between them.

use serde::Serialize;
use slm_artifacts::{BASE_ARM, Verdict};

use crate::diff::{program_diff, unified};
use crate::record::SampleRecord;
use crate::sample_metric::{MI, MI_CODE, SampleMetric};

/// Maximum number of rises, and of falls, that are shown.
const MOST_EXAMPLES: usize = 5;

/// Both arms' programs for one task.
#[derive(Clone, Serialize)]
pub(crate) struct Example<'a> {
    /// `Rise`, `Fall`, or `Middle of the others`.
    kind: &'static str,
    /// Number among the rises or the falls, from 1.
    number: Option<usize>,
    task: &'a str,
    base: ExampleSide,
    adapter: ExampleSide,
    difference: f64,
    mi_code_difference: Option<f64>,
    is_same: bool,
    /// What differs between the programs, as a unified diff; the program if they are the same.
    text: String,
}

#[derive(Clone, Serialize)]
struct ExampleSide {
    mi: Option<f64>,
    verdict: Verdict,
}

/// Both arms' raw completions of one task.
#[derive(Serialize)]
pub(crate) struct Unparsed<'a> {
    task: &'a str,
    is_same: bool,
    /// What differs between the completions, as a unified diff; the completion if they are the same.
    text: String,
}

impl<'a> Unparsed<'a> {
    pub(crate) fn new(base: &'a SampleRecord, adapter: &SampleRecord) -> Self {
        let text = difference(&adapter.arm, &base.completion, &adapter.completion);
        Self {
            task: &base.task_id,
            is_same: text.is_none(),
            text: text.unwrap_or_else(|| base.completion.clone()),
        }
    }
}

/// Returns what differs between two texts of the base model and of an adapter; `None` if nothing does.
fn difference(adapter: &str, base: &str, other: &str) -> Option<String> {
    let lines = program_diff(base, other);
    // A name may be any text of one line here: the page escapes the block.
    let adapter = adapter.lines().next().unwrap_or_default();
    (!lines.is_empty()).then(|| unified(Some([BASE_ARM, adapter]), &lines))
}

/// Returns the tasks with the extreme differences of MI, the largest first, and the median of the other tasks.
pub(crate) fn examples<'a>(
    pairs: impl Iterator<Item = (&'a SampleRecord, &'a SampleRecord)>,
) -> Vec<Example<'a>> {
    let side = |record: &SampleRecord| ExampleSide {
        mi: MI.of(record),
        verdict: record.verdict,
    };
    let change = |metric: &SampleMetric, base, adapter| -> Option<f64> {
        Some(metric.of(adapter)? - metric.of(base)?)
    };
    let mut rest: Vec<Example> = pairs
        .filter_map(|(base, adapter)| {
            let text = self::difference(&adapter.arm, &base.program, &adapter.program);
            Some(Example {
                kind: "Middle of the others",
                number: None,
                task: &base.task_id,
                base: side(base),
                adapter: side(adapter),
                difference: change(&MI, base, adapter)?,
                mi_code_difference: change(&MI_CODE, base, adapter),
                is_same: text.is_none(),
                text: text.unwrap_or_else(|| base.program.clone()),
            })
        })
        .collect();
    // Largest rise first.
    rest.sort_by(|a, b| b.difference.total_cmp(&a.difference));
    let most = || rest.iter().take(MOST_EXAMPLES);
    let n_rises = most().filter(|example| example.difference > 0.0).count();
    let mut falls = rest.split_off(n_rises);
    let n_falls = falls.iter().rev().take(MOST_EXAMPLES);
    let n_falls = n_falls.filter(|example| example.difference < 0.0).count();
    let middle: Vec<Example> = falls.drain(..falls.len() - n_falls).collect();
    let numbered = |kind: &'static str, of: Vec<Example<'a>>| {
        let named = move |(at, example)| Example {
            kind,
            number: Some(at + 1),
            ..example
        };
        of.into_iter().enumerate().map(named)
    };
    let middle = middle.get(middle.len() / 2).cloned();
    falls.reverse();
    numbered("Rise", rest)
        .chain(numbered("Fall", falls))
        .chain(middle)
        .collect()
}
