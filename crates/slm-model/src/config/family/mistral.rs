//! Mistral 7B and small models derived from it.

use super::llama::LLAMA;
use super::{AttentionBias, Family};

/// As Llama, with a window on every layer unless `sliding_window` is null. GGUF files are of the architecture `llama`.
///
/// # Source
/// `MistralConfig` of <https://github.com/huggingface/transformers>, whose default window is 4,096 tokens.
pub(super) const MISTRAL: Family = Family {
    model_type: "mistral",
    class: "MistralForCausalLM",
    attention_bias: AttentionBias::Never,
    reads_mlp_bias: false,
    read_json: |raw, config| {
        let window = raw.window_or(4096);
        raw.set_windows(config, window, |_| true)
    },
    ..LLAMA
};
