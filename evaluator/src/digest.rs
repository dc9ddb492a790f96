//! Seeds of steps.

use slm_artifacts::Sha256;

/// Returns the seed of a step of a sample of a task; each has its own, which does not depend on any other step.
///
/// All cells of a run share seeds: the same random numbers under every arm, workflow, temperature and top-p. The
/// difference between two cells is then less often due to chance, and their paired difference has a smaller variance
/// than with independent seeds (common random numbers, see Glasserman and Yao 1992, doi:10.1287/mnsc.38.6.884).
pub(crate) fn step_seed(seed: u64, task_id: &str, sample: u32, step: u32) -> u64 {
    let digest = Sha256::new()
        .chain(seed.to_le_bytes())
        .chain(sample.to_le_bytes())
        .chain(step.to_le_bytes())
        .chain(task_id)
        .digest();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_differ_by_task_sample_and_step_and_repeat() {
        let seeds = [
            step_seed(1, "a", 0, 0),
            step_seed(1, "a", 0, 1),
            step_seed(1, "a", 1, 0),
            step_seed(1, "b", 0, 0),
            step_seed(2, "a", 0, 0),
        ];
        for (i, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..i].contains(seed));
        }
        assert_eq!(seeds[0], step_seed(1, "a", 0, 0));
    }
}
