//! Llama and models of the same architecture: Llama 2 and 3, `SmolLM2`, Falcon 3.

use super::{Family, LLAMA_CPP_NAMES, PreTokenizer, RotaryLayout};

/// No biases; GGUF files have interleaved rotary embedding.
///
/// # Source
/// `LlamaConfig` of <https://github.com/huggingface/transformers>; `LlamaModel` in llama.cpp's `convert_hf_to_gguf.py`.
pub(super) const LLAMA: Family = Family {
    model_type: "llama",
    class: "LlamaForCausalLM",
    gguf_architecture: "llama",
    gguf_names: LLAMA_CPP_NAMES,
    gguf_rotary: RotaryLayout::Interleaved,
    qkv_bias: false,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000.0,
    tie_word_embeddings: false,
    pre_tokenizers: &[
        ("llama-bpe", PreTokenizer::Llama3),
        ("llama3", PreTokenizer::Llama3),
        ("llama-v3", PreTokenizer::Llama3),
        ("falcon3", PreTokenizer::Llama3),
        ("falcon-h1", PreTokenizer::Llama3),
        ("pixtral", PreTokenizer::Llama3),
        ("midm-2.0", PreTokenizer::Llama3),
        ("lfm2", PreTokenizer::Llama3),
    ],
};
