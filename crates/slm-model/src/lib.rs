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
mod concatenate;
mod config;
mod decoder;
mod device;
mod engine;
mod feed_forward;
mod forward_pass;
mod forward_shapes;
mod frozen;
mod fused;
mod generation;
mod gguf;
#[cfg(all(test, feature = "cube-cpu"))]
mod gpu_tests;
mod gradient_checkpointing;
mod head;
mod kernel;
mod kernel_check;
mod kv_cache;
mod launches;
mod layer;
#[cfg(test)]
mod layer_tests;
mod likelihood;
mod linear;
mod log_probability;
mod lora;
pub mod loss;
mod merge;
#[cfg(test)]
mod mutants;
mod norm;
pub mod preference;
mod rotary;
mod runtime;
mod safetensors;
mod sampling;
mod shape;
mod simd;
pub mod source;
mod statement;
mod synthetic;
mod target;
mod tokenizer;
mod weight_file;
mod weights;

/// `CubeCL`, for tests that count the launches of kernels.
#[cfg(feature = "cube")]
#[doc(hidden)]
pub use cubecl;

pub use adapter::{AdapterError, AdapterOrigin, AdapterSettings, LoadedAdapter};
pub use chat::thinking::thought_in;
pub use chat::{
    CODE_STOP, Chat, ChatError, ChatTemplate, CodeRequest, Message, OwnedTokens, Role, Thinking,
    TokenOwner,
};
pub use concatenate::concatenated;
pub use config::{
    Activation, Biases, ConfigError, Family, LayerKind, ModelConfig, Multipliers, RopeBase,
    RopeScaling,
};
pub use decoder::Decoder;
pub use device::{
    DeviceChoice, DeviceError, DeviceMemory, NvidiaGpu, OLDEST_DRIVER, compute_capability,
    computes_in_bf16, device_memory, keep_kernels, memory_bytes, nvidia_gpu, nvidia_smi_hangs,
    set_visible_gpus,
};
pub use engine::{Engine, EngineAdapter, EngineCache};
pub use frozen::WeightFormat;
pub use fused::{Kernel, KernelState, Kernels};
pub use generation::{
    Client, Completion, Finish, Generation, GenerationError, GenerationEvent, Request,
};
pub use head::Head;
pub use kernel::keep_freed_memory;
#[cfg(feature = "cube-cpu")]
#[doc(hidden)]
pub use kernel_check::break_kernel;
pub use kv_cache::KvCache;
#[doc(hidden)]
pub use launches::{LAUNCHES, Launches};
pub use log_probability::{Asked, LogProbability};
pub use lora::{
    Adapter, Init, LayerAdapter, LayersToTransform, LoraSettings, LowRank, Noise, Restrictions,
    SavedModule,
};
pub use merge::{GgufType, MergeError, NewGguf, WeightType, write_merged, write_merged_gguf};
pub use runtime::{Runtime, RuntimeAdapter, RuntimeCache};
pub use sampling::Sampling;
pub use shape::{NamedShape, UnknownShape};
pub use synthetic::{SyntheticType, UnknownType};
pub use target::{PathPattern, PatternError, Target, Targets};
pub use tokenizer::{DecodeStream, Tokenizer, TokenizerError};
pub use weight_file::HostTensor;
pub use weights::{Weights, WeightsError};
