//! Errors of chat templates, with hints.

use thiserror::Error;

use super::Message;
use super::thinking::has_thoughts;
use crate::tokenizer::TokenizerError;

/// An error of a chat template.
#[derive(Debug, Error)]
pub enum ChatError {
    /// The template is not valid Jinja, or exceeds the size limit.
    #[error("chat template: {reason}")]
    Template {
        /// Position and cause.
        reason: String,
    },
    /// The template refuses these messages, or exceeds its work limit.
    #[error("chat template failed: {reason}")]
    Render {
        /// Position and cause; includes the text of a template's own `raise_exception`.
        reason: String,
    },
    /// The model has no chat template.
    #[error(
        "no chat template is set, and this model's tokenizer has no `<|im_start|>` for ChatML\nhint: name a template with `model.chat_template`, or put it into the model's folder as chat_template.jinja; use an Instruct model, or train on plain text (format text)"
    )]
    Missing,
    /// The template changes message texts, so its markup cannot be separated from them.
    #[error(
        "chat template rewrites a message, so its markup cannot be separated from the message's text"
    )]
    Rewritten {
        /// The hint.
        hint: &'static str,
    },
    /// The template omits part of an answer to train on.
    #[error("chat template omits part of message {message}, an answer to train on")]
    Incomplete {
        /// The message's number, counted from 1.
        message: usize,
        /// The hint.
        hint: &'static str,
    },
    /// The template shows no tools or tool calls, so that a model cannot learn them.
    #[error("chat template prints no {what}")]
    NoTools {
        /// What the template omits.
        what: &'static str,
    },
    /// A tool call or a definition of a tool contains the spelling of a special token.
    #[error("{what} contains the special token {token}")]
    SpecialToken {
        /// Where it is.
        what: &'static str,
        /// Its spelling.
        token: String,
    },
    /// The end of the assistant's turn is unmarked.
    #[error(
        "chat template puts nothing after the assistant's message, and the model has no end token"
    )]
    NoEndOfTurn,
    /// The rendered text could not be tokenized.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// Hint for an answer with thoughts.
pub(super) const THOUGHTS: &str = "the template omits the thoughts (`<think>`) of the answer: `data.thinking: keep` learns them after the generation prompt, `data.thinking: strip` removes them; or set `model.chat_template` to a template that prints them";
/// Hint for any other message.
pub(super) const AS_IT_IS: &str =
    "set `model.chat_template` to a template that prints messages unchanged";
/// Hint for tools.
const TOOLS: &str =
    "set `model.chat_template` to a template with tools, or remove the rows with tool calls";

impl ChatError {
    /// Returns the error for a template that rewrites one of these messages.
    pub(super) fn rewritten(messages: &[Message]) -> Self {
        let is_thoughtful = messages.iter().any(has_thoughts);
        Self::Rewritten {
            hint: if is_thoughtful { THOUGHTS } else { AS_IT_IS },
        }
    }

    /// Returns the hint for messages that the template rewrites or omits.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Rewritten { hint } | Self::Incomplete { hint, .. } => Some(hint),
            Self::NoTools { .. } => Some(TOOLS),
            Self::SpecialToken { .. } => Some("remove the row"),
            _ => None,
        }
    }
}
