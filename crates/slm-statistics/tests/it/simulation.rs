//! Simulated task values with properties of real ones: many ties, a long tail, arms with common tasks and base model.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Number of simulated evaluations of a kind.
pub(crate) const RUNS: u64 = 2_000;

/// Number of tasks of an evaluation, the size of `HumanEval`.
pub(crate) const TASKS: usize = 164;

/// Standard deviation of paired differences of the maintainability index, as first measured.
pub(crate) const SPREAD: f64 = 14.3;

/// Share of tasks on which base model and adapter write the same program.
const EQUAL: f64 = 0.4;

/// Number of adapters compared with one base model; with two quantities each they form a family of six contrasts.
pub(crate) const ADAPTERS: usize = 3;

/// Returns the result of `evaluation` for each of `runs` simulated runs, each with an independent random
/// generator and a seed for resampling. The same `seed` repeats the same runs.
pub(crate) fn simulate<T>(
    seed: u64,
    runs: u64,
    evaluation: impl Fn(&mut ChaCha8Rng, u64) -> T,
) -> Vec<T> {
    (0..runs)
        .map(|run| evaluation(&mut ChaCha8Rng::seed_from_u64(seed << 32 | run), run))
        .collect()
}

/// Returns skewed paired differences with mean `effect` and standard deviation [`SPREAD`], of which a share
/// [`EQUAL`] is 0.
pub(crate) fn differences(rng: &mut ChaCha8Rng, effect: f64) -> Vec<f64> {
    let center = effect / (1.0 - EQUAL);
    let square = (SPREAD.powi(2) + effect.powi(2)) / (1.0 - EQUAL);
    let scale = (square - center.powi(2)).sqrt();
    let difference = |_| {
        if rng.random_bool(EQUAL) {
            0.0
        } else {
            center + scale * tail(rng)
        }
    };
    (0..TASKS).map(difference).collect()
}

/// Returns differences of [`ADAPTERS`] adapters from one base model in two related quantities, with no model better.
pub(crate) fn unchanged_programs(rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    // Each model writes the usual program with this probability, two of them both do with `EQUAL`.
    let usual = EQUAL.sqrt();
    let scale = SPREAD / (2.0 * (1.0 - usual)).sqrt();
    let mut contrasts = vec![Vec::new(); 2 * ADAPTERS];
    for _ in 0..TASKS {
        let mut program = || {
            if rng.random_bool(usual) {
                return [0.0, 0.0];
            }
            // The index without comments has a correlation of 0.8 with the index including them.
            let (index, own) = (tail(rng), tail(rng));
            [scale * index, scale * (0.8 * index + 0.6 * own)]
        };
        let base = program();
        for adapter in contrasts.chunks_exact_mut(2) {
            let changed = program();
            for quantity in 0..2 {
                adapter[quantity].push(changed[quantity] - base[quantity]);
            }
        }
    }
    contrasts
}

/// Returns how many tasks only the base model and only the other arm passes, for each of `arms` arms of equal
/// ability.
pub(crate) fn unchanged_outcomes(rng: &mut ChaCha8Rng, arms: usize) -> Vec<(usize, usize)> {
    let mut discordant = vec![(0, 0); arms];
    for _ in 0..TASKS {
        let chance = ease(rng);
        let base = rng.random_bool(chance);
        for (base_only, arm_only) in &mut discordant {
            let passed = rng.random_bool(chance);
            *base_only += usize::from(base && !passed);
            *arm_only += usize::from(passed && !base);
        }
    }
    discordant
}

/// Returns differences of pass rates over `samples` samples a task, for each of `arms` arms of equal ability.
pub(crate) fn unchanged_pass_rates(
    rng: &mut ChaCha8Rng,
    arms: usize,
    samples: u32,
) -> Vec<Vec<f64>> {
    let mut contrasts = vec![Vec::new(); arms];
    for _ in 0..TASKS {
        let chance = ease(rng);
        let mut rate = || {
            let passed = (0..samples).filter(|_| rng.random_bool(chance)).count();
            passed as f64 / f64::from(samples)
        };
        let base = rate();
        for contrast in &mut contrasts {
            contrast.push(rate() - base);
        }
    }
    contrasts
}

/// Returns cyclomatic complexities of `tasks` programs in each of `settings` sampling settings without effect.
pub(crate) fn unchanged_complexities(
    rng: &mut ChaCha8Rng,
    tasks: usize,
    settings: usize,
) -> Vec<Vec<f64>> {
    (0..tasks)
        .map(|_| {
            let usual = 1.0 + (3.0 * (tail(rng) + 1.0)).floor();
            let mut complexity = || match rng.random_range(0..10) {
                0..6 => usual,
                6..8 => usual + 1.0,
                8 => usual + 3.0,
                _ => (usual - 1.0).max(1.0),
            };
            (0..settings).map(|_| complexity()).collect()
        })
        .collect()
}

/// Draws from the exponential distribution minus its mean: mean 0, variance 1, skewness 2.
fn tail(rng: &mut ChaCha8Rng) -> f64 {
    -(1.0 - rng.random::<f64>()).ln() - 1.0
}

/// Draws the probability that a sample passes a task: most tasks are nearly always or nearly never solved.
fn ease(rng: &mut ChaCha8Rng) -> f64 {
    (std::f64::consts::FRAC_PI_2 * rng.random::<f64>())
        .sin()
        .powi(2)
}

#[test]
fn differences_have_the_traits_that_they_are_named_for() {
    for effect in [0.0, 3.0] {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let many: Vec<f64> = (0..400)
            .flat_map(|_| differences(&mut rng, effect))
            .collect();
        let mean = slm_statistics::mean(&many).expect("values");
        let spread = slm_statistics::standard_deviation(&many).expect("values");
        let zeros = many.iter().filter(|&&value| value == 0.0).count() as f64 / many.len() as f64;
        let cubes: f64 = many.iter().map(|value| (value - mean).powi(3)).sum();
        let skewness = cubes / many.len() as f64 / spread.powi(3);
        assert!((mean - effect).abs() < 0.2, "{mean}");
        assert!((spread - SPREAD).abs() < 0.3, "{spread}");
        assert!((zeros - EQUAL).abs() < 0.01, "{zeros}");
        assert!(skewness > 1.5, "{skewness}");
    }
}

#[test]
fn unchanged_programs_have_the_same_spread_and_ties() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let runs: Vec<_> = (0..200).map(|_| unchanged_programs(&mut rng)).collect();
    for contrast in 0..2 * ADAPTERS {
        let many: Vec<f64> = runs.iter().flat_map(|run| run[contrast].clone()).collect();
        let spread = slm_statistics::standard_deviation(&many).expect("values");
        let zeros = many.iter().filter(|&&value| value == 0.0).count() as f64 / many.len() as f64;
        assert!((spread - SPREAD).abs() < 0.4, "{spread}");
        assert!((zeros - EQUAL).abs() < 0.01, "{zeros}");
    }
}
