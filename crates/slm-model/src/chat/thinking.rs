//! Thoughts in answers: `<think>` blocks, and thoughts in a separate field.

use serde_json::Value as Json;

use super::{Message, Role};

/// What becomes of thoughts in the answers to train on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Thinking {
    /// As the template renders the conversation. A last answer whose thoughts it omits is an error.
    #[default]
    Auto,
    /// As [`Self::Auto`], and thoughts of the last answer that the template omits are written after the generation prompt.
    Keep,
    /// Thoughts are removed from every answer before the template sees it.
    Strip,
}

/// The tags around a thought.
const TAGS: [&str; 2] = ["<think>", "</think>"];

/// Names of the field that holds a thought, in the order in which a template is searched for them.
const FIELDS: [&str; 3] = ["reasoning_content", "reasoning", "thinking"];

/// Adds the tags of thoughts to those that a template names: an answer may have them also if the template does not.
pub(super) fn with_tags(mut tags: Vec<String>, special_tokens: &[&str]) -> Vec<String> {
    for tag in TAGS {
        if !special_tokens.contains(&tag) && !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    tags
}

/// Whether a message has a thought in its content or in a separate field.
pub(super) fn has_thoughts(message: &Message) -> bool {
    let in_content = TAGS.iter().any(|tag| message.content.contains(tag));
    in_content || message.reasoning.as_ref().is_some_and(|r| !r.is_empty())
}

/// Returns the name of the field in which a template looks for thoughts; `None` if it looks for none.
pub(super) fn field_of(source: &str) -> Option<&'static str> {
    let reads = |name: &&&str| {
        let forms = [
            format!(".{name}"),
            format!("'{name}'"),
            format!("\"{name}\""),
        ];
        forms.iter().any(|form| {
            source.match_indices(form.as_str()).any(|(at, form)| {
                let next = source[at + form.len()..].bytes().next();
                !next.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            })
        })
    };
    FIELDS.iter().find(reads).copied()
}

/// Moves the thought of a message from its field into the content, between tags.
pub(super) fn merge(message: &mut Message) {
    let Some(thought) = message.reasoning.take() else {
        return;
    };
    if thought.trim().is_empty() {
        return;
    }
    let [open, close] = TAGS;
    let (thought, content) = (thought.trim_matches('\n'), &message.content);
    message.content = format!("{open}\n{thought}\n{close}\n\n{content}");
    message.is_null = false;
}

/// Returns a message without its thoughts: everything up to the last closing tag, with the white space after it.
pub(super) fn stripped(message: &Message) -> Message {
    let mut message = message.clone();
    if message.role != Role::Assistant {
        return message;
    }
    message.reasoning = None;
    let [open, close] = TAGS;
    if let Some((_, rest)) = message.content.rsplit_once(close) {
        message.content = rest.trim_start().to_owned();
    } else if let Some((before, _)) = message.content.split_once(open) {
        // A thought that was cut off has no answer.
        message.content = before.trim_end().to_owned();
    }
    message
}

/// Returns the part of an answer after the generation prompt `prompt`, which may have opened the thought already.
pub(super) fn after_prompt<'a>(prompt: &str, answer: &'a str) -> &'a str {
    let [open, _] = TAGS;
    match answer.trim_start().strip_prefix(open) {
        Some(rest) if prompt.trim_end().ends_with(open) => rest.trim_start_matches('\n'),
        _ => answer,
    }
}

/// Whether the value of a row's field is a thought: text that is not blank.
pub fn thought_in(fields: &serde_json::Map<String, Json>) -> Option<&str> {
    let thoughts = FIELDS.iter().filter_map(|name| fields.get(*name)?.as_str());
    thoughts.into_iter().find(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_of_thoughts_is_the_one_that_the_template_reads() {
        assert_eq!(
            field_of("{% if message.reasoning_content is string %}"),
            Some("reasoning_content")
        );
        assert_eq!(field_of("{{ message['thinking'] }}"), Some("thinking"));
        assert_eq!(field_of("{% if enable_thinking is defined %}"), None);
        assert_eq!(field_of("{{ m.thinking_budget }}"), None);
    }

    #[test]
    fn a_thought_is_stripped_with_the_white_space_after_it() {
        let strip = |text: &str| stripped(&Message::new(Role::Assistant, text)).content;
        assert_eq!(strip("<think>\na\n</think>\n\nb"), "b");
        assert_eq!(strip("a</think>b"), "b");
        assert_eq!(strip("<think>never closed"), "");
        assert_eq!(strip("b < c"), "b < c");
        let user = Message::new(Role::User, "<think>a</think>b");
        assert_eq!(stripped(&user), user);
    }

    #[test]
    fn a_thought_that_the_prompt_has_opened_is_not_opened_twice() {
        let answer = "<think>\nhm\n</think>\n\n42";
        assert_eq!(after_prompt("A:<think>\n", answer), "hm\n</think>\n\n42");
        assert_eq!(after_prompt("A:", answer), answer);
        assert_eq!(after_prompt("A:<think>\n", "42"), "42");
    }
}
