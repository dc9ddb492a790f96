//! The optimizers of `train.optim`, and the `adam_` settings that each has.

use crate::schema::words;

words! {
/// An optimizer.
pub enum Optim {
    /// Adam with decoupled weight decay. Source: Loshchilov and Hutter 2017, arXiv:1711.05101.
    Adamw = "adamw" | "adamw_torch",
    /// A second moment of rows and columns only: half the state of `adamw`, or less. Uses the recipe's learning rate.
    /// Source: Shazeer and Stern 2018, arXiv:1804.04235.
    Adafactor = "adafactor",
    /// The sign of a momentum: half the state of `adamw`; needs a learning rate three to ten times lower. Source: Chen et
    /// al. 2023, arXiv:2302.06675.
    Lion = "lion",
    /// An orthogonalized momentum, scaled to suit `adamw`'s learning rate. Source: Liu et al. 2025, arXiv:2502.16982.
    Muon = "muon",
}
}

impl Optim {
    /// The `adam_` settings that this optimizer has, with its defaults.
    pub fn adam_defaults(self) -> AdamSettings {
        match self {
            Self::Adamw => AdamSettings {
                beta1: Some(0.9),
                beta2: Some(0.999),
                epsilon: Some(1e-8),
            },
            Self::Lion => AdamSettings {
                beta1: Some(0.9),
                beta2: Some(0.99),
                epsilon: None,
            },
            Self::Adafactor | Self::Muon => AdamSettings::default(),
        }
    }
}

/// The keys `train.adam_beta1`, `adam_beta2` and `adam_epsilon`; `None` where an optimizer has no such setting.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AdamSettings {
    /// Decay of the first moment.
    pub beta1: Option<f64>,
    /// Decay of the second moment.
    pub beta2: Option<f64>,
    /// Term against division by zero.
    pub epsilon: Option<f64>,
}

impl AdamSettings {
    /// These settings, and those of `other` where there are none.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            beta1: self.beta1.or(other.beta1),
            beta2: self.beta2.or(other.beta2),
            epsilon: self.epsilon.or(other.epsilon),
        }
    }
}
