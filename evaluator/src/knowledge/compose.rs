//! Chunks as a text of limited length, for a prompt.

use slm_retrieval::{Chunk, ChunkKind, Mask};

/// A text for a prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Composed {
    pub(super) text: String,
    /// For each chunk, whether the text contains it, at least its head.
    pub(super) shown: Vec<bool>,
}

/// Returns a chunk with its name and its file.
pub(super) fn titled(chunk: &Chunk, text: &str) -> String {
    let (name, source) = (&chunk.name, &chunk.source);
    let text = text.trim_end();
    if matches!(chunk.kind, ChunkKind::Section | ChunkKind::Object) {
        format!("### {name} ({source})\n\n{text}\n")
    } else {
        format!("### `{name}` ({source})\n\n```python\n{text}\n```\n")
    }
}

/// Returns a sketch of a chunk as a prompt shows it, at most `max_tokens` tokens of it.
pub(crate) fn shown_sketch(
    chunk: &Chunk,
    sketch: &str,
    max_tokens: usize,
    count_tokens: &dyn Fn(&str) -> usize,
) -> String {
    let text = titled(chunk, sketch);
    compose(&[text], max_tokens, &Mask::none(), count_tokens).text
}

/// Joins texts in their order until one more would exceed `max_tokens`. Of the first, which may be longer, at least its
/// head is shown. What the mask does not permit is left out.
pub(super) fn compose(
    texts: &[String],
    max_tokens: usize,
    mask: &Mask,
    count_tokens: &dyn Fn(&str) -> usize,
) -> Composed {
    let mut composed = Composed::default();
    let mut is_full = false;
    for text in texts {
        let is_first = composed.text.is_empty();
        let with = |text: &str| {
            let gap = if is_first { "" } else { "\n" };
            format!("{}{gap}{text}", composed.text)
        };
        let longer = if is_first {
            head(text, max_tokens, count_tokens)
        } else {
            with(text)
        };
        // Once a chunk does not fit, no later and less relevant one is shown either.
        is_full |= count_tokens(&longer) > max_tokens;
        let is_shown = !is_full && !longer.is_empty() && mask.permits(&longer);
        composed.shown.push(is_shown);
        if is_shown {
            composed.text = longer;
        }
    }
    composed
}

/// What closes a code block that is cut.
pub(super) const CLOSING_FENCE: &str = "\n```\n";

/// Returns the longest beginning of a text of whole words with at most `max_tokens` tokens. A code block that is cut is
/// closed.
pub(super) fn head(text: &str, max_tokens: usize, count_tokens: &dyn Fn(&str) -> usize) -> String {
    if count_tokens(text) <= max_tokens {
        return text.to_owned();
    }
    let cut = words(text, max_tokens, count_tokens);
    if cut.matches("```").count().is_multiple_of(2) {
        return cut;
    }
    let room = max_tokens.saturating_sub(count_tokens(CLOSING_FENCE));
    let shorter = words(text, room, count_tokens);
    if shorter.matches("```").count().is_multiple_of(2) {
        shorter
    } else {
        shorter + CLOSING_FENCE
    }
}

/// Returns the longest beginning of whole words with at most `max_tokens` tokens.
fn words(text: &str, max_tokens: usize, count_tokens: &dyn Fn(&str) -> usize) -> String {
    let ends: Vec<usize> = text
        .char_indices()
        .filter(|(_, c)| c.is_whitespace())
        .map(|(at, _)| at)
        .collect();
    // More words have more tokens, up to a few where two words meet.
    let fitting = ends.partition_point(|&end| count_tokens(&text[..end]) <= max_tokens);
    let end = fitting.checked_sub(1).map_or(0, |last| ends[last]);
    text[..end].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n_words(text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn composed(texts: &[&str], max_tokens: usize) -> (String, Vec<bool>) {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let Composed { text, shown } = compose(&texts, max_tokens, &Mask::none(), &n_words);
        (text, shown)
    }

    #[test]
    fn texts_are_joined_up_to_the_limit_and_cut_between_texts() {
        let texts = ["a b c\n", "d e\n", "f\n"];
        for (limit, expected, shown) in [
            (6, "a b c\n\nd e\n\nf\n", [true, true, true]),
            (5, "a b c\n\nd e\n", [true, true, false]),
            (4, "a b c\n", [true, false, false]),
            (2, "a b", [true, false, false]),
        ] {
            assert_eq!(composed(&texts, limit), (expected.to_owned(), shown.into()));
        }
    }

    #[test]
    fn nothing_gives_an_empty_text() {
        assert_eq!(composed(&[], 10), (String::new(), Vec::new()));
        let endless = "x".repeat(100);
        let count = |text: &str| text.len();
        assert_eq!(head(&endless, 10, &count), "");
    }

    #[test]
    fn a_code_block_that_is_cut_is_closed_within_the_limit() {
        let text = "a b\n```python\nc d e f\n```\n";
        for (limit, expected) in [
            (8, text),
            (7, "a b\n```python\nc d e\n```\n"),
            (4, "a b\n```python\n```\n"),
            (2, "a b"),
        ] {
            assert_eq!(head(text, limit, &n_words), expected, "{limit}");
            assert!(n_words(expected) <= limit);
        }
    }
}
