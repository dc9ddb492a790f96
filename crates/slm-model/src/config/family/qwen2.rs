//! Qwen2, Qwen2.5 and models distilled into them.

use super::llama::LLAMA;
use super::{AttentionBias, Family, RotaryLayout};

/// Biases on the query, key and value projections; a window on the layers from `max_window_layers` on if
/// `use_sliding_window` is true.
///
/// # Source
/// `Qwen2Config` of <https://github.com/huggingface/transformers>; `Qwen2Model` in llama.cpp's converter.
pub(super) const QWEN2: Family = Family {
    model_type: "qwen2",
    class: "Qwen2ForCausalLM",
    gguf_architecture: "qwen2",
    gguf_rotary: RotaryLayout::HalfSplit,
    attention_bias: AttentionBias::OfInputs,
    reads_mlp_bias: false,
    read_json: |raw, config| {
        let switched_on = raw.use_sliding_window == Some(true);
        let window = raw.window_or(4096).filter(|_| switched_on);
        let first = raw.max_window_layers.unwrap_or(28);
        raw.set_windows(config, window, |layer| layer >= first)
    },
    ..LLAMA
};
