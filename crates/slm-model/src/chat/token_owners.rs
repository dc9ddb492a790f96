//! Assignment of a conversation's tokens to messages, for supervision.

use std::ops::Range;

use super::answers::Located;
use super::thinking::{Thinking, stripped};
use super::{Chat, ChatError, ChatTemplate, Message, tools};
use crate::tokenizer::{Before, TokenSpan, Tokenizer};

/// The owner of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenOwner {
    /// The template, or a system or user message.
    Context,
    /// The assistant's answer with this index, counted from 0.
    Answer(usize),
    /// The end of that answer, which the assistant generates too.
    End(usize),
    /// An unsupervised answer with this index, or its end.
    NotLearned(usize),
}

/// A tokenized text with the owner of each token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnedTokens {
    /// The tokens.
    pub ids: Vec<u32>,
    /// One per token.
    pub owners: Vec<TokenOwner>,
    /// The number of earlier answers that are not learned because the template omits a part of them.
    pub n_cut: usize,
}

impl OwnedTokens {
    /// Appends tokens with the same owner.
    pub fn push(&mut self, part: TokenOwner, ids: impl IntoIterator<Item = u32>) {
        self.ids.extend(ids);
        self.owners.resize(self.ids.len(), part);
    }

    /// The number of answers.
    pub fn n_answers(&self) -> usize {
        let numbers = self.owners.iter().filter_map(|part| match part {
            TokenOwner::Context => None,
            TokenOwner::Answer(number)
            | TokenOwner::End(number)
            | TokenOwner::NotLearned(number) => Some(number + 1),
        });
        numbers.max().unwrap_or(0)
    }
}

impl ChatTemplate {
    /// Encodes a whole conversation and marks the assistant's answers.
    ///
    /// The ids are those of [`encode`](Self::encode), which equal transformers' for the whole rendering. Stock
    /// templates do not mark where an answer starts and ends, so its position is found in the rendering. It starts where
    /// the generation prompt for it ends, or with its first character if the template has no such prompt. A token that
    /// spans its start belongs to the answer: ` a`, if a template puts a space before each message, is what the model
    /// must generate after a prompt without that space. If the generation prompt for the answer ends with exactly that
    /// text, as in most templates, no token spans the border: the answer is tokenized separately.
    ///
    /// An answer ends with the first special token after it; if the template prints none there, with the template's own
    /// text or, after the last answer, the model's end token.
    ///
    /// An earlier answer of which the template omits a part, such as its thoughts, is not learned, and counted.
    ///
    /// # Errors
    /// The template refuses the messages, omits or rewrites a part of the last answer, or nothing can mark its end.
    pub fn encode_turns(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
    ) -> Result<OwnedTokens, ChatError> {
        self.encode_chat(tokenizer, Chat::of(messages), Thinking::Auto)
    }

    /// As [`Self::encode_turns`], with tools, and with a choice for the thoughts in answers.
    ///
    /// # Errors
    /// As [`Self::encode_turns`]; also if the template prints no tools, or a special token is spelled in a tool call or in
    /// the definition of a tool.
    pub fn encode_chat(
        &self,
        tokenizer: &Tokenizer,
        chat: Chat<'_>,
        thinking: Thinking,
    ) -> Result<OwnedTokens, ChatError> {
        let end = self.end_of_turn()?;
        if let Some((what, token)) = tools::special_token_in_tools(tokenizer, chat)? {
            return Err(ChatError::SpecialToken { what, token });
        }
        let without_thoughts: Vec<Message>;
        let chat = if thinking == Thinking::Strip {
            without_thoughts = chat.messages.iter().map(stripped).collect();
            Chat {
                messages: &without_thoughts,
                ..chat
            }
        } else {
            chat
        };
        let messages = self.prepared(chat)?;
        let chat = Chat {
            messages: &messages,
            ..chat
        };
        let Located {
            text,
            mut regions,
            answers,
            n_cut,
        } = self.locate_answers(tokenizer, chat, thinking)?;
        let mut placed = tokenizer.encode_regions(&text, &regions, Before::Nothing)?;
        for answer in &answers {
            let border = answer.range.start;
            let is_spanned = placed
                .iter()
                .any(|token| token.range.start < border && border < token.range.end);
            let before = Chat {
                messages: &messages[..answer.message],
                ..chat
            };
            if is_spanned && self.asks_with(before, &text[..border]) {
                regions.breaks.push(border);
            }
        }
        if !regions.breaks.is_empty() {
            placed = tokenizer.encode_regions(&text, &regions, Before::Nothing)?;
        }

        let mut owners = Vec::new();
        for (number, answer) in answers.iter().enumerate() {
            let is_learned = messages[answer.message].is_learned && !answer.is_cut;
            let own = |part| {
                if is_learned {
                    part
                } else {
                    TokenOwner::NotLearned(number)
                }
            };
            let Range { start, end: stop } = answer.range;
            let ending = if answer.is_cut {
                stop..stop
            } else if messages[answer.message].tool_calls.is_empty() {
                ending(&text, stop..answer.until, &placed, end)
            } else {
                ending_of_calls(&text, start..stop, answer.until, (tokenizer, &placed), end)
            };
            owners.push((start..ending.start, own(TokenOwner::Answer(number))));
            owners.push((ending, own(TokenOwner::End(number))));
        }
        let mut turns = OwnedTokens {
            n_cut,
            ..OwnedTokens::default()
        };
        for token in &placed {
            turns.push(owner_of(token, &owners), [token.id]);
        }
        // The last answer always ends, even if the template prints no end.
        if let [.., (_, answer), (ending, part)] = &owners[..]
            && ending.is_empty()
            && turns.owners.contains(answer)
        {
            turns.push(*part, tokenizer.encode_continuation(end)?);
        }
        Ok(turns)
    }

    /// Whether the generation prompt for the next answer is exactly `text`.
    fn asks_with(&self, before: Chat<'_>, text: &str) -> bool {
        self.render_chat(before, true)
            .is_ok_and(|prompt| prompt == text)
    }
}

/// Returns the bytes within `range` that end an answer; empty if there are none. `end` is the template's end of a turn.
fn ending(text: &str, range: Range<usize>, placed: &[TokenSpan], end: &str) -> Range<usize> {
    let special = placed
        .iter()
        .find(|token| token.is_markup && range.contains(&token.range.start));
    match special {
        Some(token) => {
            // Special tokens right after it belong to it, if the template ends every turn with them.
            let is_whole = text[range.clone()].starts_with(end);
            let limit = if is_whole { range.start + end.len() } else { 0 };
            let mut stop = token.range.end;
            let later = placed.iter().filter(|token| token.is_markup);
            for token in later.filter(|token| token.range.end <= limit) {
                if token.range.start == stop {
                    stop = token.range.end;
                }
            }
            range.start..stop
        }
        None if text[range.clone()].starts_with(end) => range.start..range.start + end.len(),
        None => range.start..range.start,
    }
}

/// Returns the bytes that end a turn with tool calls, which end at `range.end` or with a special token before it.
fn ending_of_calls(
    text: &str,
    range: Range<usize>,
    until: usize,
    (tokenizer, placed): (&Tokenizer, &[TokenSpan]),
    end: &str,
) -> Range<usize> {
    let last = placed
        .iter()
        .rev()
        .find(|token| token.range.end <= range.end);
    let is_ended = text[range.end..until].starts_with(end);
    match last {
        Some(token)
            if !is_ended
                && token.range.end == range.end
                && token.range.start > range.start
                && tokenizer.is_special(token.id) =>
        {
            token.range.clone()
        }
        _ => ending(text, range.end..until, placed, end),
    }
}

/// Returns the owner of a token: the first of `owners`, which are in the text's order, that overlaps it.
fn owner_of(token: &TokenSpan, owners: &[(Range<usize>, TokenOwner)]) -> TokenOwner {
    let shares = |range: &Range<usize>| {
        range.start < token.range.end.max(token.range.start + 1) && token.range.start < range.end
    };
    let first = owners.partition_point(|(range, _)| range.end <= token.range.start);
    owners[first..]
        .first()
        .filter(|(range, _)| shares(range))
        .map_or(TokenOwner::Context, |(_, part)| *part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Role, Weights};
    use std::collections::BTreeMap;
    use std::path::Path;

    fn tokenizer() -> Tokenizer {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/tiny-qwen2");
        let weights = Weights::open(&folder).expect("golden model");
        weights.tokenizer().expect("tokenizer")
    }

    fn conversation() -> Vec<Message> {
        vec![
            Message::new(Role::System, "Be brief."),
            Message::new(Role::User, "One?"),
            Message::new(Role::Assistant, "First<|im_end|>"),
            Message::new(Role::User, "Two?"),
            Message::new(Role::Assistant, "  Second"),
        ]
    }

    /// The text of each owner, in order.
    fn parts(template: &ChatTemplate, tokenizer: &Tokenizer) -> Vec<(TokenOwner, String)> {
        let turns = template
            .encode_turns(tokenizer, &conversation())
            .expect("turns");
        assert_eq!(turns.ids.len(), turns.owners.len());
        assert_eq!(turns.n_answers(), 2);
        let mut runs: Vec<(TokenOwner, Vec<u32>)> = Vec::new();
        for (&id, &part) in turns.ids.iter().zip(&turns.owners) {
            match runs.last_mut() {
                Some((last, ids)) if *last == part => ids.push(id),
                _ => runs.push((part, vec![id])),
            }
        }
        runs.into_iter()
            .map(|(part, ids)| (part, tokenizer.decode(&ids, false).expect("text")))
            .collect()
    }

    #[test]
    fn the_answers_and_their_ends_are_told_from_the_rest() {
        let tokenizer = tokenizer();
        let found = parts(&ChatTemplate::chatml(), &tokenizer);
        let context = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nOne?<|im_end|>\n<|im_start|>assistant\n";
        let expected = [
            (TokenOwner::Context, context),
            // A literal end token in a message is text and ends nothing.
            (TokenOwner::Answer(0), "First<|im_end|>"),
            (TokenOwner::End(0), "<|im_end|>"),
            (
                TokenOwner::Context,
                "\n<|im_start|>user\nTwo?<|im_end|>\n<|im_start|>assistant\n",
            ),
            (TokenOwner::Answer(1), "  Second"),
            (TokenOwner::End(1), "<|im_end|>"),
            (TokenOwner::Context, "\n"),
        ];
        assert_eq!(found, expected.map(|(part, text)| (part, text.to_owned())));
    }

    #[test]
    fn everything_before_an_answer_has_the_tokens_of_the_prompt_that_asks_for_it() {
        let tokenizer = tokenizer();
        let template = ChatTemplate::chatml();
        let messages = conversation();
        let turns = template.encode_turns(&tokenizer, &messages).expect("turns");
        for (answer, before) in [(0, 2), (1, 4)] {
            let prompt = template
                .encode(&tokenizer, &messages[..before], true)
                .expect("prompt");
            let at = turns
                .owners
                .iter()
                .position(|part| *part == TokenOwner::Answer(answer));
            assert_eq!(turns.ids[..at.expect("an answer")], prompt);
        }
    }

    #[test]
    fn a_template_whose_turns_end_in_plain_text_or_in_nothing_still_ends_the_last_answer() {
        let tokenizer = tokenizer();
        let tokens = BTreeMap::from([("eos_token".to_owned(), "<|im_end|>".to_owned())]);
        let template = |source: &str| ChatTemplate::new(source, tokens.clone()).expect("valid");
        let ends = |template: &ChatTemplate| -> Vec<(TokenOwner, String)> {
            let mut parts = parts(template, &tokenizer);
            parts.retain(|(part, _)| matches!(part, TokenOwner::End(_)));
            parts
        };
        let text =
            template("{% for m in messages %}{{ m.role }}: {{ m.content }}\n###\n{% endfor %}");
        let end = |answer, text: &str| (TokenOwner::End(answer), text.to_owned());
        assert_eq!(ends(&text), [end(0, "\n###"), end(1, "\n###")]);
        let bare = template("{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}");
        assert_eq!(ends(&bare), [end(1, "<|im_end|>")]);
    }
}
