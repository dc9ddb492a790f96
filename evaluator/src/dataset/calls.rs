//! Calls to a model outside of a run: a list of queries, and the answers in its order.

use anyhow::Result;
use slm_cli::Progress;

use crate::backend::{Answer, Backend, Caller, Query};

/// Asks the model all queries.
///
/// # Errors
/// The model fails.
pub(crate) fn ask(model: &dyn Backend, queries: Vec<Query>, label: &str) -> Result<Vec<Answer>> {
    let mut list = List {
        progress: Progress::new(label, queries.len() as u64, "answers"),
        answers: vec![None; queries.len()],
        queries: queries.into_iter(),
        done: 0,
    };
    model.serve(&mut list)?;
    list.progress.finish();
    // Every query is answered once, or `serve` fails.
    Ok(list.answers.into_iter().flatten().collect())
}

/// Returns the number of answers, and of tokens in them.
pub(crate) fn spent(answers: &[Answer]) -> (usize, usize) {
    let tokens = answers.iter().map(|of| of.completion_tokens).sum();
    (answers.len(), tokens)
}

struct List {
    queries: std::vec::IntoIter<Query>,
    answers: Vec<Option<Answer>>,
    done: u64,
    progress: Progress,
}

impl Caller for List {
    fn next(&mut self, _: bool) -> Result<Option<Query>> {
        Ok(self.queries.next())
    }

    fn answered(&mut self, index: usize, answer: Answer) -> Result<()> {
        self.answers[index] = Some(answer);
        self.done += 1;
        self.progress.set(self.done, "");
        Ok(())
    }

    fn tokens(&mut self, _: usize) -> Result<()> {
        Ok(())
    }
}
