//! What goes wrong with chat templates, and what to do about it.

use thiserror::Error;

use super::Message;
use crate::tokenizer::TokenizerError;

/// What went wrong with a chat template.
#[derive(Debug, Error)]
pub enum ChatError {
    /// The template is no valid Jinja, or larger than any template should be.
    #[error("chat template: {reason}")]
    Template {
        /// Where and why.
        reason: String,
    },
    /// The template refuses these messages, or does more work than any template should.
    #[error("chat template failed: {reason}")]
    Render {
        /// Where and why; a template's own `raise_exception` appears here.
        reason: String,
    },
    /// The model has no chat template.
    #[error(
        "no chat template is set, and this model's tokenizer has no `<|im_start|>` for ChatML\nhint: put the template into the model's folder as chat_template.jinja, use an Instruct model, or train on plain text (format text)"
    )]
    Missing,
    /// The template changes what is said, so its own text cannot be separated from theirs.
    #[error(
        "chat template rewrites a message, so its markup cannot be separated from the message's text"
    )]
    Rewritten {
        /// What to do about it.
        hint: &'static str,
    },
    /// The template leaves out a part of an answer that is to be learned.
    #[error("chat template leaves out a part of message {message}, an answer to learn")]
    Incomplete {
        /// The message's number, counted from 1.
        message: usize,
        /// What to do about it.
        hint: &'static str,
    },
    /// Nothing marks the end of the assistant's turn.
    #[error(
        "chat template puts nothing after the assistant's message, and the model has no end token"
    )]
    NoEndOfTurn,
    /// The rendered text could not be tokenized.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// What to do about an answer with thoughts in it.
pub(super) const THOUGHTS: &str = "the template handles `<think>` itself: take the thoughts out of the answers, or give the model a chat_template.jinja that prints messages as they are";
/// What to do about any other message.
pub(super) const AS_IT_IS: &str =
    "give the model a chat_template.jinja that prints messages as they are";

impl ChatError {
    /// The error for a template that rewrites one of these messages.
    pub(super) fn rewritten(messages: &[Message]) -> Self {
        let has_thoughts = messages
            .iter()
            .any(|message| has_thoughts(&message.content));
        Self::Rewritten {
            hint: if has_thoughts { THOUGHTS } else { AS_IT_IS },
        }
    }

    /// What a user can do about messages that the template does not take as they are.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Rewritten { hint } | Self::Incomplete { hint, .. } => Some(hint),
            _ => None,
        }
    }
}

/// Whether a message has thoughts in it, or what is left of them.
pub(super) fn has_thoughts(content: &str) -> bool {
    ["<think>", "</think>"]
        .iter()
        .any(|tag| content.contains(tag))
}
