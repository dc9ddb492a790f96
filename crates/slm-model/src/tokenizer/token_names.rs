//! The purpose of an added token, from its spelling.

use tokenizers::AddedToken;

/// Tokens that end a turn or a text in every vocabulary with them as added tokens. Models often declare only one:
/// Qwen2.5's GGUF files name `<|im_end|>` but not `<|endoftext|>`, which ends the model's plain texts. llama.cpp uses
/// names too.
const ENDS: [&str; 11] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<|end|>",
    "<|EOT|>",
    "<end_of_turn>",
    "<eos>",
    "<｜end▁of▁sentence｜>",
    SPECIAL_END,
];
/// A tag of HTML, unless it is a special token.
const SPECIAL_END: &str = "</s>";
/// Those of [`ENDS`] that end a plain text.
pub(super) const TEXT_ENDS: [&str; 5] = [
    "<|endoftext|>",
    "<|end_of_text|>",
    "<eos>",
    "<｜end▁of▁sentence｜>",
    SPECIAL_END,
];

/// Elements of HTML that are added tokens in Gemma's vocabularies, separated by spaces.
const HTML_ELEMENTS: &str = "a b blockquote body caption code div em footer h1 h2 h3 h4 h5 h6 html i iframe img li span \
    strong sub sup table tbody td tfoot th thead tr u ul";

/// Whether a token ends a generation.
pub(super) fn ends(token: &AddedToken) -> bool {
    let name = token.content.as_str();
    ENDS.contains(&name) && (token.special || name != SPECIAL_END)
}

/// Whether an added token is treated as markup. Some models mark tokens such as `<tool_call>` or `<|fim_middle|>` as
/// ordinary; in a user's text they are text nonetheless. Added tokens of other spellings (letters that deepseek's
/// vocabulary lacks) and tags of HTML are not markup.
pub(super) fn is_markup(token: &AddedToken) -> bool {
    let inside = |open, close| token.content.strip_prefix(open)?.strip_suffix(close);
    let tag = inside('<', '>');
    let is_html = tag.is_some_and(|tag| {
        let element = tag.strip_prefix('/').unwrap_or(tag);
        HTML_ELEMENTS.split(' ').any(|known| known == element)
    });
    token.special || (tag.is_some() && !is_html) || inside('[', ']').is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_markup_unless_they_are_html_and_special_tokens_always_are() {
        let is = |name: &str, special| is_markup(&AddedToken::from(name, special));
        for name in ["<tool_call>", "<|fim_middle|>", "[INST]", "<s>", "<>"] {
            assert!(is(name, false), "{name}");
        }
        for name in ["<table>", "</table>", "<h1>", "  ", "\n\n", "<", "ö", ""] {
            assert!(!is(name, false), "{name}");
        }
        assert!(is("<table>", true) && is("x", true));
    }

    #[test]
    fn an_end_that_is_html_too_must_be_special() {
        let ends = |name: &str, special| ends(&AddedToken::from(name, special));
        assert!(ends("</s>", true) && !ends("</s>", false));
        assert!(ends("<|im_end|>", false) && ends("<end_of_turn>", true));
        assert!(!ends("<|im_start|>", true));
    }
}
