//! Adapters with random values in A and B, for benchmarks.

use burn::tensor::Device;

use super::{
    Adapter, LayerAdapter, LowRank, SavedModules, Vocabulary, module_index, parameter, parameter_id,
};
use crate::config::ModelConfig;
use crate::synthetic::Stream;

impl Adapter {
    /// Creates a plain LoRA of rank `r` and scale 2 on every linear layer, with random A and B: unlike a newly
    /// initialized adapter it changes the model's output, and none of its gradients is zero.
    pub fn synthetic(config: &ModelConfig, r: usize, seed: u64, device: &Device) -> Self {
        let layers = (0..config.num_hidden_layers).map(|layer| {
            let made =
                LayerAdapter::build::<std::convert::Infallible>(config.targets(), |target| {
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
            vocabulary: Vocabulary::none(),
            noise: None,
        }
    }
}
