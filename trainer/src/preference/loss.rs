//! The losses on the scores of answers, and their derivatives.

use slm_model::preference::SequenceScore;

use super::figures::{Answers, PreferenceSums};
use super::objective::Objective;

/// What the loss of a window is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The number of pairs, or of single answers.
    pub units: usize,
    /// Supervised tokens of the chosen answers.
    pub chosen_tokens: usize,
}

impl Totals {
    /// Returns the sum over the parts of a window.
    pub fn sum(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().fold(Self::default(), |sum, part| Self {
            units: sum.units + part.units,
            chosen_tokens: sum.chosen_tokens + part.chosen_tokens,
        })
    }
}

/// Largest mean log-probability of which `orpo` takes the odds: at 0 they are infinite, and rounding may exceed 0.
const MOST_MEAN: f64 = -1e-6;

/// The scores of a micro-batch and what they are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// Scores under the policy: of n pairs the n chosen and then the n rejected answers.
    pub scores: &'a [SequenceScore],
    /// Log-probabilities under the base model in the same order; empty for an objective without reference.
    pub reference: &'a [f64],
    /// Of single answers, whether each is wanted.
    pub labels: &'a [bool],
    /// Of single answers, the mean log-ratio of mismatched ones, at least 0.
    pub divergence: f64,
}

impl Scored<'_> {
    /// Log-probability of a sequence under the policy minus that under the base model.
    fn log_ratio(&self, index: usize) -> f64 {
        self.scores[index].log_p - self.reference[index]
    }

    /// Returns the sums of one answer with this reward.
    fn answer(&self, index: usize, reward: f64) -> Answers {
        Answers {
            count: 1,
            reward,
            log_p: self.scores[index].log_p,
            reference_log_p: self.reference.get(index).copied().unwrap_or(0.0),
            tokens: self.scores[index].tokens,
        }
    }
}

/// What a micro-batch contributes to a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its part of the window's loss.
    pub loss: f64,
    /// Derivative of the loss with respect to each sequence's log-probability.
    pub derivatives: Vec<f64>,
    /// The sums of its figures.
    pub sums: PreferenceSums,
    /// Of each pair or single answer, 1 where the policy is right, 0.5 for a tie, otherwise 0.
    pub right: Vec<f64>,
}

impl Part {
    fn with_capacity(sequences: usize) -> Self {
        Self {
            loss: 0.0,
            derivatives: Vec::with_capacity(sequences),
            sums: PreferenceSums::default(),
            right: Vec::new(),
        }
    }

    /// Counts a pair or an answer on which the policy is right by `lead`.
    fn count(&mut self, lead: f64, chosen: Answers, rejected: Answers) {
        let (is_right, is_tie) = (lead > 0.0, lead == 0.0);
        self.sums.add(PreferenceSums {
            units: 1,
            right: usize::from(is_right),
            ties: usize::from(is_tie),
            chosen,
            rejected,
        });
        let half = 0.5 * f64::from(u8::from(is_tie));
        self.right.push(f64::from(u8::from(is_right)) + half);
    }
}

/// Returns the part of a window's loss that a micro-batch contributes, with its derivatives and figures.
///
/// The parts of all micro-batches add up to the loss of the window, whose sums over all of it are `totals`.
///
/// # Panics
/// The objective is `Sft`, which has no sequences; or a slice is too short for its objective.
///
/// # Source
/// DPO: Rafailov et al. 2023, equation 7. ORPO: Hong et al. 2024, equations 6 and 7. KTO: Ethayarajh et al. 2024,
/// equation 8. SimPO: Meng et al. 2024, equation 6.
pub fn loss_and_derivatives(objective: Objective, scored: &Scored, totals: Totals) -> Part {
    match objective {
        Objective::Sft => unreachable!("no preferences"),
        Objective::Kto {
            beta,
            desirable_weight,
            undesirable_weight,
        } => kto(scored, totals, beta, (desirable_weight, undesirable_weight)),
        Objective::Dpo { beta, sft_weight } => {
            let reward = |index| {
                let value = beta * scored.log_ratio(index);
                Term {
                    value,
                    slope: beta,
                    reward: value,
                    rank: value,
                }
            };
            pairs(scored, totals, (1.0, 0.0, sft_weight), reward)
        }
        Objective::Orpo { beta } => {
            let log_odds = |index: usize| {
                let score: SequenceScore = scored.scores[index];
                // NaN does not exceed the limit and stays.
                let is_certain = score.mean() > MOST_MEAN;
                let mean = if is_certain { MOST_MEAN } else { score.mean() };
                // 1 - exp(mean), without cancellation.
                let complement = -mean.exp_m1();
                let slope = (complement * score.tokens as f64).recip();
                Term {
                    value: mean - complement.ln(),
                    slope: if is_certain { 0.0 } else { slope },
                    reward: beta * score.mean(),
                    rank: score.mean(),
                }
            };
            pairs(scored, totals, (beta, 0.0, 1.0), log_odds)
        }
        Objective::Simpo { beta, gamma } => {
            let scaled_mean = |index: usize| {
                let score: SequenceScore = scored.scores[index];
                let value = beta * score.mean();
                Term {
                    value,
                    slope: beta / score.tokens as f64,
                    reward: value,
                    rank: value,
                }
            };
            pairs(scored, totals, (1.0, gamma, 0.0), scaled_mean)
        }
    }
}

/// What the comparison of a pair takes of an answer.
struct Term {
    /// The value that is compared.
    value: f64,
    /// Its derivative with respect to the log-probability.
    slope: f64,
    /// The answer's reward.
    reward: f64,
    /// The value by which the better answer of a pair is found; unlike the reward, never scaled by a weight of 0.
    rank: f64,
}

/// Mean of `weight * -ln sigmoid(chosen - rejected - margin)` over the pairs, and `nll_weight` times the mean
/// cross-entropy of the chosen answers' tokens.
fn pairs(
    scored: &Scored,
    totals: Totals,
    (weight, margin, nll_weight): (f64, f64, f64),
    term: impl Fn(usize) -> Term,
) -> Part {
    let n = scored.scores.len() / 2;
    let (of_pair, of_token) = (
        weight / totals.units as f64,
        nll_weight / totals.chosen_tokens as f64,
    );
    let mut part = Part::with_capacity(2 * n);
    part.derivatives.resize(2 * n, 0.0);
    for pair in 0..n {
        let (chosen, rejected) = (term(pair), term(pair + n));
        let difference = chosen.value - rejected.value - margin;
        part.loss += of_pair * softplus(-difference) - of_token * scored.scores[pair].log_p;
        let pull = of_pair * sigmoid(-difference);
        part.derivatives[pair] = -pull * chosen.slope - of_token;
        part.derivatives[pair + n] = pull * rejected.slope;
        part.count(
            chosen.rank - rejected.rank,
            scored.answer(pair, chosen.reward),
            scored.answer(pair + n, rejected.reward),
        );
    }
    part
}

/// Mean of `weight * (1 - sigmoid(reward - z0))` over the answers, with the opposite sign for unwanted ones.
fn kto(
    scored: &Scored,
    totals: Totals,
    beta: f64,
    (desirable_weight, undesirable_weight): (f64, f64),
) -> Part {
    let mut part = Part::with_capacity(scored.labels.len());
    for (index, &is_wanted) in scored.labels.iter().enumerate() {
        let reward = beta * scored.log_ratio(index);
        let above = reward - beta * scored.divergence;
        let (sign, weight) = if is_wanted {
            (1.0, desirable_weight)
        } else {
            (-1.0, undesirable_weight)
        };
        let weight = weight / totals.units as f64;
        let value = sigmoid(sign * above);
        part.loss += weight * sigmoid(-sign * above);
        let slope = -weight * sign * beta * value * sigmoid(-sign * above);
        part.derivatives.push(slope);
        let answer = scored.answer(index, reward);
        let (chosen, rejected) = if is_wanted {
            (answer, Answers::default())
        } else {
            (Answers::default(), answer)
        };
        part.count(sign * above, chosen, rejected);
    }
    part
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        (1.0 + (-x).exp()).recip()
    } else {
        x.exp() / (1.0 + x.exp())
    }
}

/// `ln(1 + exp(x))`, which is `-ln sigmoid(-x)`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(log_p: f64, tokens: usize) -> SequenceScore {
        SequenceScore { log_p, tokens }
    }

    const OBJECTIVES: [Objective; 5] = [
        Objective::Dpo {
            beta: 0.1,
            sft_weight: 0.0,
        },
        Objective::Dpo {
            beta: 0.3,
            sft_weight: 0.2,
        },
        Objective::Orpo { beta: 0.1 },
        Objective::Simpo {
            beta: 2.0,
            gamma: 0.5,
        },
        Objective::Kto {
            beta: 0.1,
            desirable_weight: 1.0,
            undesirable_weight: 1.5,
        },
    ];
    const REFERENCE: [f64; 4] = [-9.0, -21.0, -16.0, -6.0];
    const LABELS: [bool; 4] = [true, false, false, true];

    fn scores() -> [SequenceScore; 4] {
        [
            score(-10.0, 4),
            score(-18.0, 9),
            score(-12.0, 5),
            score(-7.0, 3),
        ]
    }

    fn loss_of(objective: Objective, scores: &[SequenceScore]) -> Part {
        let is_kto = matches!(objective, Objective::Kto { .. });
        let scored = Scored {
            scores,
            reference: &REFERENCE,
            labels: if is_kto { &LABELS } else { &[] },
            divergence: 0.75,
        };
        let totals = Totals {
            units: if is_kto { 4 } else { 2 },
            chosen_tokens: 13,
        };
        loss_and_derivatives(objective, &scored, totals)
    }

    #[test]
    fn derivatives_are_those_of_finite_differences() {
        for objective in OBJECTIVES {
            let derivatives = loss_of(objective, &scores()).derivatives;
            for index in 0..4 {
                let shifted = |by: f64| {
                    let mut scores = scores();
                    scores[index].log_p += by;
                    loss_of(objective, &scores).loss
                };
                let slope = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                let found = derivatives[index];
                assert!(
                    (found - slope).abs() < 1e-9,
                    "{objective:?}: {found} for {slope}"
                );
            }
        }
    }

    #[test]
    fn a_policy_that_is_the_base_model_has_a_loss_of_ln_2_or_half_the_weights() {
        let scores = scores();
        let reference = scores.map(|score| score.log_p);
        let of = |objective, labels, units| {
            let scored = Scored {
                scores: &scores,
                reference: &reference,
                labels,
                divergence: 0.0,
            };
            let totals = Totals {
                units,
                chosen_tokens: 13,
            };
            loss_and_derivatives(objective, &scored, totals).loss
        };
        let dpo = of(
            Objective::Dpo {
                beta: 0.1,
                sft_weight: 0.0,
            },
            &[],
            2,
        );
        assert_eq!(dpo.to_bits(), std::f64::consts::LN_2.to_bits());
        let kto = of(OBJECTIVES[4], &LABELS, 4);
        let half_of_weights = 0.5 * (1.0 + 1.5) / 2.0;
        assert_eq!(kto.to_bits(), f64::to_bits(half_of_weights));
    }

    #[test]
    fn figures_are_means_over_both_sides() {
        let Part { sums, right, .. } = loss_of(OBJECTIVES[0], &scores());
        assert_eq!(right, [0.0, 1.0]);
        let figures = sums.figures().expect("two pairs");
        // Rewards -0.1 and 0.3 against 0.4 and -0.1: the second pair is right.
        assert!((figures.accuracy - 0.5).abs() < 1e-12);
        let margin = figures.reward_margin.expect("both sides");
        assert!((margin + 0.05).abs() < 1e-12, "{margin}");
        let chosen = figures.chosen.expect("chosen answers");
        assert!((chosen.log_p + 14.0).abs() < 1e-12 && (chosen.tokens - 6.5).abs() < 1e-12);
        assert_eq!(PreferenceSums::default().figures(), None);
    }

    #[test]
    fn a_tie_is_half_right_and_orpo_compares_without_its_weight() {
        let equal = [
            score(-8.0, 4),
            score(-8.0, 4),
            score(-8.0, 4),
            score(-8.0, 4),
        ];
        let without_weight = Objective::Orpo { beta: 0.0 };
        for objective in [OBJECTIVES[2], OBJECTIVES[3], without_weight] {
            let Part { sums, right, .. } = loss_of(objective, &equal);
            assert_eq!((sums.right, sums.ties, right), (0, 2, vec![0.5, 0.5]));
            let accuracy = sums.figures().expect("two pairs").accuracy;
            assert_eq!(accuracy.to_bits(), 0.5_f64.to_bits());
        }
        // Means -2.5 and -2 against -2.4 and -2.33.
        let found = loss_of(without_weight, &scores());
        assert_eq!(found.right, [0.0, 1.0]);
    }

    #[test]
    fn orpo_stays_finite_at_a_probability_of_one_and_keeps_nan() {
        for log_p in [0.0, 1e-6, -1e-12] {
            for index in 0..4 {
                let mut scores = scores();
                scores[index].log_p = log_p;
                let part = loss_of(OBJECTIVES[2], &scores);
                assert!(part.loss.is_finite(), "{log_p} at {index}: {part:?}");
                assert!(part.derivatives.iter().all(|slope| slope.is_finite()));
            }
        }
        let mut scores = scores();
        scores[0].log_p = f64::NAN;
        assert!(loss_of(OBJECTIVES[2], &scores).loss.is_nan());
    }

    #[test]
    fn extreme_differences_stay_finite() {
        for x in [-1e6, -800.0, 0.0, 800.0, 1e6] {
            assert!(sigmoid(x).is_finite() && softplus(x).is_finite(), "{x}");
        }
        assert!((softplus(800.0) - 800.0).abs() < 1e-9 && softplus(-800.0) >= 0.0);
    }
}
