//! Samples as a JSON list with a list of programs for each task, without ids: the order decides.

use std::fs;
use std::path::Path;

use serde_json::Value;
use slm_benchmarks::Split;
use slm_metrics::syntax::Form;

use super::{EMPTY_LIST, Reader};
use crate::error::SamplesError;

/// Maximum size of a file in bytes, which is read as a whole.
const MAX_BYTES: u64 = 4 << 30;
/// Fewest lists by whose contents the order is checked.
const CHECKED: usize = 4;

/// Reads the lists of a file: one for each task that is meant for scores, in the benchmark's order, or from the task
/// number `limit_start` on.
///
/// # Errors
/// [`SamplesError::Invalid`] if there are more or fewer lists than tasks, or the programs are evidently for other tasks.
pub(super) fn read(
    path: &Path,
    benchmark: &str,
    limit_start: Option<usize>,
    samples: &mut Reader<'_>,
) -> Result<(), SamplesError> {
    let invalid = |problem: String| SamplesError::Invalid(format!("{}: {problem}", path.display()));
    let lists = lists(path, &invalid)?;
    let order = order(benchmark, samples);
    let start = limit_start.unwrap_or(0);
    let (n, tasks) = (lists.len(), order.len());
    let fits = match limit_start {
        Some(start) => start.saturating_add(n) <= tasks,
        None => n == tasks,
    };
    if !fits {
        let expected = if limit_start.is_some() {
            let from = tasks.saturating_sub(start);
            format!(
                "at most {from}, one for each of the {tasks} tasks of {benchmark} from number {start} on"
            )
        } else {
            format!("{tasks}, one for each task of {benchmark}")
        };
        return Err(invalid(format!(
            "holds {n} lists of programs, expected {expected}\nhint: check --benchmark and --data; for generations of some tasks (--limit_start S --limit N of bigcode-evaluation-harness) name S as --limit-start"
        )));
    }
    check_order(&lists, &order[start..], samples, &invalid)?;
    for (i, (list, &task)) in lists.iter().zip(&order[start..]).enumerate() {
        let task_id = samples.tasks[task].view().task_id.clone();
        let programs = match list {
            Value::Array(programs) => programs.as_slice(),
            Value::Null => &[],
            _ => {
                return Err(invalid(format!(
                    "list {i} (of the task {task_id}) is neither a list of programs nor null"
                )));
            }
        };
        if programs.is_empty() {
            samples.count(EMPTY_LIST);
        }
        for (k, program) in programs.iter().enumerate() {
            match program {
                Value::String(text) => {
                    samples.push(task, task_id.clone(), (text, Form::Whole), None);
                }
                Value::Null => samples.push_null(task, task_id.clone()),
                _ => {
                    return Err(invalid(format!(
                        "program {k} of list {i} (of the task {task_id}) is neither text nor null"
                    )));
                }
            }
        }
    }
    Ok(())
}

fn lists(
    path: &Path,
    invalid: &impl Fn(String) -> SamplesError,
) -> Result<Vec<Value>, SamplesError> {
    let unreadable = |source| SamplesError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if bytes > MAX_BYTES {
        return Err(invalid(format!(
            "{bytes} bytes, expected at most {MAX_BYTES}\nhint: split the tasks, or write one line for each sample"
        )));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| invalid(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Value = serde_json::from_str(text).map_err(|error| {
        invalid(format!(
            "not JSON: {error}, expected a list with a list of programs for each task"
        ))
    })?;
    match value {
        Value::Array(lists) => Ok(lists),
        _ => Err(invalid(
            "no list, expected a list with a list of programs for each task".to_owned(),
        )),
    }
}

/// Returns the tasks that a file without ids is about, in its order: those for tests, in the order of the data;
/// `LiveCodeBench` sorts its own by their ids.
fn order(benchmark: &str, samples: &Reader<'_>) -> Vec<usize> {
    let tasks = samples.tasks;
    let is_tested = |&task: &usize| tasks[task].split().is_none_or(|split| split == Split::Test);
    // Where the data names a test part, tasks without a part are examples for prompts.
    let has_test = tasks.iter().any(|task| task.split() == Some(Split::Test));
    let is_meant = |task: &usize| is_tested(task) && (!has_test || tasks[*task].split().is_some());
    let mut order: Vec<usize> = (0..tasks.len()).filter(is_meant).collect();
    if benchmark == "livecodebench" {
        order.sort_by(|a, b| tasks[*a].view().task_id.cmp(&tasks[*b].view().task_id));
    }
    order
}

/// Refuses lists whose programs mostly do not mention the function that their task asks for: they are in another order,
/// or for another benchmark.
fn check_order(
    lists: &[Value],
    order: &[usize],
    samples: &Reader<'_>,
    invalid: &impl Fn(String) -> SamplesError,
) -> Result<(), SamplesError> {
    let (mut checked, mut named) = (0, 0);
    let mut example = None;
    for (i, (list, &task)) in lists.iter().zip(order).enumerate() {
        let view = samples.tasks[task].view();
        let texts = list.as_array().into_iter().flatten();
        let mut texts = texts.filter_map(Value::as_str).peekable();
        if view.entry_point.is_empty() || texts.peek().is_none() {
            continue;
        }
        checked += 1;
        if texts.any(|text| text.contains(&view.entry_point)) {
            named += 1;
        } else {
            example.get_or_insert((i, view));
        }
    }
    match example {
        Some((i, view)) if checked >= CHECKED && 2 * named < checked => Err(invalid(format!(
            "only {named} of {checked} lists name the function of their task; list {i} should be for {}, `{}`\nhint: the lists must be in the order of --data, from the task number --limit-start on",
            view.task_id, view.entry_point
        ))),
        _ => Ok(()),
    }
}
