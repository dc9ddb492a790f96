//! The records, grouped by arm and task.

use std::collections::{BTreeMap, BTreeSet};

use slm_artifacts::BASE_ARM;
use slm_statistics::{Pair, task_mean};

use crate::code_metric::ProgramMetrics;
use crate::record::{RunInfo, SampleRecord};
use crate::sample_metric::SampleMetric;

/// All arms of a run, in one workflow.
pub(crate) struct Arms<'a> {
    /// The arm without an adapter; it has no samples if the records lack it.
    pub(crate) base: ArmSamples<'a>,
    /// The adapters in the run's order, then arms that occur only in the records.
    pub(crate) adapters: Vec<ArmSamples<'a>>,
    /// The tasks in the order of their first record.
    pub(crate) tasks: Vec<&'a str>,
    /// Seed of resampling and permutations.
    pub(crate) seed: u64,
    /// The metrics of the publishers' own solutions, by task.
    pub(crate) human: &'a BTreeMap<String, ProgramMetrics>,
}

impl<'a> Arms<'a> {
    /// Groups `records`; an adapter of `run` without records becomes an arm without samples.
    pub(crate) fn new(records: &[&'a SampleRecord], run: &'a RunInfo) -> Self {
        let mut names: Vec<&str> = run
            .adapters
            .iter()
            .map(|adapter| adapter.name.as_str())
            .collect();
        for record in records {
            if record.arm != BASE_ARM && !names.contains(&record.arm.as_str()) {
                names.push(&record.arm);
            }
        }
        let arm = |name: &'a str| {
            let own = records.iter().filter(|record| record.arm == name);
            ArmSamples::new(name, own.copied())
        };
        Self {
            base: arm(BASE_ARM),
            adapters: names.into_iter().map(arm).collect(),
            tasks: tasks_of(records),
            seed: run.statistics_seed(),
            human: &run.human,
        }
    }

    /// Returns the base model, then the adapters.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ArmSamples<'a>> {
        std::iter::once(&self.base).chain(&self.adapters)
    }

    /// Returns one pair for each task for which the base model and the adapter have a value.
    pub(crate) fn pairs(
        &self,
        adapter: &ArmSamples,
        metric: &SampleMetric,
    ) -> Vec<(&'a str, Pair)> {
        pairs(&self.tasks, &self.base, adapter, metric)
    }
}

/// Returns the tasks of records, in the order of their first record.
pub(crate) fn tasks_of<'a>(records: &[&'a SampleRecord]) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    let tasks = records.iter().map(|record| record.task_id.as_str());
    tasks.filter(|task| seen.insert(*task)).collect()
}

/// Returns one pair, with the task's name, for each task for which both arms have a value, in task order.
pub(crate) fn pairs<'a>(
    tasks: &[&'a str],
    reference: &ArmSamples,
    arm: &ArmSamples,
    metric: &SampleMetric,
) -> Vec<(&'a str, Pair)> {
    let pair = |&task: &&'a str| {
        let base = reference.task_value(task, metric)?;
        let adapter = arm.task_value(task, metric)?;
        Some((task, Pair { base, adapter }))
    };
    tasks.iter().filter_map(pair).collect()
}

/// The samples of one side of a comparison.
pub(crate) struct ArmSamples<'a> {
    /// [`BASE_ARM`] or the adapter's name.
    pub(crate) name: &'a str,
    tasks: BTreeMap<&'a str, Vec<&'a SampleRecord>>,
}

impl<'a> ArmSamples<'a> {
    /// Groups the samples of an arm.
    pub(crate) fn new(name: &'a str, records: impl IntoIterator<Item = &'a SampleRecord>) -> Self {
        let mut tasks: BTreeMap<&str, Vec<&SampleRecord>> = BTreeMap::new();
        for record in records {
            tasks.entry(&record.task_id).or_default().push(record);
        }
        Self { name, tasks }
    }

    /// Returns all samples, by task.
    pub(crate) fn samples(&self) -> impl Iterator<Item = &'a SampleRecord> {
        self.tasks.values().flatten().copied()
    }

    /// Returns the samples of each task.
    pub(crate) fn by_task(&self) -> impl Iterator<Item = &[&'a SampleRecord]> {
        self.tasks.values().map(Vec::as_slice)
    }

    /// Returns the samples of one task; empty if the arm lacks it.
    pub(crate) fn of_task(&self, task: &str) -> &[&'a SampleRecord] {
        self.tasks.get(task).map_or(&[], Vec::as_slice)
    }

    /// Returns the number of tasks with at least one sample.
    pub(crate) fn n_tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Returns the mean of a metric over the samples of a task that have a value.
    pub(crate) fn task_value(&self, task: &str, metric: &SampleMetric) -> Option<f64> {
        task_mean(self.of_task(task), |record| metric.of(record))
    }
}
