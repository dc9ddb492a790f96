//! A model that says what a test wrote down.

use std::cell::Cell;

use anyhow::Result;

use super::{Answer, Backend, Event, Query};
use crate::record::FinishReason;

/// Answers by a function of the stub, and counts what it was asked.
pub(crate) struct Scripted<F> {
    answer: F,
    asked: Cell<usize>,
}

impl<F: Fn(&str) -> String> Scripted<F> {
    pub(crate) fn new(answer: F) -> Self {
        Self {
            answer,
            asked: Cell::new(0),
        }
    }

    /// Number of queries answered so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.get()
    }
}

impl<F: Fn(&str) -> String> Backend for Scripted<F> {
    fn answer(
        &self,
        queries: &[Query],
        on_event: &mut dyn FnMut(Event) -> Result<()>,
    ) -> Result<()> {
        for (index, query) in queries.iter().enumerate() {
            self.asked.set(self.asked.get() + 1);
            let text = (self.answer)(&query.stub);
            let answer = Answer {
                completion_tokens: text.split_whitespace().count(),
                text,
                prompt_tokens: query.stub.split_whitespace().count(),
                finish_reason: FinishReason::Stop,
                seconds: 0.0,
            };
            on_event(Event::Answered { index, answer })?;
        }
        Ok(())
    }
}
