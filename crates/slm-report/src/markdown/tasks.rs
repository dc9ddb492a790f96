//! The table of all tasks.

use crate::record::SampleRecord;

use super::super::arms::{Arm, Arms};
use super::super::metric::{BY_TASK, MI, MI_CODE, Metric};
use super::super::number::{count, number, signed};
use super::text::{details, html_name, name, table};

/// One table an adapter, closed until a reader opens it.
pub(super) fn section(arms: &Arms) -> String {
    let blocks: Vec<String> = arms
        .adapters
        .iter()
        .map(|adapter| of_adapter(arms, adapter))
        .collect();
    blocks.join("\n")
}

fn of_adapter(arms: &Arms, adapter: &Arm) -> String {
    let mut header = vec!["task", "tests base", "tests adapter"];
    header.extend(BY_TASK.iter().flat_map(|metric| [metric.label, "Δ"]));
    let rows: Vec<Vec<String>> = arms
        .tasks
        .iter()
        .map(|task| {
            let mut row = vec![
                name(task),
                verdict(arms.base.of_task(task)),
                verdict(adapter.of_task(task)),
            ];
            for metric in BY_TASK {
                let base = arms.base.task_value(task, metric);
                let tuned = adapter.task_value(task, metric);
                let difference = base.zip(tuned).map(|(base, tuned)| tuned - base);
                row.push(format!(
                    "{}\u{a0}→\u{a0}{}",
                    value(metric, base),
                    value(metric, tuned)
                ));
                row.push(signed(difference, decimals(metric, difference)));
            }
            row
        })
        .collect();
    details(
        &format!(
            "{}, base → {}: tests, MI, mi_code, CC, LLOC",
            count(arms.tasks.len(), "task"),
            html_name(adapter.name)
        ),
        &table(&header, 3, &rows),
    )
}

fn value(metric: &Metric, value: Option<f64>) -> String {
    number(value, decimals(metric, value))
}

/// An index has one decimal; a count has one only where it is an average.
fn decimals(metric: &Metric, value: Option<f64>) -> usize {
    let is_index = [MI.key, MI_CODE.key].contains(&metric.key);
    usize::from(is_index || value.is_some_and(|value| value.fract() != 0.0))
}

/// One sample: its verdict and tests. Several: how many passed.
fn verdict(samples: &[&SampleRecord]) -> String {
    match samples {
        [] => "not run".to_owned(),
        [sample] if sample.passed() => "passed".to_owned(),
        [sample] if sample.tests_passed > 0 => {
            format!(
                "{} ({}/{})",
                sample.verdict, sample.tests_passed, sample.tests_total
            )
        }
        [sample] => sample.verdict.to_string(),
        samples => {
            let passed = samples.iter().filter(|sample| sample.passed()).count();
            format!("{passed}/{} passed", samples.len())
        }
    }
}
