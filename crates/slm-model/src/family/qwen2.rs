//! Qwen2, Qwen2.5 and models distilled into them.

use super::{Family, LLAMA_CPP_NAMES, PreTokenizer, RotaryLayout};

/// Biases on the query, key and value projections.
///
/// # Source
/// `Qwen2Config` of <https://github.com/huggingface/transformers>; `Qwen2Model` in llama.cpp's `convert_hf_to_gguf.py`.
pub(super) const QWEN2: Family = Family {
    model_type: "qwen2",
    class: "Qwen2ForCausalLM",
    gguf_architecture: "qwen2",
    gguf_names: LLAMA_CPP_NAMES,
    gguf_rotary: RotaryLayout::HalfSplit,
    qkv_bias: true,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000.0,
    tie_word_embeddings: false,
    pre_tokenizers: &[
        ("qwen2", PreTokenizer::Qwen2),
        ("deepseek-r1-qwen", PreTokenizer::Qwen2Bytes),
        ("kormo", PreTokenizer::Qwen2Bytes),
        ("megrez", PreTokenizer::Qwen2Bytes),
    ],
};
