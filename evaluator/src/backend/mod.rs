//! Where answers come from: the built-in model, a server, or a script in tests.

pub(crate) mod endpoint;
mod local;
#[cfg(test)]
pub(crate) mod scripted;

pub(crate) use local::LocalModel;

use anyhow::{Context, Result};
use slm_model::{ChatTemplate, GenerationError, Message, Sampling, Tokenizer};

use slm_artifacts::FinishReason;

/// One call to the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    /// The conversation so far; without one, `begun` is gone on from as plain text.
    pub(crate) messages: Vec<Message>,
    /// How the answer begins; may be empty.
    pub(crate) begun: String,
    /// Texts that end the answer, and are not part of it.
    pub(crate) stop: Vec<&'static str>,
    pub(crate) sampling: Sampling,
    pub(crate) max_new_tokens: usize,
    /// Seeds this answer's draws alone, so that it does not depend on the others.
    pub(crate) seed: u64,
    /// Whether the adapter answers, or the base model.
    pub(crate) with_adapter: bool,
}

impl Query {
    /// The tokens to be gone on from.
    pub(crate) fn prompt_ids(
        &self,
        tokenizer: &Tokenizer,
        template: &ChatTemplate,
    ) -> Result<Vec<u32>> {
        if self.messages.is_empty() {
            let (start, text) = (tokenizer.text_start()?, tokenizer.encode_text(&self.begun)?);
            return Ok([start, text].concat());
        }
        template
            .encode_begun(tokenizer, &self.messages, &self.begun)
            .context("cannot render the request")
    }

    /// An answer's text, without the newline that belongs to the beginning where the vocabulary left it to the model.
    pub(crate) fn after_begun(&self, text: String) -> String {
        if !self.messages.is_empty() && self.begun.ends_with('\n') {
            ChatTemplate::code_body(&text).to_owned()
        } else {
            text
        }
    }
}

/// Refuses a prompt that leaves less room than the answer may take, before anything is computed; all in tokens.
fn check_room(prompt: usize, new: usize, limit: usize) -> Result<(), GenerationError> {
    if prompt + new <= limit {
        return Ok(());
    }
    Err(GenerationError::TooLong {
        index: 0,
        prompt,
        new,
        limit,
    })
}

/// What the model answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// The text after the beginning, without stop string or end token.
    pub(crate) text: String,
    pub(crate) prompt_tokens: usize,
    /// At most what the query allowed.
    pub(crate) completion_tokens: usize,
    pub(crate) finish_reason: FinishReason,
    /// Share of the batch's wall time, in seconds.
    pub(crate) seconds: f64,
    /// How often a server was asked again until it answered.
    pub(crate) retries: usize,
    /// Whether tokens were counted here because a server did not.
    pub(crate) tokens_estimated: bool,
}

/// Who asks a model, and hears its answers; an answer may lead to the next query.
pub(crate) trait Caller {
    /// The next query, if there is one by now. With `idle` the model has nothing to do, and `None` ends its work.
    fn next(&mut self, idle: bool) -> Result<Option<Query>>;

    /// Query number `index`, in the order in which they were given out, is answered. Every query is, once.
    fn answered(&mut self, index: usize, answer: Answer) -> Result<()>;

    /// So many tokens were made so far, over all queries.
    fn tokens(&mut self, made: usize) -> Result<()>;
}

/// A model that answers.
pub(crate) trait Backend {
    /// Whether a query can be answered in full.
    ///
    /// # Errors
    /// Prompt and answer do not fit the model.
    fn check(&self, query: &Query) -> Result<()>;

    /// Answers until the caller has no more to ask. A query that leaves too little room is answered more briefly, or
    /// with [`FinishReason::NoRoom`].
    fn serve(&self, caller: &mut dyn Caller) -> Result<()>;
}
