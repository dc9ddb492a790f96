//! PEFT's `modules_to_save`: the embedding and the head, trained in full.

use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;

use super::pair::{on_host, parameter};
use crate::config::ModelConfig;
use crate::weight_file::HostTensor;

/// A module that can be trained in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedModule {
    /// The token embedding.
    EmbedTokens,
    /// The output projection.
    LmHead,
}

impl SavedModule {
    /// Both, in the order of a forward pass.
    pub const ALL: [Self; 2] = [Self::EmbedTokens, Self::LmHead];

    /// The name in PEFT's `modules_to_save`.
    pub fn name(self) -> &'static str {
        match self {
            Self::EmbedTokens => "embed_tokens",
            Self::LmHead => "lm_head",
        }
    }

    /// Returns the module with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|module| module.name() == name)
    }

    /// The path in a model.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::EmbedTokens => "model.embed_tokens",
            Self::LmHead => "lm_head",
        }
    }

    /// The tensor's name in a base model.
    pub(crate) fn tensor_name(self) -> &'static str {
        match self {
            Self::EmbedTokens => "model.embed_tokens.weight",
            Self::LmHead => "lm_head.weight",
        }
    }

    /// The name of the tensor in a base model that holds the module's weight: the embedding's for a tied head.
    pub(crate) fn base_tensor(self, config: &ModelConfig) -> &'static str {
        if config.tie_word_embeddings {
            Self::EmbedTokens.tensor_name()
        } else {
            self.tensor_name()
        }
    }

    /// The weight's shape, `[vocab_size, hidden_size]`.
    pub(crate) fn shape(self, config: &ModelConfig) -> [usize; 2] {
        match self {
            Self::EmbedTokens | Self::LmHead => [config.vocab_size, config.hidden_size],
        }
    }

    /// Id of the parameter, above those of all pairs.
    pub(crate) fn parameter_id(self) -> ParamId {
        ParamId::from((1 << 40) + self as u64)
    }

    /// Id of part `part` of its changes (A: 0, B: 1, rows of tokens: 2), above those of the whole weights.
    pub(crate) fn part_id(self, part: u64) -> ParamId {
        ParamId::from((1 << 41) + 4 * self as u64 + part)
    }
}

/// The weights of the modules that are trained in full.
#[derive(Module, Debug)]
pub(crate) struct SavedModules {
    embed_tokens: Option<Param<Tensor<2>>>,
    lm_head: Option<Param<Tensor<2>>>,
}

impl SavedModules {
    /// Builds the set from the modules for which `make` returns a weight.
    pub(crate) fn build(mut make: impl FnMut(SavedModule) -> Option<Param<Tensor<2>>>) -> Self {
        Self {
            embed_tokens: make(SavedModule::EmbedTokens),
            lm_head: make(SavedModule::LmHead),
        }
    }

    /// Returns the trained weight of a module.
    pub(crate) fn get(&self, module: SavedModule) -> Option<&Param<Tensor<2>>> {
        match module {
            SavedModule::EmbedTokens => self.embed_tokens.as_ref(),
            SavedModule::LmHead => self.lm_head.as_ref(),
        }
    }

    /// The trained modules and their weights.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SavedModule, &Param<Tensor<2>>)> {
        let all = SavedModule::ALL.into_iter();
        all.filter_map(|module| Some((module, self.get(module)?)))
    }

    /// Copies a module's weight to the host.
    pub(crate) fn host(&self, module: SavedModule) -> Option<HostTensor> {
        Some(on_host(self.get(module)?.val()))
    }
}

/// Returns a trainable copy of a frozen weight.
pub(super) fn trained_copy(
    module: SavedModule,
    weight: Tensor<2>,
    device: &burn::tensor::Device,
) -> Param<Tensor<2>> {
    let HostTensor { shape, values } = on_host(weight);
    parameter(values, [shape[0], shape[1]], module.parameter_id(), device)
}
