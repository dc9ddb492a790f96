//! H2: does the sampling setting change the complexity of the code?
//!
//! The best point of a grid always looks better than it is, because it is partly chosen for its luck. The tasks are
//! therefore split in two halves by the recipe's seed: on one half the point with the least complex programs is
//! chosen, on the other it is compared with the recipe's own sampling. Complexity is measured on programs that pass
//! their tests, on tasks that both sides solve; the loss in pass rate is reported with it and is part of the verdict.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use slm_config::HypothesisId;
use slm_statistics::{friedman, friedman_permutation_p, mean};

use super::arm_summary::{Rate, metric_mean};
use super::arms::{ArmSamples, pairs, tasks_of};
use super::claim::Claim;
use super::conclusion::Conclusion;
use super::contrast::Contrast;
use super::same_text::SameText;
use crate::cell::Decoding;
use crate::record::{RunInfo, SampleRecord};
use crate::sample_metric::{CC, CC_OF_SOLVED, MI, MI_CODE, PASS_RATE, SampleMetric};

/// The findings on H2.
#[derive(Debug, Serialize)]
pub(crate) struct SweepFindings {
    pub(crate) arm: String,
    pub(crate) workflow: String,
    /// Tasks that at least one point answered.
    pub(crate) tasks: usize,
    /// The points, with the recipe's own sampling first.
    pub(crate) points: Vec<Point>,
    /// Tasks on which the point was chosen.
    pub(crate) choosing_tasks: usize,
    /// Tasks on which the chosen point was tested.
    pub(crate) testing_tasks: usize,
    /// The chosen point and its test; `None` if none could be chosen.
    pub(crate) test: Option<Test>,
    /// `None` if no effect was required.
    pub(crate) claim: Option<Claim>,
    /// Allowed loss of pass rate, in points.
    pub(crate) pass_rate_margin: f64,
    /// Whether any point differs: on tasks that every point solves, and on those with a program at every point.
    pub(crate) overall: [Overall; 2],
}

/// One sampling setting.
#[derive(Debug, Serialize)]
pub(crate) struct Point {
    pub(crate) decoding: Decoding,
    pub(crate) samples: usize,
    pub(crate) pass_rate: Rate,
    pub(crate) parsable: Rate,
    /// Over programs that parse; here and below, a task's samples are averaged first.
    pub(crate) cyclomatic_complexity: Option<f64>,
    /// Over programs that pass.
    pub(crate) cyclomatic_complexity_of_solved: Option<f64>,
    pub(crate) maintainability_index: Option<f64>,
    pub(crate) mi_code: Option<f64>,
    /// On the choosing half: tasks that this point and the reference solve.
    pub(crate) choosing_pairs: usize,
    /// The mean difference in complexity on these tasks.
    pub(crate) choosing_difference: Option<f64>,
}

/// The chosen point against the recipe's own sampling, on the testing half.
#[derive(Debug, Serialize)]
pub(crate) struct Test {
    /// Its index among the points.
    pub(crate) point: usize,
    /// Other points with equally complex programs on the choosing half; the first of equals is chosen.
    pub(crate) equals: usize,
    pub(crate) same_text: SameText,
    /// Over programs that pass, on tasks that both solve.
    pub(crate) complexity: Contrast,
    /// Over all programs that parse.
    pub(crate) complexity_of_all: Contrast,
    pub(crate) pass_rate: Contrast,
    /// The verdict on the loss in pass rate.
    pub(crate) cost: Conclusion,
}

/// Friedman's test over all points.
#[derive(Debug, Serialize)]
pub(crate) struct Overall {
    pub(crate) tasks: usize,
    pub(crate) chi_squared: Option<f64>,
    pub(crate) p: Option<f64>,
    /// By permutation within tasks.
    pub(crate) permutation_p: Option<f64>,
    pub(crate) kendalls_w: Option<f64>,
}

impl SweepFindings {
    /// Returns `None` if the run does not test H2.
    pub(crate) fn new(records: &[SampleRecord], run: &RunInfo) -> Option<Self> {
        let plan = run.plan.sweep.as_ref()?;
        let declared = run.plan.declared(HypothesisId::H2).next();
        let margin = declared.map_or(0.0, slm_config::Hypothesis::pass_rate_margin_of_h2);
        let seed = run.statistics_seed();
        let of_sweep: Vec<&SampleRecord> = records
            .iter()
            .filter(|record| record.arm == plan.arm && record.workflow == plan.workflow.name())
            .filter(|record| plan.decodings.contains(&record.decoding))
            .collect();
        let tasks = tasks_of(&of_sweep);
        let arms: Vec<ArmSamples> = plan
            .decodings
            .iter()
            .map(|decoding| {
                let own = of_sweep
                    .iter()
                    .filter(|record| record.decoding == *decoding);
                ArmSamples::new(&plan.arm, own.copied())
            })
            .collect();
        let (choosing, testing) = halves(&tasks, seed);
        let points: Vec<Point> = plan
            .decodings
            .iter()
            .zip(&arms)
            .map(|(&decoding, arm)| Point::new(decoding, arm, &arms[0], &choosing, seed))
            .collect();
        let test = choose(&points, &arms, &choosing, margin)
            .map(|(point, equals)| Test::new(point, equals, &arms, &testing, margin, seed));
        let claim = declared.map(|declared| {
            let nothing = || Contrast::new(&[], &arms[0], &arms[0], &CC_OF_SOLVED, seed);
            let (contrast, found) = match &test {
                Some(test) => {
                    let name = format!(
                        "{} less {}",
                        points[test.point].decoding, run.plan.reference
                    );
                    (name, &test.complexity)
                }
                None => ("no point could be chosen".to_owned(), &nothing()),
            };
            let mut claim = Claim::new(declared, contrast, found);
            let cost = test
                .as_ref()
                .map_or(Conclusion::Inconclusive, |test| test.cost);
            claim.outcome = Conclusion::all(&[claim.outcome, cost]);
            claim
        });
        Some(Self {
            arm: plan.arm.clone(),
            workflow: plan.workflow.name().to_owned(),
            tasks: tasks.len(),
            points,
            choosing_tasks: choosing.len(),
            testing_tasks: testing.len(),
            test,
            claim,
            pass_rate_margin: margin,
            overall: [&CC_OF_SOLVED, &CC].map(|metric| Overall::new(&arms, &tasks, metric, seed)),
        })
    }
}

impl Point {
    fn new(
        decoding: Decoding,
        arm: &ArmSamples,
        reference: &ArmSamples,
        choosing: &[&str],
        seed: u64,
    ) -> Self {
        let differences: Vec<f64> = pairs(choosing, reference, arm, &CC_OF_SOLVED)
            .iter()
            .map(|(_, pair)| pair.difference())
            .collect();
        let always = |_: &SampleRecord| true;
        Self {
            decoding,
            samples: arm.samples().count(),
            pass_rate: Rate::new(arm, seed, SampleRecord::is_tested, SampleRecord::passed),
            parsable: Rate::new(arm, seed, always, |sample| sample.parsable),
            cyclomatic_complexity: metric_mean(arm, &CC),
            cyclomatic_complexity_of_solved: metric_mean(arm, &CC_OF_SOLVED),
            maintainability_index: metric_mean(arm, &MI),
            mi_code: metric_mean(arm, &MI_CODE),
            choosing_pairs: differences.len(),
            choosing_difference: mean(&differences),
        }
    }
}

impl Test {
    fn new(
        point: usize,
        equals: usize,
        arms: &[ArmSamples],
        testing: &[&str],
        margin: f64,
        seed: u64,
    ) -> Self {
        let contrast = |metric| Contrast::new(testing, &arms[0], &arms[point], metric, seed);
        let pass_rate = contrast(&PASS_RATE);
        Self {
            point,
            equals,
            same_text: SameText::new(testing, &arms[0], &arms[point]),
            complexity: contrast(&CC_OF_SOLVED),
            complexity_of_all: contrast(&CC),
            cost: Conclusion::judge_cost(pass_rate.evidence(PASS_RATE.scale), margin),
            pass_rate,
        }
    }
}

impl Overall {
    fn new(arms: &[ArmSamples], tasks: &[&str], metric: &SampleMetric, seed: u64) -> Self {
        let rows: Vec<Vec<f64>> = tasks
            .iter()
            .filter_map(|task| {
                arms.iter()
                    .map(|arm| arm.task_value(task, metric))
                    .collect()
            })
            .collect();
        let found = friedman(&rows);
        Self {
            tasks: rows.len(),
            chi_squared: found.map(|found| found.chi_squared),
            p: found.map(|found| found.p),
            permutation_p: friedman_permutation_p(&rows, seed),
            kendalls_w: found.map(|found| found.kendalls_w),
        }
    }
}

/// Splits the tasks into two halves, by the seed alone: the order of the records does not matter.
fn halves<'a>(tasks: &[&'a str], seed: u64) -> (Vec<&'a str>, Vec<&'a str>) {
    let mut shuffled = tasks.to_vec();
    shuffled.sort_unstable();
    shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let testing = shuffled.split_off(shuffled.len() / 2);
    (shuffled, testing)
}

/// Returns the point whose programs are least complex compared with the reference's on the choosing half, and the
/// number of other candidates with equal complexity. Candidates are the points within the allowed loss of pass rate
/// there, or all points if none is.
fn choose(
    points: &[Point],
    arms: &[ArmSamples],
    choosing: &[&str],
    margin: f64,
) -> Option<(usize, usize)> {
    let lost = |point: usize| {
        let differences: Vec<f64> = pairs(choosing, &arms[0], &arms[point], &PASS_RATE)
            .iter()
            .map(|(_, pair)| pair.difference())
            .collect();
        mean(&differences).is_some_and(|difference| difference * PASS_RATE.scale < -margin)
    };
    let difference = |point: &usize| points[*point].choosing_difference;
    let candidates = |may_lose: bool| -> Vec<usize> {
        (1..points.len())
            .filter(|point| difference(point).is_some() && (may_lose || !lost(*point)))
            .collect()
    };
    let compare = |a: &usize, b: &usize| {
        let [a, b] = [a, b].map(|point| difference(point).unwrap_or_default());
        a.total_cmp(&b)
    };
    let least = |candidates: Vec<usize>| {
        let least = candidates.iter().copied().min_by(compare)?;
        let is_equal = |other: &&usize| **other != least && compare(other, &least).is_eq();
        Some((least, candidates.iter().filter(is_equal).count()))
    };
    least(candidates(false)).or_else(|| least(candidates(true)))
}
