//! Chooses a few mutants that are spread over kinds and lines.

use std::collections::{BTreeMap, HashSet, VecDeque};

/// Chooses at most `n` of `mutants`, in their order; the same `seed` gives the same choice.
///
/// The kinds take turns. Each turn takes a random mutant of its kind, if possible on a line without one.
pub fn choose(mutants: Vec<super::Mutant>, n: usize, seed: u64) -> Vec<super::Mutant> {
    let mut random = SplitMix64(seed);
    let mut by_kind: BTreeMap<super::MutationKind, VecDeque<usize>> = BTreeMap::new();
    for (at, mutant) in mutants.iter().enumerate() {
        by_kind.entry(mutant.kind).or_default().push_back(at);
    }
    for places in by_kind.values_mut() {
        let places = places.make_contiguous();
        for last in (1..places.len()).rev() {
            places.swap(last, random.below(last + 1));
        }
    }
    let mut lines = HashSet::new();
    let mut chosen = HashSet::new();
    while chosen.len() < n && by_kind.values().any(|places| !places.is_empty()) {
        for places in by_kind.values_mut() {
            let unused = places
                .iter()
                .position(|&at| !lines.contains(&mutants[at].line));
            if let Some(at) = places.remove(unused.unwrap_or(0))
                && chosen.len() < n
            {
                lines.insert(mutants[at].line);
                chosen.insert(at);
            }
        }
    }
    let mut at = 0..;
    mutants
        .into_iter()
        .filter(|_| at.next().is_some_and(|at| chosen.contains(&at)))
        .collect()
}

/// A small random number generator.
///
/// # Source
/// Steele et al. 2014, "Fast splittable pseudorandom number generators".
struct SplitMix64(u64);

impl SplitMix64 {
    /// Returns a number below `bound`; its bias is negligible for small bounds.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}
