//! An objective with its settings.

use slm_config::{Objective as Name, Train};

/// What a training minimises, with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// Mean cross-entropy of the supervised tokens.
    Sft,
    /// Direct preference optimization against the base model.
    Dpo {
        /// Scale of the differences in log-probability.
        beta: f64,
        /// Weight of the mean cross-entropy of the chosen answers.
        sft_weight: f64,
    },
    /// Mean cross-entropy of the chosen answers with the odds ratio of both.
    Orpo {
        /// Weight of the odds ratio.
        beta: f64,
    },
    /// Single answers, wanted or not, against the base model.
    Kto {
        /// Scale of the differences in log-probability.
        beta: f64,
        /// Weight of wanted answers.
        desirable_weight: f64,
        /// Weight of unwanted answers.
        undesirable_weight: f64,
    },
    /// Difference of the mean log-probabilities against a margin.
    Simpo {
        /// Scale of the difference.
        beta: f64,
        /// The margin.
        gamma: f64,
    },
}

impl Objective {
    /// Whether the loss reads the base model's log-probabilities.
    pub fn has_reference(self) -> bool {
        matches!(self, Self::Dpo { .. } | Self::Kto { .. })
    }

    /// Whether the objective compares the two answers of a pair.
    pub fn has_pairs(self) -> bool {
        matches!(
            self,
            Self::Dpo { .. } | Self::Orpo { .. } | Self::Simpo { .. }
        )
    }

    /// The number of sequences that a micro-batch holds for each of its pairs or examples.
    pub fn sequences_per_unit(self) -> usize {
        if self.has_pairs() { 2 } else { 1 }
    }
}

impl From<&Train> for Objective {
    fn from(train: &Train) -> Self {
        let beta = train.beta;
        match train.objective {
            Name::Sft => Self::Sft,
            Name::Dpo => Self::Dpo {
                beta,
                sft_weight: train.sft_weight,
            },
            Name::Orpo => Self::Orpo { beta },
            Name::Kto => Self::Kto {
                beta,
                desirable_weight: train.desirable_weight,
                undesirable_weight: train.undesirable_weight,
            },
            Name::Simpo => Self::Simpo {
                beta,
                gamma: train.simpo_gamma,
            },
        }
    }
}
