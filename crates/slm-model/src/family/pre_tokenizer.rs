//! Rules of pre-tokenizers, for GGUF files, which only name them.

/// How a text is split before byte pairs are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PreTokenizer {
    /// llama.cpp's for files that name no pre-tokenizer.
    Default,
    /// GPT-2's regular expression.
    Gpt2,
    /// Llama 3's regular expression; a word that is in the vocabulary is one token.
    Llama3,
    /// Qwen2's regular expression, with the normal form of its `tokenizer.json`.
    Qwen2,
    /// The same splits, and no normal form, as llama.cpp has it.
    Qwen2Bytes,
    /// Digits one by one, then GPT-2's regular expression.
    SmolLm,
}
