//! Pre-tokenization rules for GGUF files, which contain only the rule's name.

/// How a text is split before byte pairs are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PreTokenizer {
    /// llama.cpp's rule for files that name none.
    Default,
    /// GPT-2's regular expression.
    Gpt2,
    /// Llama 3's regular expression; a word in the vocabulary is one token.
    Llama3,
    /// Qwen2's regular expression with the Unicode normalization (NFC) of its `tokenizer.json`.
    Qwen2,
    /// Qwen2's regular expression without normalization, as in llama.cpp.
    Qwen2Bytes,
    /// Digits one by one, then GPT-2's regular expression.
    SmolLm,
}
