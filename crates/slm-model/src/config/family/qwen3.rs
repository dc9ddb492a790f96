//! Qwen3, the dense models.

use super::llama::LLAMA;
use super::qwen2::QWEN2;
use super::{Family, QkNorm};

/// Norms of each head's queries and keys, a head width that is not `hidden_size / heads`, and no biases.
///
/// # Source
/// `Qwen3Config` of <https://github.com/huggingface/transformers>; `Qwen3Model` in llama.cpp's converter.
pub(super) const QWEN3: Family = Family {
    model_type: "qwen3",
    class: "Qwen3ForCausalLM",
    gguf_architecture: "qwen3",
    gguf_rotary: QWEN2.gguf_rotary,
    qk_norm: Some(QkNorm::PerHead),
    reads_mlp_bias: false,
    read_json: |raw, config| {
        if raw.head_dim.is_none() {
            config.set_head_dim(128);
        }
        (QWEN2.read_json)(raw, config)
    },
    ..LLAMA
};
