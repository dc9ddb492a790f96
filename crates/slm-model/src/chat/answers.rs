//! Locates the assistant's answers in a rendered conversation.
//!
//! An answer is what the model has to generate: it starts where the generation prompt for it ends, and includes thoughts
//! and tool calls that the template prints. Templates may cut earlier answers, as most do with their thoughts. Such an
//! answer is context only: the model never generates it in this form. The last answer must be complete.

use std::ops::Range;

use super::error::{AS_IT_IS, THOUGHTS};
use super::rendering::{self, Rendering};
use super::thinking::{self, Thinking, has_thoughts};
use super::{Chat, ChatError, ChatTemplate, Message, Role, tools};
use crate::tokenizer::{Regions, Tokenizer};

/// An answer in a rendered conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Index of the message.
    pub(super) message: usize,
    /// The bytes of the answer, without the end of the turn.
    pub(super) range: Range<usize>,
    /// Where the next message starts; the end of the turn is before it.
    pub(super) until: usize,
    /// Whether the template omits a part of it.
    pub(super) is_cut: bool,
}

/// A rendered conversation with its answers.
#[derive(Debug)]
pub(super) struct Located {
    /// The text.
    pub(super) text: String,
    /// The parts of it without markup.
    pub(super) regions: Regions,
    /// In the text's order.
    pub(super) answers: Vec<Answer>,
    /// The number of answers to learn that the template cuts, those that could not be located included.
    pub(super) n_cut: usize,
}

impl ChatTemplate {
    /// Renders a conversation and locates its answers.
    ///
    /// # Errors
    /// The template refuses the messages, or omits or rewrites a part of the last answer.
    pub(super) fn locate_answers(
        &self,
        tokenizer: &Tokenizer,
        chat: Chat<'_>,
        thinking: Thinking,
    ) -> Result<Located, ChatError> {
        let located = match self.locate(chat, false, Some(tokenizer)) {
            Ok(rendering) => self.located(chat, rendering),
            Err(error @ ChatError::Rewritten { .. }) => {
                self.only_last(tokenizer, chat)?.ok_or(error)
            }
            Err(error) => Err(error),
        };
        match located {
            Err(error @ (ChatError::Rewritten { .. } | ChatError::Incomplete { .. }))
                if thinking == Thinking::Keep =>
            {
                self.with_thoughts(tokenizer, chat)?.ok_or(error)
            }
            located => located,
        }
    }

    /// Finds the answers in a rendering whose messages are located.
    fn located(&self, chat: Chat<'_>, rendering: Rendering) -> Result<Located, ChatError> {
        let last = last_answer(chat.messages);
        let mut answers = Vec::new();
        for (message, Message { role, .. }) in chat.messages.iter().enumerate() {
            let is_incomplete = rendering.incomplete.contains(&message);
            if *role == Role::Tool && is_incomplete {
                let what = "results of tools";
                return Err(ChatError::NoTools { what });
            }
            if *role != Role::Assistant {
                continue;
            }
            let found = self.answer(chat, &rendering, message)?;
            if Some(message) == last && (is_incomplete || found.as_ref().is_some_and(|a| a.is_cut))
            {
                return Err(incomplete(chat.messages, message));
            }
            answers.extend(found.map(|answer| Answer {
                is_cut: answer.is_cut || is_incomplete,
                ..answer
            }));
        }
        let n_cut = n_cut(chat.messages, &answers);
        Ok(Located {
            regions: rendering.regions(chat.messages),
            text: rendering.text,
            answers,
            n_cut,
        })
    }

    /// Finds an answer; `None` if it is empty.
    fn answer(
        &self,
        chat: Chat<'_>,
        rendering: &Rendering,
        message: usize,
    ) -> Result<Option<Answer>, ChatError> {
        let text = rendering.text.as_str();
        let Message { tool_calls, .. } = &chat.messages[message];
        let spans = || rendering.spans.iter();
        let own = || spans().filter(|span| span.message == message);
        let content = own()
            .map(|span| span.range.start)
            .min()
            .zip(own().map(|span| span.range.end).max());
        if content.is_none() && tool_calls.is_empty() {
            return Ok(None);
        }
        let (from, until) = match content {
            Some((start, end)) => (
                spans().map(|s| s.range.end).filter(|&at| at <= start).max(),
                spans().map(|s| s.range.start).find(|&at| at >= end),
            ),
            None => (
                spans()
                    .filter(|s| s.message < message)
                    .map(|s| s.range.end)
                    .max(),
                spans().find(|s| s.message > message).map(|s| s.range.start),
            ),
        };
        let (from, until) = (from.unwrap_or(0), until.unwrap_or(text.len()));
        let prompt = self.generation_prompt();
        let start = match content {
            Some((start, _)) if prompt.is_empty() || text[..start].ends_with(prompt) => Some(start),
            _ => self
                .prompt_end(chat, message, text)?
                .or_else(|| match content {
                    Some((start, _)) => Some(start),
                    None if prompt.is_empty() => None,
                    None => text
                        .get(from..until)?
                        .find(prompt)
                        .map(|at| from + at + prompt.len()),
                }),
        };
        let cut = |at: usize| Answer {
            message,
            range: at..at,
            until,
            is_cut: true,
        };
        let Some(start) = start else {
            return Ok(Some(cut(from)));
        };
        // The prompt may contain the beginning of the answer, such as the tag of its thought.
        let start = content.map_or(start, |(_, end)| start.min(end));
        let mut end = content.map_or(start, |(_, end)| end);
        if !tool_calls.is_empty() {
            match self.turn_end(chat, message, text, end..until)? {
                Some(turn_end) => end = turn_end,
                None => return Ok(Some(cut(end))),
            }
        }
        Ok(Some(Answer {
            message,
            range: start..end,
            until,
            is_cut: false,
        }))
    }

    /// Returns where the generation prompt for an answer ends, if the text starts with it.
    fn prompt_end(
        &self,
        chat: Chat<'_>,
        message: usize,
        text: &str,
    ) -> Result<Option<usize>, ChatError> {
        let before = Chat {
            messages: &chat.messages[..message],
            ..chat
        };
        if self.generation_prompt().is_empty() {
            return Ok(None);
        }
        let prompt = match self.render_chat(before, true) {
            // A template may refuse the beginning of a conversation that it accepts as a whole.
            Err(ChatError::Render { .. }) => return Ok(None),
            prompt => prompt?,
        };
        Ok(text.starts_with(&prompt).then_some(prompt.len()))
    }

    /// Returns where a turn with tool calls ends, without the end of the turn.
    fn turn_end(
        &self,
        chat: Chat<'_>,
        message: usize,
        text: &str,
        within: Range<usize>,
    ) -> Result<Option<usize>, ChatError> {
        let until = Chat {
            messages: &chat.messages[..=message],
            ..chat
        };
        let end = self.end_of_turn()?;
        let turn = match self.render_chat(until, false) {
            Err(ChatError::Render { .. }) => None,
            turn => Some(turn?),
        };
        if let Some(turn) = turn.filter(|turn| text.starts_with(turn.trim_end())) {
            let turn = turn.trim_end();
            return Ok(Some(turn.strip_suffix(end).unwrap_or(turn).len()));
        }
        let found = text.get(within.clone()).and_then(|rest| rest.find(end));
        Ok(found.map(|at| within.start + at))
    }

    /// Locates the last answer alone, by the prompt that asks for it, where the template rewrites other messages. `None`
    /// if the text does not start with this prompt, the answer itself is rewritten, or a message spells a special token.
    fn only_last(
        &self,
        tokenizer: &Tokenizer,
        chat: Chat<'_>,
    ) -> Result<Option<Located>, ChatError> {
        let Some(last) = last_answer(chat.messages) else {
            return Ok(None);
        };
        let text = self.render_chat(chat, false)?;
        let Some(start) = self.prompt_end(chat, last, &text)? else {
            return Ok(None);
        };
        let tags = self.tags_for(Some(tokenizer));
        let message = &chat.messages[last];
        let turn = text[start..].trim_end();
        let answer = turn.strip_suffix(self.end_of_turn()?).unwrap_or(turn);
        let texts = message.reasoning.iter().chain([&message.content]);
        let is_whole = texts
            .into_iter()
            .all(|part| rendering::survives(part, answer, &tags));
        if !is_whole || tools::special_token_in(tokenizer, chat)?.is_some() {
            return Ok(None);
        }
        let answers = vec![Answer {
            message: last,
            range: start..start + answer.len(),
            until: text.len(),
            is_cut: false,
        }];
        Ok(Some(Located {
            n_cut: n_cut(chat.messages, &answers),
            text,
            regions: Regions::default(),
            answers,
        }))
    }

    /// Renders a conversation with the last answer as it is after the generation prompt, for a template that omits its
    /// thoughts. `None` if the template prints no generation prompt, or the answer has no thoughts.
    fn with_thoughts(
        &self,
        tokenizer: &Tokenizer,
        chat: Chat<'_>,
    ) -> Result<Option<Located>, ChatError> {
        let last = last_answer(chat.messages).filter(|&last| {
            let message = &chat.messages[last];
            last + 1 == chat.messages.len()
                && has_thoughts(message)
                && message.tool_calls.is_empty()
        });
        let Some(last) = last else {
            return Ok(None);
        };
        if self.generation_prompt().is_empty() {
            return Ok(None);
        }
        let before = Chat {
            messages: &chat.messages[..last],
            ..chat
        };
        let prompt = match self.locate(before, true, Some(tokenizer)) {
            Ok(rendering) => self.located_before(before, rendering)?,
            Err(error @ ChatError::Rewritten { .. }) => {
                if tools::special_token_in(tokenizer, before)?.is_some() {
                    return Err(error);
                }
                Located {
                    text: self.render_chat(before, true)?,
                    regions: Regions::default(),
                    answers: Vec::new(),
                    n_cut: n_cut(before.messages, &[]),
                }
            }
            Err(error) => return Err(error),
        };
        let mut located = prompt;
        let mut message = chat.messages[last].clone();
        thinking::merge(&mut message);
        let answer = thinking::after_prompt(&located.text, &message.content);
        let start = located.text.len();
        let tags = self.tags_for(Some(tokenizer));
        let words = rendering::words_of(answer, &tags);
        let words = words.into_iter().map(|w| start + w.start..start + w.end);
        located.regions.text.extend(words);
        located.text.push_str(answer);
        let range = start..located.text.len();
        located.text.push_str(self.end_of_turn()?);
        located.answers.push(Answer {
            message: last,
            range,
            until: located.text.len(),
            is_cut: false,
        });
        Ok(Some(located))
    }

    /// Finds the answers in a prompt. Its last answer may be cut like the others.
    fn located_before(&self, chat: Chat<'_>, rendering: Rendering) -> Result<Located, ChatError> {
        let mut answers = Vec::new();
        for (message, Message { role, .. }) in chat.messages.iter().enumerate() {
            if *role == Role::Assistant {
                answers.extend(
                    self.answer(chat, &rendering, message)?
                        .map(|answer| Answer {
                            is_cut: answer.is_cut || rendering.incomplete.contains(&message),
                            ..answer
                        }),
                );
            }
        }
        Ok(Located {
            regions: rendering.regions(chat.messages),
            n_cut: n_cut(chat.messages, &answers),
            text: rendering.text,
            answers,
        })
    }
}

/// Index of the last message of the assistant.
fn last_answer(messages: &[Message]) -> Option<usize> {
    messages.iter().rposition(|m| m.role == Role::Assistant)
}

/// The number of answers to learn that are cut or not located.
fn n_cut(messages: &[Message], answers: &[Answer]) -> usize {
    let is_whole = |at: usize| answers.iter().any(|a| a.message == at && !a.is_cut);
    let is_wanted = |message: &Message| {
        message.role == Role::Assistant
            && message.is_learned
            && !(message.content.trim().is_empty() && message.tool_calls.is_empty())
    };
    let wanted = messages.iter().enumerate().filter(|(_, m)| is_wanted(m));
    wanted.filter(|(at, _)| !is_whole(*at)).count()
}

/// The error about an answer of which the template omits a part.
fn incomplete(messages: &[Message], message: usize) -> ChatError {
    let hint = if has_thoughts(&messages[message]) {
        THOUGHTS
    } else {
        AS_IT_IS
    };
    ChatError::Incomplete {
        message: message + 1,
        hint,
    }
}
