//! LoRA: low-rank pairs added to the frozen linear layers, from initialization to the forward pass.

mod dora;
mod dropout;
mod modules_to_save;
mod pair;
mod pissa;
mod restrictions;
mod settings;
mod synthetic;
mod vocabulary;

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::config::ModelConfig;
use crate::frozen::FrozenWeight;
use crate::fused::Kernels;
use crate::target::Target;
use crate::weight_file::HostTensor;
use dora::weight_norms;
use dropout::Dropout;
use modules_to_save::trained_copy;
use pair::Start;
use pissa::pissa_init;

pub(crate) use dora::Magnitude;
pub use dropout::Noise;
#[cfg(feature = "cube")]
pub(crate) use dropout::host_mask;
pub use modules_to_save::SavedModule;
pub(crate) use modules_to_save::SavedModules;
pub use pair::LowRank;
pub(crate) use pair::{module_index, on_host, parameter, parameter_id};
pub use restrictions::{LayersToTransform, Restrictions};
pub use settings::{Init, LoraSettings};
pub(crate) use settings::{Patterns, Shapes, pair_shapes};
pub(crate) use vocabulary::{TokenRows, Vocabulary, VocabularyPair, VocabularyUpdate};

/// The LoRA pairs of one decoder layer.
#[derive(Module, Debug)]
pub struct LayerAdapter {
    /// By [`Target`]; `None` for a linear layer without a pair, and for those that the family does not have.
    pairs: Vec<Option<LowRank>>,
}

impl LayerAdapter {
    /// Returns the LoRA pair of `target`, if there is one.
    pub fn pair(&self, target: Target) -> Option<&LowRank> {
        self.pairs.get(target as usize)?.as_ref()
    }

    /// As [`Self::pair`], mutably.
    fn pair_mut(&mut self, target: Target) -> Option<&mut LowRank> {
        self.pairs.get_mut(target as usize)?.as_mut()
    }

    /// Removes a pair.
    #[cfg(test)]
    pub(crate) fn remove(&mut self, target: Target) {
        self.pairs[target as usize] = None;
    }

    /// The tensors of all parameters, pair by pair.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = Tensor<2>> {
        let pairs = self.pairs.iter().flatten();
        pairs.flat_map(LowRank::tensors)
    }

    /// Returns the same pairs with other tensors, given in the order of [`Self::tensors`].
    pub(crate) fn over(&self, tensors: impl IntoIterator<Item = Tensor<2>>) -> Self {
        let mut tensors = tensors.into_iter();
        let mut over = |pair: &LowRank| pair.over(&mut tensors);
        let pairs = self.pairs.iter();
        Self {
            pairs: pairs.map(|pair| pair.as_ref().map(&mut over)).collect(),
        }
    }

    /// Builds a layer by calling `make` for each of the family's linear layers.
    pub(crate) fn build<E>(
        targets: &[Target],
        mut make: impl FnMut(Target) -> Result<Option<LowRank>, E>,
    ) -> Result<Self, E> {
        let mut pairs = vec![None; Target::ALL.len()];
        for &target in targets {
            pairs[target as usize] = make(target)?;
        }
        Ok(Self { pairs })
    }
}

/// A whole adapter: one [`LayerAdapter`] for each decoder layer.
#[derive(Module, Debug)]
pub struct Adapter {
    pub(crate) layers: Vec<LayerAdapter>,
    /// Modules trained in full (PEFT's `modules_to_save`).
    pub(crate) modules_to_save: SavedModules,
    /// Other changes of the embedding and the head.
    pub(crate) vocabulary: Vocabulary,
    /// Settings of dropout and `NEFTune` for one forward pass of training.
    #[module(skip)]
    pub(crate) noise: Option<Noise>,
}

impl Adapter {
    /// Initializes a new adapter that leaves the base model's output unchanged.
    ///
    /// By default A is uniform in ±1/sqrt(in) and B zero, as in PEFT; magnitudes start as the norms of the weight's
    /// rows.
    /// `device` decides whether the parameters can be trained (an autodiff device) or only used.
    ///
    /// `weight` and `saved_module` return the base model's frozen weights. The settings must have passed
    /// [`LoraSettings::check`].
    pub(crate) fn init<'a>(
        settings: &LoraSettings,
        config: &ModelConfig,
        weight: impl Fn(usize, Target) -> &'a FrozenWeight,
        saved_module: impl Fn(SavedModule) -> &'a FrozenWeight,
        seed: u64,
        device: &Device,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let shapes = settings.shapes();
        let layers = (0..config.num_hidden_layers)
            .map(|layer| {
                let made =
                    LayerAdapter::build::<std::convert::Infallible>(config.targets(), |target| {
                        let module = target.module_path(layer);
                        if !settings.adapts(&module) {
                            return Ok(None);
                        }
                        let (r, scale) = shapes.rank_and_scale(&module);
                        let (out_features, in_features) = target.shape(config);
                        let index = module_index(layer, target);
                        let weight = weight(layer, target);
                        let (a, b) = match settings.init {
                            Init::Uniform => {
                                let bound = 1.0 / (in_features as f32).sqrt();
                                let draw = |_| rng.random_range(-bound..bound);
                                let a = (0..r * in_features).map(draw).collect();
                                (a, vec![0.0; out_features * r])
                            }
                            Init::Pissa => {
                                let (a, b) = pissa_init(&weight.dense(), r, scale, seed ^ index);
                                (a.values, b.values)
                            }
                        };
                        let part = |values, shape, part| {
                            parameter(values, shape, parameter_id(index, part), device)
                        };
                        let magnitude = settings.use_dora.then(|| {
                            let HostTensor { shape, values } = on_host(weight_norms(weight));
                            Magnitude::new(part(values, [shape[0], shape[1]], 2))
                        });
                        let (a, b) = (part(a, [r, in_features], 0), part(b, [out_features, r], 1));
                        let start = (settings.init == Init::Pissa).then(|| Start {
                            a: a.val().inner(),
                            b: b.val().inner(),
                        });
                        Ok(Some(LowRank {
                            start,
                            ..LowRank::new(a, b, magnitude, scale)
                        }))
                    });
                match made {
                    Ok(layer) => layer,
                }
            })
            .collect();
        let modules_to_save = SavedModules::build(|module| {
            let weight = saved_module(module);
            let chosen = settings.modules_to_save.contains(&module);
            chosen.then(|| trained_copy(module, weight.dense(), device))
        });
        Self {
            layers,
            modules_to_save,
            vocabulary: Vocabulary::none(),
            noise: None,
        }
    }

    /// Restores the training form of an adapter that was loaded from a checkpoint.
    ///
    /// Only `PiSSA` pairs differ from those in the file: the ranks that subtract their initial values are split off.
    #[must_use]
    pub fn resumed(self, settings: &LoraSettings, device: &Device) -> Self {
        if settings.init == Init::Uniform {
            return self;
        }
        let shapes = settings.shapes();
        let layers = self.layers.iter().enumerate().map(|(layer, pairs)| {
            let made = LayerAdapter::build::<std::convert::Infallible>(&Target::ALL, |target| {
                let (_, scale) = shapes.rank_and_scale(&target.module_path(layer));
                let index = module_index(layer, target);
                let pair = pairs.pair(target);
                Ok(pair.map(|pair| pair.with_start_apart(scale, index, device)))
            });
            match made {
                Ok(layer) => layer,
            }
        });
        Self {
            layers: layers.collect(),
            modules_to_save: self.modules_to_save.clone(),
            vocabulary: self.vocabulary.clone(),
            noise: None,
        }
    }

    /// Returns the same parameters for one forward pass of training, with its dropout and `NEFTune` noise.
    #[must_use]
    pub fn with_noise(&self, noise: Noise) -> Self {
        let mut noisy = self.clone();
        noisy.noise = Some(noise);
        if noise.lora_dropout > 0.0 {
            for (layer, pairs) in noisy.layers.iter_mut().enumerate() {
                for target in Target::ALL {
                    if let Some(pair) = pairs.pair_mut(target) {
                        let index = module_index(layer, target);
                        let kernels = Kernels::default();
                        pair.dropout = Some(Dropout {
                            noise,
                            index,
                            kernels,
                        });
                    }
                }
            }
        }
        noisy
    }

    /// Returns the same adapter for a decoder with these kernels, with which dropout is drawn.
    #[must_use]
    pub(crate) fn with_kernels(&self, kernels: &Kernels) -> Self {
        let mut adapter = self.clone();
        for pairs in &mut adapter.layers {
            for target in Target::ALL {
                let pair = pairs.pair_mut(target);
                if let Some(dropout) = pair.and_then(|pair| pair.dropout.as_mut()) {
                    dropout.kernels = kernels.clone();
                }
            }
        }
        adapter
    }

    /// Returns the pairs of decoder layer `layer`.
    pub fn layer(&self, layer: usize) -> &LayerAdapter {
        &self.layers[layer]
    }

    /// Iterates over all pairs with their decoder layer and target, in the order of a forward pass.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, Target, &LowRank)> {
        self.layers.iter().enumerate().flat_map(|(index, layer)| {
            Target::ALL
                .into_iter()
                .filter_map(move |target| Some((index, target, layer.pair(target)?)))
        })
    }

    /// Whether the adapter is a `DoRA`, i.e. trains magnitudes.
    pub fn is_dora(&self) -> bool {
        self.pairs().any(|(_, _, pair)| pair.magnitude.is_some())
    }

    /// Returns the weight of a module that is trained in full, `[vocab_size, hidden_size]`.
    pub fn saved_module(&self, module: SavedModule) -> Option<Tensor<2>> {
        self.modules_to_save.get(module).map(Param::val)
    }

    /// Returns A and B of the pair of the embedding or the head, with their parameter ids.
    pub fn vocabulary_pair(&self, module: SavedModule) -> Option<[(ParamId, Tensor<2>); 2]> {
        let pair = self.vocabulary.of(module).pair.as_ref()?;
        Some([&pair.lora_a, &pair.lora_b].map(|part| (part.id, part.val())))
    }

    /// Returns the trained rows of single tokens of the embedding or the head, `[n, hidden_size]`, with their parameter id.
    pub fn token_rows(&self, module: SavedModule) -> Option<(ParamId, Tensor<2>)> {
        let rows = &self.vocabulary.of(module).token_rows.as_ref()?.rows;
        Some((rows.id, rows.val()))
    }

    /// Returns the parameter id of a module that is trained in full.
    pub fn saved_module_id(&self, module: SavedModule) -> Option<ParamId> {
        self.modules_to_save.get(module).map(|weight| weight.id)
    }

    /// All parameters, in the order of a forward pass.
    fn parameters(&self) -> impl Iterator<Item = &Param<Tensor<2>>> {
        let pairs = self.pairs().flat_map(|(_, _, pair)| pair.parameters());
        let whole = self.modules_to_save.iter().map(|(_, weight)| weight);
        pairs.chain(whole).chain(self.vocabulary.parameters())
    }

    /// Ids of the parameters, the keys of gradients and optimizer state.
    pub fn parameter_ids(&self) -> impl Iterator<Item = ParamId> {
        self.parameters().map(|parameter| parameter.id)
    }

    /// Whether autodiff tracks the parameters.
    pub(crate) fn is_tracked(&self) -> bool {
        self.parameters()
            .any(|parameter| parameter.val().is_autodiff())
    }

    /// Returns the same values without autodiff, for inference.
    pub fn frozen(&self) -> Self {
        self.valid()
    }

    /// The number of trainable values.
    pub fn num_trainable(&self) -> usize {
        let sizes = self.parameters().map(|p| p.val().shape().num_elements());
        sizes.sum()
    }
}
