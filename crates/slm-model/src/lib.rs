//! The small language model: a frozen decoder of one of the families in [`Family::ALL`], LoRA adapters,
//! weight files, tokenizer and generation.
//!
//! The crate does not depend on recipes, benchmarks or a terminal. [`Weights`] reads the files on disk, [`Decoder`]
//! computes. An [`Adapter`] is passed to each call, so that the base model and all its adapters share one copy of
//! the weights.

mod adapter;
mod attention;
mod autograd;
#[doc(hidden)]
pub mod bench;
mod chat;
mod config;
mod decoder;
mod device;
mod engine;
mod family;
mod feed_forward;
mod frozen;
mod generation;
mod gguf;
mod gradient_checkpointing;
mod head;
mod kernel;
mod kv_cache;
mod likelihood;
mod linear;
mod lora;
pub mod loss;
mod merge;
#[cfg(test)]
mod mutants;
pub mod preference;
mod rotary;
mod runtime;
mod safetensors;
mod sampling;
mod shape;
mod simd;
pub mod source;
mod synthetic;
mod target;
mod tokenizer;
mod weight_file;
mod weights;

pub use adapter::{AdapterError, AdapterOrigin, LoadedAdapter};
pub use chat::{
    CODE_STOP, ChatError, ChatTemplate, CodeRequest, Message, OwnedTokens, Role, TokenOwner,
};
pub use config::{ConfigError, ModelConfig, RopeScaling};
pub use decoder::Decoder;
pub use device::{DeviceChoice, DeviceError, memory_bytes};
pub use engine::{Engine, EngineAdapter, EngineCache};
pub use family::Family;
pub use frozen::WeightFormat;
pub use generation::{
    Client, Completion, Finish, Generation, GenerationError, GenerationEvent, Request,
};
pub use head::Head;
pub use kernel::keep_freed_memory;
pub use kv_cache::KvCache;
pub use lora::{Adapter, Init, LayerAdapter, LoraSettings, LowRank, Noise, SavedModule};
pub use merge::{MergeError, WeightType, write_merged, write_merged_gguf};
pub use runtime::{Runtime, RuntimeAdapter, RuntimeCache};
pub use sampling::Sampling;
pub use shape::{NamedShape, UnknownShape};
pub use synthetic::{SyntheticType, UnknownType};
pub use target::{PathPattern, PatternError, Target, Targets};
pub use tokenizer::{DecodeStream, Tokenizer, TokenizerError};
pub use weight_file::HostTensor;
pub use weights::{Weights, WeightsError};
