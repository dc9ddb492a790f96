//! A model that answers as a test's script defines.

use std::cell::{Cell, RefCell};

use anyhow::Result;

use super::{Answer, Backend, Caller, Judgement, LogProbability, Query};
use slm_artifacts::FinishReason;

/// The script's answer to a query.
pub(crate) struct Line {
    text: String,
    tokens: usize,
    finish_reason: FinishReason,
    /// Mean log-probability of a token, if it is asked for.
    mean: f64,
    judgement: Judgement,
}

impl Line {
    /// The same answer with this mean log-probability of a token.
    pub(crate) fn with_mean(self, mean: f64) -> Self {
        Self { mean, ..self }
    }

    /// A judgement of one token.
    pub(crate) fn judging(yes: f64, no: f64) -> Self {
        Self {
            judgement: Judgement { yes, no },
            ..Self::of_tokens("perhaps", 1)
        }
    }

    /// An answer of `tokens` tokens that ends the turn.
    pub(crate) fn of_tokens(text: impl Into<String>, tokens: usize) -> Self {
        Self {
            text: text.into(),
            tokens,
            finish_reason: FinishReason::Stop,
            mean: -1.0,
            judgement: Judgement::default(),
        }
    }

    /// An answer without an end.
    pub(crate) fn endless(text: impl Into<String>) -> Self {
        Self::of_tokens(text, usize::MAX)
    }

    /// No answer, since the prompt leaves no room.
    pub(crate) fn without_room() -> Self {
        Self {
            finish_reason: FinishReason::NoRoom,
            ..Self::of_tokens("", 0)
        }
    }
}

impl From<&str> for Line {
    /// Counts one token per word.
    fn from(text: &str) -> Self {
        Self::of_tokens(text, text.split_whitespace().count())
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// Answers by a function of the query, a batch at a time and the last of a batch first, and records the queries.
pub(crate) struct Scripted<F> {
    answer: F,
    batch_size: usize,
    asked: RefCell<Vec<Query>>,
    /// Fails after this many answers, as in a power failure.
    answers_left: Cell<usize>,
}

impl<F: Fn(&Query) -> Line> Scripted<F> {
    pub(crate) fn new(answer: F) -> Self {
        Self {
            answer,
            batch_size: 1,
            asked: RefCell::default(),
            answers_left: Cell::new(usize::MAX),
        }
    }

    pub(crate) fn with_batch_size(self, batch_size: usize) -> Self {
        Self { batch_size, ..self }
    }

    /// Makes the model fail after `answers` answers.
    pub(crate) fn dying_after(self, answers: usize) -> Self {
        self.answers_left.set(answers);
        self
    }

    /// Returns all queries that were received.
    pub(crate) fn asked(&self) -> Vec<Query> {
        self.asked.borrow().clone()
    }
}

impl<F: Fn(&Query) -> Line> Backend for Scripted<F> {
    fn check(&self, _: &Query) -> Result<()> {
        Ok(())
    }

    fn serve(&self, caller: &mut dyn Caller) -> Result<()> {
        let mut index = 0;
        loop {
            let mut batch = Vec::new();
            while batch.len() < self.batch_size
                && let Some(query) = caller.next(batch.is_empty())?
            {
                self.asked.borrow_mut().push(query.clone());
                batch.push((index, query));
                index += 1;
            }
            if batch.is_empty() {
                return Ok(());
            }
            for (index, query) in batch.into_iter().rev() {
                let left = self.answers_left.get();
                anyhow::ensure!(left > 0, "the power went out");
                self.answers_left.set(left - 1);
                let line = (self.answer)(&query);
                let cut = line.tokens > query.max_new_tokens;
                let answer = Answer {
                    prompt_tokens: query
                        .messages
                        .iter()
                        .map(|message| message.content.split_whitespace().count())
                        .sum(),
                    completion_tokens: line.tokens.min(query.max_new_tokens),
                    finish_reason: if cut {
                        FinishReason::Length
                    } else {
                        line.finish_reason
                    },
                    text: line.text,
                    seconds: 0.0,
                    reused: false,
                    retries: 0,
                    tokens_estimated: false,
                    log_probability: query.wanted.log_probability.then(|| {
                        let tokens = line.tokens.min(query.max_new_tokens);
                        LogProbability {
                            sum: line.mean * tokens as f64,
                            tokens,
                        }
                    }),
                    judgement: query.wanted.judgement.then_some(line.judgement),
                };
                caller.answered(index, answer)?;
            }
        }
    }
}
