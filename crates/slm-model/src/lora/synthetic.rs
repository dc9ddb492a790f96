//! Adapters with random values in A and B, for measurements.

use burn::tensor::Device;

use super::{Adapter, LayerAdapter, LowRank, SavedModules, module_index, parameter, parameter_id};
use crate::config::ModelConfig;
use crate::synthetic::Stream;

impl Adapter {
    /// Plain LoRA of rank `r` on every linear layer, of scale 2, with drawn values in A and B: unlike a fresh adapter it
    /// changes the model, and every one of its gradients is there.
    pub fn synthetic(config: &ModelConfig, r: usize, seed: u64, device: &Device) -> Self {
        let layers = (0..config.num_hidden_layers).map(|layer| {
            let made = LayerAdapter::build::<std::convert::Infallible>(|target| {
                let (out_features, in_features) = target.shape(config);
                let index = module_index(layer, target);
                let part = |shape: [usize; 2], deviation: f32, part| {
                    let name = format!("lora.{index}.{part}");
                    let stream = Stream::new(seed, &name);
                    let values = (0..shape[0] * shape[1])
                        .map(|i| stream.normal(i, deviation))
                        .collect();
                    parameter(values, shape, parameter_id(index, part), device)
                };
                let a = part([r, in_features], (in_features as f32).sqrt().recip(), 0);
                let b = part([out_features, r], 0.1 / (r as f32).sqrt(), 1);
                Ok(Some(LowRank::new(a, b, None, 2.0)))
            });
            match made {
                Ok(layer) => layer,
            }
        });
        Self {
            layers: layers.collect(),
            modules_to_save: SavedModules::build(|_| None),
            noise: None,
        }
    }
}
