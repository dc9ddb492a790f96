//! Sources of answers: the built-in model, a server, or a script in tests.

pub(crate) mod endpoint;
mod local;
mod reuse;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod teacher;
mod wanted;

pub(crate) use local::LocalModel;
pub(crate) use reuse::GivenAnswers;
pub(crate) use wanted::{Judgement, LogProbability, Wanted};

use anyhow::{Context, Result};
use slm_model::{ChatTemplate, GenerationError, Message, Sampling, Tokenizer};

use slm_artifacts::FinishReason;

/// One call to the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    /// The conversation; without one, `begun` is continued as plain text.
    pub(crate) messages: Vec<Message>,
    /// The beginning of the answer (prefill); may be empty.
    pub(crate) begun: String,
    /// Stop strings, which are not part of the answer.
    pub(crate) stop: Vec<&'static str>,
    pub(crate) sampling: Sampling,
    pub(crate) max_new_tokens: usize,
    /// Seeds the sampling of this answer alone, so that it does not depend on other answers.
    pub(crate) seed: u64,
    /// Who answers.
    pub(crate) speaker: Speaker,
    /// What is asked beyond the answer's text.
    pub(crate) wanted: Wanted,
}

/// Who answers a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// The base model alone.
    Base,
    /// The base model with the arm's adapter, if it has one.
    Arm,
    /// The base model with an adapter of `evaluate.speakers`, by its index among them.
    Adapter(usize),
    /// The server of `evaluate.teacher`.
    Teacher,
}

impl Query {
    /// Returns the token ids of the prompt.
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

    /// Returns an answer's text without the newline that ends `begun`, which some vocabularies leave to the model.
    pub(crate) fn after_begun(&self, text: String) -> String {
        if !self.messages.is_empty() && self.begun.ends_with('\n') {
            ChatTemplate::code_body(&text).to_owned()
        } else {
            text
        }
    }
}

/// Refuses a prompt that leaves too little room for the answer, before anything is computed; all numbers are tokens.
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

/// A model's answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// The text after `begun`, without stop string or end token.
    pub(crate) text: String,
    pub(crate) prompt_tokens: usize,
    /// At most [`Query::max_new_tokens`].
    pub(crate) completion_tokens: usize,
    pub(crate) finish_reason: FinishReason,
    /// Share of the batch's wall time, in seconds; of a reused answer that of the call which made it.
    pub(crate) seconds: f64,
    /// Whether an earlier call of the run, equal to this one, made it.
    pub(crate) reused: bool,
    /// How often the request to a server was repeated.
    pub(crate) retries: usize,
    /// Whether tokens were counted locally because the server did not report them.
    pub(crate) tokens_estimated: bool,
    /// Its log-probability, if [`Wanted::log_probability`] and the source has it.
    pub(crate) log_probability: Option<LogProbability>,
    /// The probabilities of yes and no, if [`Wanted::judgement`].
    pub(crate) judgement: Option<Judgement>,
}

/// Supplies a model with queries and receives the answers; an answer may lead to the next query.
pub(crate) trait Caller {
    /// Returns the next query if there is one now. If the model is `idle`, `None` ends its work.
    fn next(&mut self, idle: bool) -> Result<Option<Query>>;

    /// Receives the answer to query number `index`, in the order of [`Self::next`]. Every query is answered once.
    fn answered(&mut self, index: usize, answer: Answer) -> Result<()>;

    /// Receives the number of tokens generated for all queries.
    fn tokens(&mut self, made: usize) -> Result<()>;
}

/// A model that answers.
pub(crate) trait Backend {
    /// Checks that a query can be answered in full.
    ///
    /// # Errors
    /// Prompt and answer exceed the model's context.
    fn check(&self, query: &Query) -> Result<()>;

    /// Learns an answer that an earlier start of the run logged, so that an equal call need not be made again.
    ///
    /// # Errors
    /// The query cannot be rendered.
    fn remember(&self, _query: &Query, _answer: &Answer) -> Result<()> {
        Ok(())
    }

    /// Answers the caller's queries until there are no more. An answer is shortened if the query leaves too little
    /// room, or ends with [`FinishReason::NoRoom`].
    fn serve(&self, caller: &mut dyn Caller) -> Result<()>;
}
