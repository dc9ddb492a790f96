//! Whether a 95 % interval covers the truth in 95 % of evaluations, and a test has its planned power.
//!
//! At 2,000 runs a share of 95 % has a standard error of half a point. Found: 93.8 and 93.2 % for the index,
//! whose tail is made very long (skewness 2.6), and 95.6 % for the pass rate.

use rand_chacha::ChaCha8Rng;
use slm_statistics::{
    Interval, POWER, bootstrap_mean, exact_lower_limit, minimal_detectable_effect, sign_flip_p,
};

use crate::simulation::{
    RUNS, SPREAD, TASKS, differences, simulate, unchanged_pass_rates, unchanged_programs,
};

/// Returns the intervals of simulated runs, after checking that they cover `truth` at the nominal rate.
fn check(seed: u64, truth: f64, values: impl Fn(&mut ChaCha8Rng) -> Vec<f64>) -> Vec<Interval> {
    let intervals = simulate(seed, RUNS, |rng, run| {
        bootstrap_mean(&values(rng), run).expect("enough tasks").bca
    });
    let covers = |interval: &Interval| interval.low <= truth && truth <= interval.high;
    let covered = share(&intervals, covers);
    assert!((0.93..=0.97).contains(&covered), "covered: {covered}");
    intervals
}

fn share<T>(runs: &[T], holds: impl Fn(&T) -> bool) -> f64 {
    runs.iter().filter(|run| holds(run)).count() as f64 / runs.len() as f64
}

#[test]
fn intervals_of_an_unchanged_index_hold_zero() {
    let intervals = check(1, 0.0, |rng| differences(rng, 0.0));
    let above = intervals.iter().filter(|found| found.low > 0.0).count();
    let at_least = exact_lower_limit(above, intervals.len(), 0.99).expect("runs");
    assert!(at_least <= 0.025, "{above} runs see a rise");
}

#[test]
fn intervals_of_a_risen_index_hold_the_rise() {
    check(2, 3.0, |rng| differences(rng, 3.0));
}

#[test]
fn intervals_of_an_unchanged_pass_rate_hold_zero() {
    check(3, 0.0, |rng| unchanged_pass_rates(rng, 1, 1).remove(0));
}

#[test]
fn the_sign_flip_test_finds_the_minimal_detectable_effect_as_often_as_promised() {
    let effect = minimal_detectable_effect(SPREAD, TASKS).expect("tasks");
    let p_values = simulate(4, RUNS, |rng, run| {
        // Symmetric, as planning assumes: with `differences`, whose long tail is in the direction of the
        // effect, power is 87 %.
        let unchanged = unchanged_programs(rng).swap_remove(0);
        let risen: Vec<f64> = unchanged.iter().map(|value| value + effect).collect();
        sign_flip_p(&risen, run).expect("tasks")
    });
    let found = share(&p_values, |&p| p <= 0.05);
    assert!((found - POWER).abs() < 0.03, "{found}");
}
