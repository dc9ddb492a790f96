//! An adapter in the engine's memory layout.

use super::linear::Linear;
use super::matrix::Matrix;
use super::pair::{LayerPairs, Pair};
use crate::lora::{Adapter, LowRank, SavedModule};
use crate::target::Target;
use crate::weights::{Weights, WeightsError};

/// An adapter for an [`Engine`](super::Engine).
#[derive(Debug)]
pub struct EngineAdapter {
    pub(crate) layers: Vec<LayerPairs>,
    /// Replaces the base model's, if the adapter changes it.
    pub(crate) embedding: Option<Linear>,
    /// Replaces the base model's, if the adapter changes it.
    pub(crate) head: Option<Linear>,
}

impl EngineAdapter {
    /// Converts an adapter; `weights` are those of its base model, whose row norms `DoRA` needs.
    ///
    /// # Errors
    /// A weight of the base model cannot be read.
    pub fn new(adapter: &Adapter, weights: &Weights) -> Result<Self, WeightsError> {
        let layers = 0..weights.config().num_hidden_layers;
        let layers = layers.map(|index| {
            let mut pairs = Vec::new();
            for &target in weights.config().targets() {
                if let Some(pair) = adapter.layer(index).pair(target) {
                    let factors = factors(pair, weights, target, index)?;
                    pairs.push((target, Pair::new(pair, factors)));
                }
            }
            Ok(LayerPairs(pairs))
        });
        let own = |module: SavedModule| -> Result<Option<Linear>, WeightsError> {
            let weight = match adapter.modules_to_save.host(module) {
                Some(whole) => Some(whole),
                None => adapter.vocabulary.host(module, || {
                    weights.tensor(module.base_tensor(weights.config()))
                })?,
            };
            Ok(weight.map(|weight| Linear {
                weight: Matrix::from_values(&weight.values, weight.shape[1]),
                bias: None,
            }))
        };
        Ok(Self {
            layers: layers.collect::<Result<_, WeightsError>>()?,
            embedding: own(SavedModule::EmbedTokens)?,
            head: own(SavedModule::LmHead)?,
        })
    }
}

/// Magnitude divided by norm for each row of the adapted weight.
fn factors(
    pair: &LowRank,
    weights: &Weights,
    target: Target,
    layer: usize,
) -> Result<Option<Vec<f32>>, WeightsError> {
    if pair.lora_magnitude_vector().is_none() {
        return Ok(None);
    }
    let name = format!("model.{}.weight", target.module_path(layer));
    let weight = weights.tensor(&name)?;
    Ok(pair.host_factors(&weight))
}
