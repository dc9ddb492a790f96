//! Sampling of the next token from logits.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Sampling settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 always takes the most likely token (greedy).
    pub temperature: f64,
    /// Nucleus sampling: draws from the smallest set of tokens whose probabilities reach this sum; 1 keeps all.
    pub top_p: f64,
    /// Draws from the `k` most likely tokens; `None` keeps all.
    pub top_k: Option<usize>,
}

impl Sampling {
    /// Greedy decoding.
    pub const GREEDY: Self = Self {
        temperature: 0.0,
        top_p: 1.0,
        top_k: None,
    };

    /// Whether decoding is greedy.
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0
    }

    /// Draws a token.
    ///
    /// The order is that of transformers: temperature, then top-k, then top-p on the remaining tokens. Greedy decoding
    /// takes the lowest id of equal logits and does not use `rng`.
    ///
    /// # Source
    /// Holtzman et al. 2019, arXiv:1904.09751 (top-p); Fan et al. 2018, arXiv:1805.04833 (top-k).
    pub fn draw(&self, logits: &[f32], rng: &mut ChaCha8Rng) -> u32 {
        let best = greedy(logits);
        if self.is_greedy() {
            return best as u32;
        }
        let max = f64::from(logits[best]);
        let weight = |logit: f32| ((f64::from(logit) - max) / self.temperature).exp();
        let mut candidates: Vec<(u32, f64)> = logits
            .iter()
            .enumerate()
            .map(|(id, &logit)| (id as u32, weight(logit)))
            .collect();
        if let Some(k) = self.top_k.filter(|&k| k < candidates.len()) {
            candidates.select_nth_unstable_by(k, likelier_first);
            candidates.truncate(k);
        }
        if self.top_p < 1.0 {
            candidates = nucleus(candidates, self.top_p);
        }
        let total: f64 = candidates.iter().map(|&(_, weight)| weight).sum();
        let mut left = rng.random::<f64>() * total;
        for &(id, weight) in &candidates {
            left -= weight;
            if left < 0.0 {
                return id;
            }
        }
        // Rounding can leave a small remainder after the last candidate.
        candidates.last().map_or(best as u32, |&(id, _)| id)
    }
}

/// The index of the largest logit; the lowest of equals.
pub(crate) fn greedy(logits: &[f32]) -> usize {
    let mut best = 0;
    for (id, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = id;
        }
    }
    best
}

/// Orders by descending weight, then by ascending id, so that a draw is reproducible.
fn likelier_first(a: &(u32, f64), b: &(u32, f64)) -> std::cmp::Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// The smallest set of the most likely candidates whose probability reaches `top_p`.
fn nucleus(mut candidates: Vec<(u32, f64)>, top_p: f64) -> Vec<(u32, f64)> {
    let total: f64 = candidates.iter().map(|&(_, weight)| weight).sum();
    // Candidates below this weight have a total probability of less than 1 - top_p, so the nucleus is complete without
    // them. Removing them avoids sorting the whole vocabulary.
    let least = total * (1.0 - top_p) / candidates.len() as f64;
    candidates.retain(|&(_, weight)| weight >= least);
    candidates.sort_unstable_by(likelier_first);
    let mut sum = 0.0;
    let reach = candidates.iter().position(|&(_, weight)| {
        sum += weight;
        sum >= top_p * total
    });
    candidates.truncate(reach.map_or(candidates.len(), |at| at + 1));
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// Relative frequency of each token in many draws.
    fn shares(sampling: Sampling, logits: &[f32]) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let n = 20_000;
        let mut counts = vec![0.0; logits.len()];
        for _ in 0..n {
            counts[sampling.draw(logits, &mut rng) as usize] += 1.0 / f64::from(n);
        }
        counts
    }

    fn check(sampling: Sampling, logits: &[f32], expected: &[f64]) {
        for (found, expected) in shares(sampling, logits).iter().zip(expected) {
            assert!((found - expected).abs() < 0.015, "{found} for {expected}");
        }
    }

    const LOGITS: [f32; 4] = [0.0, 2.0, 1.0, -1.0];

    fn softmax(temperature: f64, kept: &[usize]) -> Vec<f64> {
        let weights: Vec<f64> = (0..LOGITS.len())
            .map(|i| {
                if kept.contains(&i) {
                    (f64::from(LOGITS[i]) / temperature).exp()
                } else {
                    0.0
                }
            })
            .collect();
        let total: f64 = weights.iter().sum();
        weights.iter().map(|w| w / total).collect()
    }

    #[test]
    fn greedy_takes_the_lowest_id_among_equals() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        assert_eq!(Sampling::GREEDY.draw(&[0.0, 3.0, 3.0], &mut rng), 1);
    }

    #[test]
    fn temperature_draws_from_the_softmax() {
        check(
            Sampling {
                temperature: 0.7,
                top_p: 1.0,
                top_k: None,
            },
            &LOGITS,
            &softmax(0.7, &[0, 1, 2, 3]),
        );
    }

    #[test]
    fn top_k_keeps_the_likeliest() {
        check(
            Sampling {
                temperature: 1.0,
                top_p: 1.0,
                top_k: Some(2),
            },
            &LOGITS,
            &softmax(1.0, &[1, 2]),
        );
    }

    #[test]
    fn top_p_keeps_the_token_that_crosses_the_line() {
        // Shares are 0.087, 0.644, 0.237, 0.032: 0.7 needs the first two.
        check(
            Sampling {
                temperature: 1.0,
                top_p: 0.7,
                top_k: None,
            },
            &LOGITS,
            &softmax(1.0, &[1, 2]),
        );
        check(
            Sampling {
                temperature: 1.0,
                top_p: 0.6,
                top_k: None,
            },
            &LOGITS,
            &softmax(1.0, &[1]),
        );
    }

    #[test]
    fn top_p_counts_within_what_top_k_left() {
        check(
            Sampling {
                temperature: 1.0,
                top_p: 0.9,
                top_k: Some(3),
            },
            &LOGITS,
            &softmax(1.0, &[1, 2]),
        );
    }
}
