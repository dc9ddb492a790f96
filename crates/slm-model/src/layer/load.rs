//! Reads the weights of a decoder layer.

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::{Layer, LayerNorms, Norm};
use crate::attention::{Attention, Projections};
use crate::config::{FeedForwardForm, Heads, K_NORM, ModelConfig, NormKind, Q_NORM, Target};
use crate::feed_forward::{FeedForward, FeedForwardLinears};
use crate::frozen::{FrozenWeight, WeightFormat, computed_in};
use crate::linear::FrozenLinear;
use crate::weights::{Weights, WeightsError};

/// Reads tensors of a model onto a device.
pub(crate) struct Loader<'a> {
    pub(crate) weights: &'a Weights,
    pub(crate) format: WeightFormat,
    pub(crate) device: &'a Device,
}

impl Loader<'_> {
    fn config(&self) -> &ModelConfig {
        self.weights.config()
    }

    /// Reads a matrix by Hugging Face's name.
    ///
    /// # Errors
    /// Those of [`Weights::tensor`].
    pub(crate) fn matrix(&self, name: &str) -> Result<FrozenWeight, WeightsError> {
        FrozenWeight::load(self.weights, name, self.format, self.device)
    }

    fn vector(&self, name: &str) -> Result<Tensor<1>, WeightsError> {
        let tensor = self.weights.tensor(name)?;
        let data = TensorData::new(tensor.values, tensor.shape);
        Ok(Tensor::from_data(data, self.device))
    }

    /// Reads the weight of an `RMSNorm` as it is multiplied.
    fn rms_weight(&self, name: &str) -> Result<Tensor<1>, WeightsError> {
        let weight = self.vector(&format!("{name}.weight"))?;
        Ok(match self.config().family.norm {
            NormKind::RmsFromOne => weight + 1.0,
            NormKind::Rms | NormKind::Layer => weight,
        })
    }

    /// Reads a norm by the name of its module.
    fn norm(&self, name: &str) -> Result<Norm, WeightsError> {
        Ok(match self.config().family.norm {
            NormKind::Rms | NormKind::RmsFromOne => Norm::Rms(self.rms_weight(name)?),
            NormKind::Layer => Norm::Layer {
                weight: self.vector(&format!("{name}.weight"))?,
                bias: self.vector(&format!("{name}.bias"))?,
            },
        })
    }

    /// Reads the norm after the last layer, which also divides the logits: the head is linear.
    ///
    /// # Errors
    /// Those of [`Weights::tensor`].
    pub(crate) fn final_norm(&self) -> Result<Norm, WeightsError> {
        let norm = self.norm("model.norm")?;
        let factor = self.config().multipliers.logits_divisor.recip() as f32;
        if factor.to_bits() == 1f32.to_bits() {
            return Ok(norm);
        }
        Ok(match norm {
            Norm::Rms(weight) => Norm::Rms(weight * factor),
            Norm::Layer { weight, bias } => Norm::Layer {
                weight: weight * factor,
                bias: bias * factor,
            },
        })
    }

    /// Reads a decoder layer.
    ///
    /// # Errors
    /// Those of [`Weights::tensor`].
    pub(crate) fn layer(&self, index: usize) -> Result<Layer, WeightsError> {
        let config = self.config();
        let kind: DType = computed_in(self.format, self.device);
        let linear = |target: Target| -> Result<FrozenLinear, WeightsError> {
            let module = format!("model.{}", target.module_path(index));
            let bias = if target.has_bias(config) {
                Some(self.vector(&format!("{module}.bias"))?.cast(kind))
            } else {
                None
            };
            Ok(FrozenLinear {
                weight: self.matrix(&format!("{module}.weight"))?,
                bias,
            })
        };
        let named = |target| Ok::<_, WeightsError>((target, linear(target)?));
        let path = |name: &str| format!("model.layers.{index}.{name}");
        let norm = |name: Option<&str>| name.map(|name| self.norm(&path(name))).transpose();
        let names = config.family.norms;
        let projections = match config.targets() {
            [Target::QkvProj, ..] => Projections::Fused(Box::new(linear(Target::QkvProj)?)),
            _ => Projections::Separate(Box::new([
                linear(Target::QProj)?,
                linear(Target::KProj)?,
                linear(Target::VProj)?,
            ])),
        };
        let linears = match config.family.feed_forward() {
            FeedForwardForm::Gated { gate, up, down } => {
                FeedForwardLinears::Gated(Box::new([named(gate)?, named(up)?, named(down)?]))
            }
            FeedForwardForm::FusedGated { gate_up, down } => {
                FeedForwardLinears::FusedGated(Box::new([named(gate_up)?, named(down)?]))
            }
            FeedForwardForm::Plain { up, down } => {
                FeedForwardLinears::Plain(Box::new([named(up)?, named(down)?]))
            }
        };
        let qk_norms = match config.qk_norm_widths() {
            Some(_) => Some([
                self.rms_weight(&path(Q_NORM))?,
                self.rms_weight(&path(K_NORM))?,
            ]),
            None => None,
        };
        Ok(Layer {
            norms: LayerNorms {
                before_attention: norm(names.before_attention)?,
                after_attention: norm(names.after_attention)?,
                before_feed_forward: norm(names.before_feed_forward)?,
                after_feed_forward: norm(names.after_feed_forward)?,
            },
            attention: Attention {
                projections,
                o_proj: linear(Target::OProj)?,
                qk_norms,
                heads: Heads::of(config),
                kind: config.layer_kind(index),
                scale: config.query_scale(),
            },
            feed_forward: FeedForward {
                linears,
                activation: config.activation,
            },
        })
    }
}
