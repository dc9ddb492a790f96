//! Rotary frequencies and their scaling beyond the context of the pretraining.

use std::f64::consts::TAU;

use super::{ConfigError, ModelConfig, value_error};

/// Scaling of a model's rotary frequencies beyond the context of its pretraining.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Every frequency divided by `factor`.
    Linear {
        /// Divisor, at least 1.
        factor: f64,
    },
    /// Llama 3.1's: low frequencies divided by `factor`, high ones kept, a smooth transition between them.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Frequencies with a wavelength above `original_max_position_embeddings / low_freq_factor` are low.
        low_freq_factor: f64,
        /// Frequencies with a wavelength below `original_max_position_embeddings / high_freq_factor` are high.
        high_freq_factor: f64,
        /// The context length of the pretraining, in tokens.
        original_max_position_embeddings: usize,
    },
    /// One divisor per frequency: how GGUF files store Llama 3.1's scaling (`rope_freqs.weight`).
    Divisors(Vec<f32>),
    /// `YaRN`: as Llama 3.1's, with a transition that is linear in the index of the frequency; queries and keys are
    /// multiplied by `attention_factor`.
    Yarn {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Frequencies with more turns than this within the original context are kept.
        beta_fast: f64,
        /// Frequencies with fewer turns than this within the original context are divided.
        beta_slow: f64,
        /// The context length of the pretraining, in tokens.
        original_max_position_embeddings: usize,
        /// Multiplies the rotated queries and keys.
        attention_factor: f64,
        /// Whether the ends of the transition are rounded to whole frequencies.
        truncate: bool,
    },
    /// `LongRoPE`: one divisor per frequency, `short` within the original context and `long` beyond it; queries and keys
    /// are multiplied by `attention_factor`.
    LongRope {
        /// Divisors for contexts up to the original one.
        short: Vec<f64>,
        /// Divisors for longer contexts.
        long: Vec<f64>,
        /// The context length of the pretraining, in tokens.
        original_max_position_embeddings: usize,
        /// Multiplies the rotated queries and keys.
        attention_factor: f64,
    },
}

/// Which frequencies a layer's rotary embedding has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeBase {
    /// Those of `rope_theta`, scaled.
    Global,
    /// Those of `rope_local_theta`, for layers with a window.
    Local,
}

/// One value for each rotary base that a model has.
#[derive(Debug, Clone)]
pub(crate) struct PerBase<T> {
    global: T,
    /// `None` if no layer has this base.
    local: Option<T>,
}

impl<T> PerBase<T> {
    /// Makes the values of the bases that the model has.
    pub(crate) fn new(config: &ModelConfig, make: impl Fn(RopeBase) -> T) -> Self {
        let local = config.rope_local_theta.map(|_| make(RopeBase::Local));
        Self {
            global: make(RopeBase::Global),
            local,
        }
    }

    /// Makes one value of each of these.
    pub(crate) fn map<U>(&self, make: impl Fn(&T) -> U) -> PerBase<U> {
        PerBase {
            global: make(&self.global),
            local: self.local.as_ref().map(&make),
        }
    }

    /// The value of a base.
    pub(crate) fn of(&self, base: RopeBase) -> &T {
        match (base, &self.local) {
            (RopeBase::Local, Some(local)) => local,
            (RopeBase::Global, _) | (RopeBase::Local, None) => &self.global,
        }
    }
}

/// `YaRN`'s factor of queries and keys for a divisor of the frequencies.
///
/// # Source
/// Peng et al. 2023, arXiv:2309.00071, section 3.4.
pub(crate) fn yarn_attention_factor(factor: f64, weight: f64) -> f64 {
    if factor <= 1.0 {
        1.0
    } else {
        0.1 * weight * factor.ln() + 1.0
    }
}

/// `LongRoPE`'s factor of queries and keys for a context `ratio` times the original one.
///
/// # Source
/// Ding et al. 2024, arXiv:2402.13753; the formula as in the configuration of Phi-3.
pub(crate) fn long_rope_attention_factor(ratio: f64, original: usize) -> f64 {
    if ratio <= 1.0 {
        1.0
    } else {
        (1.0 + ratio.ln() / (original as f64).ln()).sqrt()
    }
}

impl ModelConfig {
    /// The rotary frequencies of a base with their scaling, in radians per token.
    ///
    /// Computed in double precision and rounded once, so they differ by at most one unit in the last place from
    /// transformers, which computes them in single precision.
    ///
    /// # Shapes
    /// - returns `[rotary_dim / 2]`; frequency `i` rotates the elements `i` and `i + rotary_dim / 2` of a head
    /// # Source
    /// Su et al. 2021, arXiv:2104.09864; Llama 3.1's scaling: Grattafiori et al. 2024, arXiv:2407.21783; `YaRN`: Peng et
    /// al. 2023, arXiv:2309.00071; `LongRoPE`: Ding et al. 2024, arXiv:2402.13753.
    pub fn inv_freq(&self, base: RopeBase) -> Vec<f32> {
        let (theta, scaling) = match base {
            RopeBase::Global => (self.rope_theta, self.rope_scaling.as_ref()),
            RopeBase::Local => (self.rope_local_theta.unwrap_or(self.rope_theta), None),
        };
        (0..self.rotary_dim / 2)
            .map(|pair| {
                let exponent = (2 * pair) as f64 / self.rotary_dim as f64;
                let plain = theta.powf(exponent).recip();
                self.scaled_frequency(scaling, pair, plain) as f32
            })
            .collect()
    }

    /// The factor of cosines and sines of a base, and so of rotated queries and keys.
    pub(crate) fn rotary_magnitude(&self, base: RopeBase) -> f64 {
        match (base, &self.rope_scaling) {
            (
                RopeBase::Global,
                Some(
                    RopeScaling::Yarn {
                        attention_factor, ..
                    }
                    | RopeScaling::LongRope {
                        attention_factor, ..
                    },
                ),
            ) => *attention_factor,
            _ => 1.0,
        }
    }

    fn scaled_frequency(&self, scaling: Option<&RopeScaling>, pair: usize, plain: f64) -> f64 {
        match scaling {
            None => plain,
            Some(RopeScaling::Linear { factor }) => plain / factor,
            Some(RopeScaling::Divisors(divisors)) => plain / f64::from(divisors[pair]),
            Some(RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            }) => {
                // Decided by the number of full turns within the pretraining context.
                let turns = *original_max_position_embeddings as f64 * plain / TAU;
                let kept = ((turns - low_freq_factor) / (high_freq_factor - low_freq_factor))
                    .clamp(0.0, 1.0);
                kept * plain + (1.0 - kept) * plain / factor
            }
            Some(RopeScaling::Yarn {
                factor,
                beta_fast,
                beta_slow,
                original_max_position_embeddings,
                truncate,
                ..
            }) => {
                let original = *original_max_position_embeddings as f64;
                let dim = self.rotary_dim as f64;
                // The index of the frequency that makes this number of turns within the pretraining context.
                let index = |turns: f64| {
                    dim * (original / (turns * TAU)).ln() / (2.0 * self.rope_theta.ln())
                };
                let (mut low, mut high) = (index(*beta_fast), index(*beta_slow));
                if *truncate {
                    (low, high) = (low.floor(), high.ceil());
                }
                let (low, mut high) = (low.max(0.0), high.min(dim - 1.0));
                if low.total_cmp(&high).is_eq() {
                    high += 0.001;
                }
                let divided = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
                divided * plain / factor + (1.0 - divided) * plain
            }
            Some(RopeScaling::LongRope { short, long, .. }) => {
                let divisors = if self.long_context { long } else { short };
                plain / divisors[pair]
            }
        }
    }

    pub(super) fn check_rope(&self) -> Result<(), ConfigError> {
        let thetas = [Some(self.rope_theta), self.rope_local_theta];
        for theta in thetas.into_iter().flatten() {
            if !(theta >= 1.0 && theta.is_finite()) {
                return Err(value_error("rope_theta", theta, "at least 1"));
            }
        }
        if self.rotary_dim < 2
            || !self.rotary_dim.is_multiple_of(2)
            || self.rotary_dim > self.head_dim
        {
            let expected = format!("an even number of elements, at most {}", self.head_dim);
            return Err(value_error(
                "partial_rotary_factor",
                self.rotary_dim,
                expected,
            ));
        }
        let divisor = |found: f64| {
            if found.is_finite() && found > 0.0 {
                Ok(())
            } else {
                Err(value_error("rope_scaling", found, "positive factors"))
            }
        };
        let count = |key, found: usize| {
            let pairs = self.rotary_dim / 2;
            if found == pairs {
                return Ok(());
            }
            let expected = format!("{pairs} factors, one for each pair of rotated elements");
            Err(value_error(key, found, expected))
        };
        let original = |found: usize| {
            if (2..=1 << 27).contains(&found) {
                return Ok(());
            }
            let key = "original_max_position_embeddings";
            Err(value_error(key, found, "2 to 134217728"))
        };
        match &self.rope_scaling {
            None => Ok(()),
            Some(RopeScaling::Linear { factor }) => divisor(*factor),
            Some(RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            }) => {
                divisor(*factor)?;
                divisor(*low_freq_factor)?;
                divisor(*original_max_position_embeddings as f64)?;
                if high_freq_factor > low_freq_factor && high_freq_factor.is_finite() {
                    Ok(())
                } else {
                    Err(value_error(
                        "high_freq_factor",
                        high_freq_factor,
                        format!("more than low_freq_factor, {low_freq_factor}"),
                    ))
                }
            }
            Some(RopeScaling::Divisors(divisors)) => {
                count("rope_freqs.weight", divisors.len())?;
                divisors.iter().try_for_each(|&d| divisor(f64::from(d)))
            }
            Some(RopeScaling::Yarn {
                factor,
                beta_fast,
                beta_slow,
                original_max_position_embeddings,
                attention_factor,
                ..
            }) => {
                for found in [*factor, *beta_fast, *beta_slow, *attention_factor] {
                    divisor(found)?;
                }
                original(*original_max_position_embeddings)?;
                if self.rope_theta <= 1.0 {
                    return Err(value_error("rope_theta", self.rope_theta, "more than 1"));
                }
                if beta_fast >= beta_slow {
                    Ok(())
                } else {
                    let expected = format!("at least beta_slow, {beta_slow}");
                    Err(value_error("beta_fast", beta_fast, expected))
                }
            }
            Some(RopeScaling::LongRope {
                short,
                long,
                original_max_position_embeddings,
                attention_factor,
            }) => {
                count("short_factor", short.len())?;
                count("long_factor", long.len())?;
                original(*original_max_position_embeddings)?;
                divisor(*attention_factor)?;
                short.iter().chain(long).try_for_each(|&d| divisor(d))
            }
        }
    }
}

pub(crate) fn unsupported_rope(kind: &str) -> ConfigError {
    ConfigError::Unsupported {
        key: "rope_scaling",
        found: kind.to_owned(),
        supported: "default, linear, llama3, yarn and longrope",
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::tests::tiny;
    use super::*;

    #[test]
    fn llama3_scaling_keeps_high_frequencies_and_divides_low_ones() {
        // Llama 3.2 1B's settings; the divisors are those that its GGUF conversion stores.
        let config = tiny(
            r#"{"head_dim": 64, "rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 32,
            "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}}"#,
        )
        .expect("valid");
        let plain = ModelConfig {
            rope_scaling: None,
            ..config.clone()
        }
        .inv_freq(RopeBase::Global);
        let scaled = config.inv_freq(RopeBase::Global);
        assert_eq!(plain[0].to_bits(), 1f32.to_bits());
        assert_eq!(scaled[0].to_bits(), plain[0].to_bits());
        let divisor = plain[31] / scaled[31];
        assert!((divisor - 32.0).abs() < 1e-4, "{divisor}");
        assert!(scaled.windows(2).all(|pair| pair[1] < pair[0]));
        let divisors: Vec<f32> = plain.iter().zip(&scaled).map(|(p, s)| p / s).collect();
        let by_divisors = ModelConfig {
            rope_scaling: Some(RopeScaling::Divisors(divisors)),
            ..config
        };
        by_divisors.check().expect("valid");
        for (a, b) in by_divisors.inv_freq(RopeBase::Global).iter().zip(&scaled) {
            assert!((a / b - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn longrope_divides_by_the_factors_of_the_context() {
        let config = tiny(
            r#"{"model_type": "phi3", "original_max_position_embeddings": 32, "rope_scaling": {"type": "longrope",
            "short_factor": [1, 1, 1, 2], "long_factor": [1, 2, 4, 8]}}"#,
        )
        .expect("valid");
        let plain = ModelConfig {
            rope_scaling: None,
            ..config.clone()
        };
        let long = ModelConfig {
            long_context: true,
            ..config.clone()
        };
        let plain = plain.inv_freq(RopeBase::Global);
        let ratio = |config: &ModelConfig| -> Vec<f32> {
            let scaled = config.inv_freq(RopeBase::Global);
            plain
                .iter()
                .zip(&scaled)
                .map(|(a, b)| (a / b).round())
                .collect()
        };
        assert_eq!(ratio(&config), [1.0, 1.0, 1.0, 2.0]);
        assert_eq!(ratio(&long), [1.0, 2.0, 4.0, 8.0]);
        assert_eq!((config.context_length(), long.context_length()), (32, 128));
        // A context four times the original one.
        let expected = (1.0 + 4f64.ln() / 32f64.ln()).sqrt();
        assert!((config.rotary_magnitude(RopeBase::Global) - expected).abs() < 1e-12);
    }
}
