//! Where answers come from: the built-in model, or a script in tests.

mod local;
#[cfg(test)]
pub(crate) mod scripted;

pub(crate) use local::LocalModel;

use anyhow::Result;

use crate::record::FinishReason;

/// One request for the rest of a Python program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// What the program begins with: imports, signature, docstring.
    pub(crate) stub: String,
    /// Seeds this answer's draws alone, so that it does not depend on the others.
    pub(crate) seed: u64,
}

/// What the model answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// The text after the stub, without stop string or end token.
    pub(crate) text: String,
    pub(crate) prompt_tokens: usize,
    pub(crate) completion_tokens: usize,
    pub(crate) finish_reason: FinishReason,
    /// Share of the batch's wall time, in seconds.
    pub(crate) seconds: f64,
}

/// What happens while answers are made.
pub(crate) enum Event {
    /// Query number `index` is answered. Every query is, once, in any order.
    Answered { index: usize, answer: Answer },
    /// So many tokens were made so far, over all queries.
    Tokens(usize),
}

/// A model that answers.
pub(crate) trait Backend {
    /// Answers all queries and tells of each answer as soon as it is there.
    fn answer(
        &self,
        queries: &[Query],
        on_event: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<()>;
}
