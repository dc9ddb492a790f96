//! The order of a run's records in its report and its tables. It is derived from the records alone, not from which
//! answer, machine or shard was the fastest.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use slm_report::{Cell, RunInfo, SampleRecord};

/// Sorts records by cell, benchmark, task and sample.
pub(crate) fn sorted(run: &RunInfo, records: &[SampleRecord]) -> Vec<SampleRecord> {
    let benchmarks: BTreeMap<&str, usize> = run
        .benchmarks
        .iter()
        .map(|of| of.name.as_str())
        .zip(0..)
        .collect();
    let mut keyed: Vec<_> = records
        .iter()
        .map(|record| {
            let is_of = |cell: &Cell| {
                (&*cell.arm, cell.workflow.name(), cell.decoding)
                    == (&*record.arm, &*record.workflow, record.decoding)
            };
            let cells = run.plan.cells.len();
            let cell = run.plan.cells.iter().position(is_of).unwrap_or(cells);
            let benchmark = benchmarks.get(record.benchmark.as_str());
            let place = (cell, benchmark.copied().unwrap_or(benchmarks.len()));
            (place, record)
        })
        .collect();
    keyed.sort_by(|(place, record), (other_place, other)| {
        place
            .cmp(other_place)
            .then_with(|| by_name(&record.task_id, &other.task_id))
            .then_with(|| record.sample.cmp(&other.sample))
    });
    keyed
        .into_iter()
        .map(|(_, record)| record.clone())
        .collect()
}

/// Compares names in natural order: `HumanEval/9` before `HumanEval/10`.
pub(crate) fn by_name(a: &str, b: &str) -> Ordering {
    pieces(a).cmp(&pieces(b)).then_with(|| a.cmp(b))
}

/// Splits a name into pairs of a text and the number after it; a number above 64 bits counts as 0.
fn pieces(name: &str) -> Vec<(&str, u64)> {
    let mut pieces = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (text, numbers) = rest.split_at(digits);
        let end = numbers
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(numbers.len());
        let (number, after) = numbers.split_at(end);
        pieces.push((text, number.parse().unwrap_or(0)));
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_as_people_count() {
        let mut names = [
            "b/1",
            "a/10",
            "a/9",
            "a/09",
            "a",
            "a/9b",
            "a/99999999999999999999999",
        ];
        names.sort_by(|a, b| by_name(a, b));
        let expected = [
            "a",
            "a/99999999999999999999999",
            "a/09",
            "a/9",
            "a/9b",
            "a/10",
            "b/1",
        ];
        assert_eq!(names, expected);
    }
}
