//! Separates an answer from the reasoning before it.

/// Tags around a model's reasoning, as they appear in an answer's text.
const THOUGHTS: [(&str, &str); 8] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),
];

const CHANNEL: &str = "<|channel|>";
const MESSAGE: &str = "<|message|>";
/// Tokens that end a channel's message.
const MESSAGE_ENDS: [&str; 5] = ["<|end|>", "<|return|>", "<|call|>", "<|start|>", CHANNEL];
/// The same format after a tokenizer has removed its special tokens.
const BARE_ANALYSIS: &str = "analysis";
const BARE_FINAL: &str = "assistantfinal";

/// Returns the part of an answer after its reasoning.
///
/// It follows the last closing tag of reasoning (`</think>` and others), whose opening tag may be missing,
/// since some chat templates put it into the prompt. For an answer in channels (`<|channel|>`, the harmony
/// format) it is the last message of the final channel. Truncated reasoning has no such part: the result is
/// empty. A leading byte order mark is removed.
pub fn without_reasoning(answer: &str) -> &str {
    let answer = answer.trim_start_matches('\u{feff}');
    after_thoughts(final_message(answer)).trim_start_matches('\u{feff}')
}

/// Returns whether a text contains a reasoning tag, including in a string of a program.
pub(super) fn has_marks(text: &str) -> bool {
    let marks = THOUGHTS.iter().flat_map(|(open, close)| [*open, *close]);
    marks
        .chain([CHANNEL, BARE_FINAL])
        .any(|mark| text.contains(mark))
}

fn final_message(answer: &str) -> &str {
    if !answer.contains(CHANNEL) {
        let bare = answer.trim_start().starts_with(BARE_ANALYSIS);
        return match answer.rfind(BARE_FINAL).filter(|_| bare) {
            Some(at) => &answer[at + BARE_FINAL.len()..],
            None => answer,
        };
    }
    let mut spoken = "";
    let mut is_final = false;
    for part in answer.split(CHANNEL).skip(1) {
        let Some((header, rest)) = part.split_once(MESSAGE) else {
            continue;
        };
        let header = header.trim_start();
        let ends = MESSAGE_ENDS.iter().filter_map(|end| rest.find(end));
        let message = &rest[..ends.min().unwrap_or(rest.len())];
        let says_final = header.starts_with("final");
        if says_final || (!is_final && !header.starts_with("analysis")) {
            spoken = message;
            is_final |= says_final;
        }
    }
    spoken
}

fn after_thoughts(text: &str) -> &str {
    let ends = THOUGHTS.iter().filter_map(|(_, close)| {
        let mut places = text.rmatch_indices(close);
        places
            .find(|(at, _)| !is_quoted(text, *at, close.len()))
            .map(|(at, _)| at + close.len())
    });
    let Some(end) = ends.max() else {
        return if begins_thought(text) { "" } else { text };
    };
    let rest = &text[end..];
    if begins_thought(rest) {
        return "";
    }
    if rest.trim().is_empty() {
        // The answer may precede the reasoning.
        let starts = THOUGHTS.iter().filter_map(|(open, _)| text.find(open));
        return starts.min().map_or(rest, |start| &text[..start]);
    }
    rest
}

fn begins_thought(text: &str) -> bool {
    let text = text.trim_start();
    THOUGHTS.iter().any(|(open, _)| text.starts_with(open))
}

/// Returns whether a tag is only mentioned in a string or in `code`, and so does not count.
fn is_quoted(text: &str, at: usize, len: usize) -> bool {
    let (before, after) = (&text[..at], &text[at + len..]);
    let opens =
        before.ends_with(['\'', '"']) || (before.ends_with('`') && !before.ends_with("```"));
    let closes = after.starts_with(['\'', '"', '\\'])
        || (after.starts_with('`') && !after.starts_with("```"));
    opens || closes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &str, expected: &str) {
        assert_eq!(without_reasoning(answer), expected, "{answer:?}");
    }

    #[test]
    fn an_answer_follows_its_reasoning() {
        check("<think>\na\n</think>\n\nb", "\n\nb");
        check("a\n</think>\nb", "\nb");
        check("<think>a</think>b<think>c</think>d", "d");
        for (open, close) in THOUGHTS {
            check(&format!("{open}\na\n{close}b"), "b");
            check(&format!("{open}\na"), "");
        }
        check("\u{feff}b", "b");
        check("b", "b");
        check("", "");
    }

    #[test]
    fn reasoning_that_was_cut_off_has_no_answer() {
        check("<think>\na", "");
        check("<think>a</think>\n<think>b", "");
        check("<|channel|>analysis<|message|>a", "");
    }

    #[test]
    fn an_answer_before_its_reasoning_is_one_too() {
        check("b\n<think>a</think>\n", "b\n");
    }

    #[test]
    fn a_mark_in_a_string_is_none() {
        check("x.split('</think>')", "x.split('</think>')");
        check("say `</think>` to end", "say `</think>` to end");
        check("a</think>```python\nb```", "```python\nb```");
    }

    #[test]
    fn the_final_channel_is_the_answer() {
        check(
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>",
            "b",
        );
        check(
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final <|constrain|>python<|message|>b",
            "b",
        );
        check("<|channel|>commentary<|message|>b<|end|>", "b");
        check(
            "<|channel|>final<|message|>b<|end|><|start|>assistant<|channel|>commentary<|message|>c<|end|>",
            "b",
        );
        check("analysisWe try.assistantfinalb", "b");
        check(
            "The analysis: assistantfinal",
            "The analysis: assistantfinal",
        );
    }
}
