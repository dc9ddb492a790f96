//! Two sets of records, compared task by task with the statistics of a run's report.

use serde::Serialize;
use slm_artifacts::BASE_ARM;
use slm_statistics::{RESAMPLES, holm};

use crate::findings::arms::{ArmSamples, tasks_of};
use crate::findings::conclusion::MIN_PAIRS;
use crate::findings::contrast::Contrast;
use crate::findings::same_text::SameText;
use crate::findings::solved::Solved;
use crate::record::SampleRecord;
use crate::sample_metric::{
    CC_OF_SOLVED, COGNITIVE, PASS_RATE, SampleMetric, TESTS_PASSED, paired,
};

/// The name of the compared arm.
const OTHER_ARM: &str = "other";

/// The records of one side, with the name that it has in a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NamedRecords<'a> {
    pub(crate) name: &'a str,
    pub(crate) records: &'a [&'a SampleRecord],
}

/// The paired comparison of two sets of records.
#[derive(Debug, Serialize)]
pub(crate) struct Paired {
    pub(crate) base: Side,
    pub(crate) other: Side,
    /// Tasks that both sides answered.
    pub(crate) tasks: usize,
    /// Other less base by task, one entry for each metric.
    pub(crate) contrasts: Vec<Contrast>,
    /// The sign-flip p-values of `contrasts` after Holm's correction; null where there is none.
    pub(crate) holm_p: Vec<Option<f64>>,
    pub(crate) solved: Solved,
    pub(crate) same_text: SameText,
    pub(crate) resamples: usize,
    pub(crate) seed: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Side {
    pub(crate) name: String,
    pub(crate) answers: usize,
    pub(crate) tasks: usize,
    /// Tasks that only this side answered: they are in no pair.
    pub(crate) alone: usize,
}

impl Paired {
    /// Compares `other` with `base` in `metrics`. Pairs are tasks for which both sides have a value, the mean over a
    /// task's answers.
    pub(crate) fn new(
        metrics: &[SampleMetric],
        base: NamedRecords<'_>,
        other: NamedRecords<'_>,
        seed: u64,
    ) -> Self {
        let all: Vec<&SampleRecord> = base.records.iter().chain(other.records).copied().collect();
        let tasks = tasks_of(&all);
        let reference = ArmSamples::new(BASE_ARM, base.records.iter().copied());
        let arm = ArmSamples::new(OTHER_ARM, other.records.iter().copied());
        let answered = |arm: &ArmSamples, task: &&&str| !arm.of_task(task).is_empty();
        let side = |of: NamedRecords<'_>, own: &ArmSamples, others: &ArmSamples| {
            let own_tasks = tasks.iter().filter(|task| answered(own, task));
            Side {
                name: of.name.to_owned(),
                answers: of.records.len(),
                tasks: own_tasks.clone().count(),
                alone: own_tasks.filter(|task| !answered(others, task)).count(),
            }
        };
        let contrasts: Vec<Contrast> = metrics
            .iter()
            .map(|metric| Contrast::new(&tasks, &reference, &arm, metric, seed))
            .collect();
        let known: Vec<f64> = contrasts.iter().filter_map(|of| of.sign_flip_p).collect();
        let mut corrected = holm(&known).into_iter();
        let holm_p = contrasts
            .iter()
            .map(|of| of.sign_flip_p.and_then(|_| corrected.next()))
            .collect();
        let of_base = side(base, &reference, &arm);
        Self {
            tasks: of_base.tasks - of_base.alone,
            base: of_base,
            other: side(other, &arm, &reference),
            contrasts,
            holm_p,
            solved: Solved::new(&tasks, &reference, &arm),
            same_text: SameText::new(&tasks, &reference, &arm),
            resamples: RESAMPLES,
            seed,
        }
    }

    /// What the template `paired` shows.
    pub(crate) fn page(&self, metrics: &[SampleMetric]) -> PairedPage<'_> {
        let rows = self.contrasts.iter().zip(metrics).zip(&self.holm_p);
        let is_few = |found: &Contrast| found.differing < MIN_PAIRS;
        let all = self.contrasts.iter().zip(metrics);
        PairedPage {
            found: self,
            rows: rows
                .map(|((contrast, metric), &holm_p)| Row {
                    metric: *metric,
                    contrast,
                    holm_p,
                })
                .collect(),
            few: all
                .filter(|(found, _)| is_few(found))
                .map(|(_, metric)| metric.label)
                .collect(),
            min_pairs: MIN_PAIRS,
            tests: self.holm_p.iter().flatten().count(),
            detectable: self.solved.detectable_difference(),
        }
    }
}

/// The context of the template.
#[derive(Serialize)]
pub(crate) struct PairedPage<'a> {
    found: &'a Paired,
    rows: Vec<Row<'a>>,
    /// The metrics in which too few tasks differ for a conclusion.
    few: Vec<&'static str>,
    min_pairs: usize,
    /// Tests that Holm's correction is for.
    tests: usize,
    /// The smallest difference in pass rate that the tasks detect, 0 to 1.
    detectable: Option<f64>,
}

#[derive(Serialize)]
struct Row<'a> {
    metric: SampleMetric,
    contrast: &'a Contrast,
    holm_p: Option<f64>,
}

/// The metrics of a report's paired differences, the pass rate first.
pub(crate) fn compared() -> Vec<SampleMetric> {
    let mut metrics = vec![PASS_RATE, TESTS_PASSED];
    let rest = paired().into_iter();
    metrics.extend(rest.filter(|metric| metric.key != PASS_RATE.key));
    metrics.extend([CC_OF_SOLVED, COGNITIVE]);
    metrics
}
