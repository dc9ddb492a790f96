//! The bodies of programs beside those of the publishers: BLEU, and metrics of programs less those of the human's own.
//!
//! No hypothesis is tested here. BLEU counts common n-grams: a right program in other words has a low one, and a wrong
//! program that differs in a sign a high one. It is shown beside the pass rate and never decides anything.

use std::collections::BTreeMap;

use serde::Serialize;
use slm_metrics::syntax::BleuCounts;
use slm_statistics::{Interval, Pair, bootstrap, bootstrap_mean, differences, mean};

use super::arm_summary::Rate;
use super::arms::{ArmSamples, Arms};
use crate::record::SampleRecord;
use crate::sample_metric::{CC, COGNITIVE, MI, MI_CODE, SampleMetric};

/// The metrics that are compared with the human's own bodies.
const BESIDE: [SampleMetric; 4] = [MI, MI_CODE, CC, COGNITIVE];

/// The findings on bodies.
#[derive(Debug, Serialize)]
pub(crate) struct BodyFindings {
    /// The benchmarks with a body to compare with, in the order of their first record.
    pub(crate) benchmarks: Vec<BenchmarkBodies>,
}

/// The findings on the tasks of one benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct BenchmarkBodies {
    pub(crate) benchmark: String,
    /// Tasks whose publisher's body is compared.
    pub(crate) tasks: usize,
    /// Whether one of them has tests.
    pub(crate) tested: bool,
    /// The base model first; arms without a sample are omitted.
    pub(crate) arms: Vec<ArmBodies>,
}

/// The bodies of one arm.
#[derive(Debug, Serialize)]
pub(crate) struct ArmBodies {
    pub(crate) arm: String,
    pub(crate) tasks: usize,
    pub(crate) parsable: Rate,
    pub(crate) pass_rate: Rate,
    /// BLEU-4 of all samples as one corpus, 0 to 100.
    pub(crate) bleu: f64,
    /// Bootstrap over tasks.
    pub(crate) interval: Option<Interval>,
    /// BLEU less that of the base model on their common tasks; `None` for the base model, or without such a task.
    pub(crate) less_base: Option<f64>,
    /// Bootstrap over those tasks.
    pub(crate) less_base_interval: Option<Interval>,
    /// Programs less the human's own, one entry per metric with a pair.
    pub(crate) beside_human: Vec<BesideHuman>,
}

/// A metric of an arm's programs less that of the human's own, task by task.
#[derive(Debug, Serialize)]
pub(crate) struct BesideHuman {
    pub(crate) metric: &'static str,
    pub(crate) n: usize,
    pub(crate) human: Option<f64>,
    pub(crate) mean: Option<f64>,
    pub(crate) difference: Option<f64>,
    /// Bootstrap over tasks.
    pub(crate) interval: Option<Interval>,
}

impl BodyFindings {
    /// Returns `None` if no record compares bodies.
    pub(crate) fn new(arms: &Arms) -> Option<Self> {
        let mut benchmarks: Vec<&str> = Vec::new();
        let all = arms
            .tasks
            .iter()
            .flat_map(|task| arms.all().map(move |arm| arm.of_task(task)));
        for sample in all.flatten().filter(|sample| sample.bleu.is_some()) {
            if !benchmarks.contains(&sample.benchmark.as_str()) {
                benchmarks.push(&sample.benchmark);
            }
        }
        let of = |name: &&str| BenchmarkBodies::new(arms, name);
        let benchmarks: Vec<_> = benchmarks.iter().map(of).collect();
        (!benchmarks.is_empty()).then_some(Self { benchmarks })
    }
}

impl BenchmarkBodies {
    fn new(arms: &Arms, benchmark: &str) -> Self {
        let is_of = |sample: &&SampleRecord| sample.benchmark == benchmark && sample.bleu.is_some();
        let own: Vec<ArmSamples> = arms
            .all()
            .map(|arm| ArmSamples::new(arm.name, arm.samples().filter(is_of)))
            .collect();
        let compared = |task: &&&str| own.iter().any(|arm| !arm.of_task(task).is_empty());
        let tasks: Vec<&str> = arms.tasks.iter().filter(compared).copied().collect();
        let base = own
            .first()
            .map(|arm| corpus(arm, &tasks))
            .unwrap_or_default();
        let of_arm = |(place, arm): (usize, &ArmSamples)| {
            let corpus = corpus(arm, &tasks);
            (!corpus.is_empty()).then(|| {
                let base = (place > 0).then_some(&base);
                ArmBodies::new(arms, arm, &tasks, &corpus, base)
            })
        };
        Self {
            benchmark: benchmark.to_owned(),
            tasks: tasks.len(),
            tested: own
                .iter()
                .flat_map(ArmSamples::samples)
                .any(SampleRecord::is_tested),
            arms: own.iter().enumerate().filter_map(of_arm).collect(),
        }
    }
}

/// The counts of an arm by task, all its samples of a task together.
type Corpus<'a> = BTreeMap<&'a str, BleuCounts>;

fn corpus<'a>(arm: &ArmSamples, tasks: &[&'a str]) -> Corpus<'a> {
    let mut corpus = Corpus::new();
    for &task in tasks {
        for counts in arm
            .of_task(task)
            .iter()
            .filter_map(|sample| sample.bleu.as_ref())
        {
            corpus.entry(task).or_default().add(counts);
        }
    }
    corpus
}

/// Returns BLEU of some tasks.
fn bleu(counts: &[BleuCounts], rows: impl IntoIterator<Item = usize>) -> f64 {
    let mut all = BleuCounts::default();
    rows.into_iter().for_each(|row| all.add(&counts[row]));
    all.bleu()
}

impl ArmBodies {
    fn new(
        arms: &Arms,
        arm: &ArmSamples,
        tasks: &[&str],
        corpus: &Corpus,
        base: Option<&Corpus>,
    ) -> Self {
        let counts: Vec<BleuCounts> = corpus.values().copied().collect();
        let interval = bootstrap(counts.len(), arms.seed, |rows| {
            bleu(&counts, rows.iter().copied())
        });
        let common = corpus
            .iter()
            .filter_map(|(task, own)| Some((*base?.get(*task)?, *own)));
        let (before, after): (Vec<BleuCounts>, Vec<BleuCounts>) = common.unzip();
        let n = before.len();
        let less = |rows: &[usize]| {
            bleu(&after, rows.iter().copied()) - bleu(&before, rows.iter().copied())
        };
        let less_base: Vec<usize> = (0..n).collect();
        Self {
            arm: arm.name.to_owned(),
            tasks: corpus.len(),
            parsable: Rate::new(arm, arms.seed, |_| true, |sample| sample.parsable),
            pass_rate: Rate::new(
                arm,
                arms.seed,
                SampleRecord::is_tested,
                SampleRecord::passed,
            ),
            bleu: bleu(&counts, 0..counts.len()),
            interval: interval.map(|both| both.bca).ok(),
            less_base: (n > 0).then(|| less(&less_base[..])),
            less_base_interval: bootstrap(n, arms.seed, less).map(|both| both.bca).ok(),
            beside_human: BESIDE
                .iter()
                .filter_map(|metric| BesideHuman::new(arms, arm, tasks, metric))
                .collect(),
        }
    }
}

impl BesideHuman {
    fn new(arms: &Arms, arm: &ArmSamples, tasks: &[&str], metric: &SampleMetric) -> Option<Self> {
        let pair = |task: &&str| {
            let base = metric.of_program(arms.human.get(*task)?)?;
            let adapter = arm.task_value(task, metric)?;
            Some(Pair { base, adapter })
        };
        let pairs: Vec<Pair> = tasks.iter().filter_map(pair).collect();
        let human: Vec<f64> = pairs.iter().map(|pair| pair.base).collect();
        let own: Vec<f64> = pairs.iter().map(|pair| pair.adapter).collect();
        let differences = differences(&pairs);
        (!pairs.is_empty()).then(|| Self {
            metric: metric.key,
            n: pairs.len(),
            human: mean(&human),
            mean: mean(&own),
            difference: mean(&differences),
            interval: bootstrap_mean(&differences, arms.seed)
                .map(|both| both.bca)
                .ok(),
        })
    }
}
