//! Keys of a data set about special tokens in its texts, and about fill-in-the-middle.

use serde::{Deserialize, Serialize};

use crate::schema::{Kind, section, words};

words! {
/// How the added tokens of the tokenizer that a text spells out are encoded.
pub enum SpecialTokens default Auto {
    /// As their ids, as in transformers: tags of fill-in-the-middle, markup of a rendered conversation.
    Auto = "auto",
    /// As letters, as in the messages of a conversation.
    Literal = "literal",
}
}

words! {
/// Where a document is cut into prefix, middle and suffix.
pub enum FimCut default Random {
    /// Between two characters, both drawn uniformly.
    Random = "random",
    /// Between two lines, both drawn uniformly: the middle has at least one line.
    Lines = "lines",
    /// Around the body of a Python function: each function and method gives one example. A document without one is cut
    /// between lines, and counted.
    Block = "block",
}
}

words! {
/// The order of tokens and text in an example whose suffix comes first.
pub enum SpmLayout default Joined {
    /// Prefix token, suffix token, suffix, middle token, then prefix and middle as one text, as Code Llama has it.
    Joined = "joined",
    /// Suffix token, suffix, prefix token, prefix, middle token, middle, as Mellum and Seed-Coder have it.
    Separate = "separate",
}
}

section! {
/// The tokens of fill-in-the-middle, for a tokenizer whose own are not found: `data.datasets[].fim_tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FimTokenNames requires {
    /// Spelling of the token before the text that precedes the gap.
    prefix: String => Kind::Text("the spelling of a token");
    /// Spelling of the token before the text that follows the gap.
    suffix: String => Kind::Text("the spelling of a token");
    /// Spelling of the token before the text that fills the gap.
    middle: String => Kind::Text("the spelling of a token");
    /// Spelling of the token that ends it.
    end: Option<String> => Kind::Text("the spelling of a token"), absent "the token that ends a text";
}
}
