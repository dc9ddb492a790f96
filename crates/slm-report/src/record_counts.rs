//! Counts of a run's records for the limits of its conclusions.

use std::collections::BTreeSet;

use serde::Serialize;
use slm_artifacts::Verdict;

use crate::record::{RECORD_VERSION, SampleRecord};

/// Counts of records that threaten conclusions from them.
#[derive(Serialize)]
pub(crate) struct RecordCounts {
    all: usize,
    /// Records of tasks with tests.
    tested: usize,
    /// Records whose workflow ran programs itself.
    ran: usize,
    /// Tasks with at least one record.
    tasks: usize,
    /// Those of them without tests.
    untested_tasks: usize,
    /// Benchmarks without any record of a task with tests.
    untested_benchmarks: BTreeSet<String>,
    /// Number of retried requests.
    retries: usize,
    /// Records whose tokens were counted locally, not by a server.
    estimated: usize,
    /// Records of an earlier version.
    earlier: usize,
    /// Failed records of an earlier version, which contain only the verdict of the first test that did not pass.
    executable_by_verdict: usize,
    timeout: usize,
    memory: usize,
    output_limit: usize,
    violation: usize,
}

impl RecordCounts {
    pub(crate) fn new(records: &[SampleRecord]) -> Self {
        let count = |of: &dyn Fn(&SampleRecord) -> bool| records.iter().filter(|r| of(r)).count();
        let ended = |verdict| count(&|record| record.is_tested() && record.verdict == verdict);
        let tasks_of = |holds: fn(&SampleRecord) -> bool| {
            let tasks = records.iter().filter(|record| holds(record));
            let tasks: BTreeSet<&str> = tasks.map(|record| record.task_id.as_str()).collect();
            tasks.len()
        };
        Self {
            all: records.len(),
            tested: count(&SampleRecord::is_tested),
            ran: count(&|record| record.executions > 0),
            tasks: tasks_of(|_| true),
            untested_tasks: tasks_of(|record| !record.is_tested()),
            untested_benchmarks: untested_benchmarks(records),
            retries: records.iter().map(|record| record.retries).sum(),
            estimated: count(&|record| record.tokens_estimated),
            earlier: count(&|record| record.version < RECORD_VERSION),
            executable_by_verdict: count(&|record| {
                record.verdict == Verdict::Failed && record.executable.is_none()
            }),
            timeout: ended(Verdict::Timeout),
            memory: ended(Verdict::Memory),
            output_limit: ended(Verdict::OutputLimit),
            violation: ended(Verdict::Violation),
        }
    }
}

fn untested_benchmarks(records: &[SampleRecord]) -> BTreeSet<String> {
    let name = |record: &SampleRecord| record.benchmark.clone();
    let tested = records.iter().filter(|record| record.is_tested());
    let tested: BTreeSet<String> = tested.map(name).collect();
    let all = records.iter().map(name);
    all.filter(|name| !tested.contains(name)).collect()
}
