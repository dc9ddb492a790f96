//! The optimizers of `train.optim`, and the `adam_` settings that each has.

use serde::{Deserialize, Serialize};

/// An optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optim {
    /// Adam with decoupled weight decay. Loshchilov and Hutter 2017, arXiv:1711.05101.
    Adamw,
    /// A second moment of rows and columns alone: half the state of `adamw`, or less. Shazeer and
    /// Stern 2018, arXiv:1804.04235, with the rate that the recipe gives.
    Adafactor,
    /// The sign of a momentum: half the state of `adamw`; wants a rate three to ten times lower. Chen
    /// et al. 2023, arXiv:2302.06675.
    Lion,
    /// A momentum made orthogonal, scaled so that the rate of `adamw` suits it. Liu et al. 2025,
    /// arXiv:2502.16982.
    Muon,
}

impl Optim {
    /// The optimizer as a recipe names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adamw => "adamw",
            Self::Adafactor => "adafactor",
            Self::Lion => "lion",
            Self::Muon => "muon",
        }
    }

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

/// The keys `train.adam_beta1`, `adam_beta2` and `adam_epsilon`; `None` for what an optimizer does not have.
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
