//! What a decomposer learns: splits of tasks after which the program passes are wanted, all others unwanted.

use std::collections::BTreeMap;

use slm_artifacts::RowSource;

use crate::answer::{Answer, LearnableTask};
use crate::reason::Reason;
use crate::row::{Asks, Row, Side};
use crate::settings::SPLIT;
use crate::{Harvest, HarvestError, LeftOut};

/// A decomposer's answer in a trajectory whose first program failed the visible tests.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The conversation that the decomposer was shown: roles and contents.
    pub messages: Vec<(String, String)>,
    /// The functions that it proposed, one a line; the whole answer if none could be read.
    pub lines: String,
    /// The step of its answer.
    pub step: u32,
    /// Whether a program was requested after it: over the functions or, if none could be written, without them. A split
    /// that no program followed has no result.
    pub is_tried: bool,
    /// Whether the trajectory's final program was written over the functions.
    pub is_built_on: bool,
}

/// Makes a row of each answer whose task was split. The label is whether the program over at least one of the
/// functions passes all hidden tests; answers that could not be scored give no row. `split_of` returns the split of an answer.
///
/// # Errors
/// No answer has a split, or all rows have one label.
pub fn decompositions(
    answers: &[Answer],
    tasks: &[LearnableTask],
    split_of: &dyn Fn(&Answer) -> Option<Split>,
) -> Result<Harvest, HarvestError> {
    let by_name: BTreeMap<(&str, &str), &LearnableTask> = tasks
        .iter()
        .map(|task| ((task.run.as_str(), task.name.as_str()), task))
        .collect();
    let mut sorted: Vec<&Answer> = answers.iter().collect();
    sorted.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut left_out = LeftOut::default();
    let mut rows = Vec::new();
    for answer in sorted {
        let record = &answer.record;
        let name = (answer.run.as_str(), record.task_id.as_str());
        let task = match by_name.get(&name) {
            Some(task) if task.is_of_test_split => Err(Reason::TestSplit),
            Some(task) if record.is_tested() => Ok(*task),
            _ => Err(Reason::Untested),
        };
        let found = task.and_then(|task| {
            let split = split_of(answer).ok_or(Reason::NoSplit)?;
            let is_empty = split.lines.trim().is_empty();
            match (is_empty, split.is_tried) {
                (true, _) => Err(Reason::EmptySplit),
                (_, false) => Err(Reason::UntriedSplit),
                _ => Ok((task, split)),
            }
        });
        match found {
            Ok((task, split)) => rows.push(row(answer, task, split)),
            Err(reason) => left_out.add(reason, 1),
        }
    }
    if rows.is_empty() {
        return Err(HarvestError::NoRows {
            answers: answers.len(),
            left_out: left_out.0,
        });
    }
    let first = rows[0].label;
    if rows.iter().all(|row: &Row| row.label == first) {
        return Err(HarvestError::OneLabel {
            rows: rows.len(),
            label: first == Some(true),
            left_out: left_out.0,
        });
    }
    Ok(Harvest {
        rows,
        answers: answers.len(),
        left_out: left_out.0,
    })
}

/// Whether a program has at least one of the proposed functions: those that it does not reach were removed.
fn uses(program: &str, lines: &str) -> bool {
    let names = lines.lines().filter_map(|line| line.split_once('('));
    let mut definitions = names.map(|(name, _)| format!("def {}(", name.trim()));
    definitions.any(|definition| program.contains(&definition))
}

fn row(answer: &Answer, task: &LearnableTask, split: Split) -> Row {
    let record = &answer.record;
    Row {
        task_id: task.id.clone(),
        stub: task.prompt.clone(),
        entry_point: task.entry_point.clone(),
        label: Some(split.is_built_on && record.passed() && uses(&record.program, &split.lines)),
        sides: vec![Side {
            body: split.lines,
            lloc: 0,
            source: RowSource {
                row: 0,
                side: "completion".to_owned(),
                rule: SPLIT.to_owned(),
                run: answer.run.clone(),
                arm: record.arm.clone(),
                workflow: record.workflow.clone(),
                temperature: record.decoding.temperature,
                top_p: record.decoding.top_p,
                task_id: record.task_id.clone(),
                sample: record.sample,
                step: Some(split.step),
                verdict: record.verdict,
                tests_passed: record.tests_passed,
                tests_total: record.tests_total,
                mi_code: None,
            },
        }],
        asks: Asks::Messages(split.messages),
    }
}
