//! The results of one arm.

use serde::Serialize;
use slm_artifacts::{FinishReason, Verdict};
use slm_metrics::{COMMENT_PEAK, COMMENT_ZERO};
use slm_statistics::{Interval, bootstrap_mean, mean, pass_at_k, task_mean, wilson};

use super::arms::ArmSamples;
use crate::record::{RunInfo, SampleRecord};
use crate::sample_metric::{CC, LLOC, MI, MI_CODE, SampleMetric, TESTS_PASSED, comments_per_100};

/// The results of one arm. Means average the samples of a task first; shares are 0 to 1.
#[derive(Debug, Serialize)]
pub(crate) struct ArmSummary {
    pub(crate) name: String,
    /// Tasks with at least one sample.
    pub(crate) tasks: usize,
    pub(crate) samples: usize,
    /// Among samples with tests.
    pub(crate) pass_rate: Rate,
    /// Probability that at least one of k samples passes, for the largest k that every task with tests allows; `None`
    /// for k = 1.
    pub(crate) pass_at_k: Option<PassAtK>,
    /// `PassRatio`: mean share of a task's tests that passed.
    pub(crate) tests_passed_share: Option<f64>,
    pub(crate) parsable: Rate,
    /// Answers that add no statement to the prompt; they parse, but are not measured.
    pub(crate) empty: Rate,
    /// Executability, among samples with tests.
    pub(crate) executable: Rate,
    pub(crate) maintainability_index: Option<f64>,
    pub(crate) mi_code: Option<f64>,
    pub(crate) cyclomatic_complexity: Option<f64>,
    pub(crate) lloc: Option<f64>,
    /// Among measured programs.
    pub(crate) mi_at_100: Rate,
    /// Among measured programs: those without any operator, whose MI is 100 by definition.
    pub(crate) without_operators: Rate,
    /// Among measured programs: those with more comment lines than the curve's peak, where one more lowers MI.
    pub(crate) past_peak: Rate,
    /// Measured programs whose share of comment lines makes the curve negative.
    pub(crate) past_zero: Rate,
    /// Mean MI of programs that passed all tests.
    pub(crate) mi_of_passed: Option<f64>,
    /// Mean MI of programs with tests that did not.
    pub(crate) mi_of_failed: Option<f64>,
    pub(crate) prompt_tokens: usize,
    pub(crate) completion_tokens: usize,
    /// Completions that the token limit cut off.
    pub(crate) cut_off: Rate,
    /// Among completions that were cut off: those whose program parses.
    pub(crate) cut_off_parsable: Rate,
    pub(crate) generation_s: f64,
    /// Mean CPU time of programs that passed, in seconds.
    pub(crate) cpu_s_of_passed: Option<f64>,
    /// CPU time of programs that passed, relative to the task's own solution: the median over tasks.
    pub(crate) cpu_relative_to_canonical: Option<f64>,
}

impl ArmSummary {
    pub(crate) fn new(arm: &ArmSamples, run: &RunInfo) -> Self {
        let seed = run.statistics_seed();
        let always = |_: &SampleRecord| true;
        let measured = |sample: &SampleRecord| sample.metrics.is_some();
        Self {
            name: arm.name.to_owned(),
            tasks: arm.n_tasks(),
            samples: arm.samples().count(),
            pass_rate: Rate::new(arm, seed, SampleRecord::is_tested, SampleRecord::passed),
            pass_at_k: PassAtK::new(arm),
            tests_passed_share: metric_mean(arm, &TESTS_PASSED),
            parsable: Rate::new(arm, seed, always, |sample| sample.parsable),
            empty: Rate::new(arm, seed, always, |sample| sample.verdict == Verdict::Empty),
            executable: Rate::new(arm, seed, SampleRecord::is_tested, |sample| {
                sample.is_executable() == Some(true)
            }),
            maintainability_index: metric_mean(arm, &MI),
            mi_code: metric_mean(arm, &MI_CODE),
            cyclomatic_complexity: metric_mean(arm, &CC),
            lloc: metric_mean(arm, &LLOC),
            mi_at_100: Rate::new(arm, seed, measured, |sample| {
                sample
                    .metrics
                    .is_some_and(|metrics| metrics.maintainability_index >= 100.0)
            }),
            without_operators: Rate::new(arm, seed, measured, |sample| {
                sample
                    .metrics
                    .is_some_and(|metrics| metrics.halstead_volume <= 0.0)
            }),
            past_peak: commented_more_than(arm, seed, COMMENT_PEAK),
            past_zero: commented_more_than(arm, seed, COMMENT_ZERO),
            mi_of_passed: mean_over_tasks(arm, |sample| MI.of(sample).filter(|_| sample.passed())),
            mi_of_failed: mean_over_tasks(arm, |sample| {
                MI.of(sample)
                    .filter(|_| sample.is_tested() && !sample.passed())
            }),
            prompt_tokens: arm.samples().map(|sample| sample.prompt_tokens).sum(),
            completion_tokens: arm.samples().map(|sample| sample.completion_tokens).sum(),
            cut_off: Rate::new(arm, seed, always, is_cut_off),
            cut_off_parsable: Rate::new(arm, seed, is_cut_off, |sample| sample.parsable),
            generation_s: arm.samples().map(|sample| sample.generation_s).sum(),
            cpu_s_of_passed: mean_over_tasks(arm, |sample| sample.passed().then_some(sample.cpu_s)),
            cpu_relative_to_canonical: median_over_tasks(arm, |sample| {
                let canonical = run.canonical_cpu_s.get(&sample.task_id)?;
                (sample.passed() && *canonical > 0.0).then(|| sample.cpu_s / canonical)
            }),
        }
    }
}

fn is_cut_off(sample: &SampleRecord) -> bool {
    sample.finish_reason == FinishReason::Length
}

fn commented_more_than(arm: &ArmSamples, seed: u64, limit: f64) -> Rate {
    let is_measured = |sample: &SampleRecord| sample.metrics.is_some();
    Rate::new(arm, seed, is_measured, |sample| {
        let metrics = sample.metrics.as_ref();
        metrics.is_some_and(|metrics| comments_per_100(metrics) > limit)
    })
}

pub(crate) fn metric_mean(arm: &ArmSamples, metric: &SampleMetric) -> Option<f64> {
    mean_over_tasks(arm, |sample| metric.of(sample))
}

pub(crate) fn mean_over_tasks(
    arm: &ArmSamples,
    value: impl Fn(&SampleRecord) -> Option<f64>,
) -> Option<f64> {
    let values: Vec<f64> = arm
        .by_task()
        .filter_map(|samples| task_mean(samples, |sample| value(sample)))
        .collect();
    mean(&values)
}

fn median_over_tasks(
    arm: &ArmSamples,
    value: impl Fn(&SampleRecord) -> Option<f64>,
) -> Option<f64> {
    let mut values: Vec<f64> = arm
        .by_task()
        .filter_map(|samples| task_mean(samples, |sample| value(sample)))
        .collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// A share of samples with its interval.
#[derive(Debug, Serialize)]
pub(crate) struct Rate {
    /// Samples with the property.
    pub(crate) count: usize,
    /// Samples considered.
    pub(crate) of: usize,
    /// The share, averaged over a task's samples first; `None` without samples.
    pub(crate) share: Option<f64>,
    /// Wilson's interval; with several samples per task, a bootstrap over tasks.
    pub(crate) interval: Option<Interval>,
}

impl Rate {
    pub(crate) fn new(
        arm: &ArmSamples,
        seed: u64,
        among: impl Fn(&SampleRecord) -> bool,
        holds: impl Fn(&SampleRecord) -> bool,
    ) -> Self {
        let holds =
            |sample: &SampleRecord| among(sample).then(|| f64::from(u8::from(holds(sample))));
        let samples: Vec<f64> = arm.samples().filter_map(holds).collect();
        let tasks: Vec<f64> = arm
            .by_task()
            .filter_map(|samples| task_mean(samples, |sample| holds(sample)))
            .collect();
        // If all tasks have the same value, a bootstrap has no spread, but Wilson's interval has.
        let all = |value: f64| tasks.iter().all(|task| task.total_cmp(&value).is_eq());
        let interval = if samples.len() == tasks.len() || all(0.0) || all(1.0) {
            wilson(tasks.iter().sum::<f64>() as usize, tasks.len())
        } else {
            bootstrap_mean(&tasks, seed)
                .map(|intervals| intervals.bca)
                .ok()
        };
        Self {
            count: samples.iter().sum::<f64>() as usize,
            of: samples.len(),
            share: mean(&tasks),
            interval,
        }
    }
}

/// pass@k: the probability that at least one of k samples passes.
#[derive(Debug, Serialize)]
pub(crate) struct PassAtK {
    pub(crate) k: usize,
    pub(crate) rate: f64,
}

impl PassAtK {
    fn new(arm: &ArmSamples) -> Option<Self> {
        let tested = || {
            let has_tests = |samples: &&[&SampleRecord]| samples.iter().any(|of| of.is_tested());
            arm.by_task().filter(has_tests)
        };
        let k = tested().map(<[_]>::len).min().filter(|&k| k > 1)?;
        let by_task: Vec<f64> = tested()
            .filter_map(|samples| {
                let passed = samples.iter().filter(|sample| sample.passed()).count();
                pass_at_k(samples.len(), passed, k)
            })
            .collect();
        mean(&by_task).map(|rate| Self { k, rate })
    }
}
