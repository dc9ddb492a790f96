//! Answers that the run has already: workflows and their controls begin with the same calls, and the answer to a greedy call
//! is always the same.

use std::cell::RefCell;
use std::collections::HashMap;

use slm_artifacts::sha256;

use super::{Answer, Query, Wanted};

/// All that decides the answer to a greedy call of the built-in model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Call {
    adapter: Option<usize>,
    /// SHA-256 of the prompt's token ids.
    prompt: String,
    max_new_tokens: usize,
    stop: Vec<&'static str>,
    wanted: Wanted,
}

impl Call {
    /// Returns what decides the answer to a query; `None` if it is drawn, since each draw has its own seed. `adapter` has the
    /// same meaning in all calls of a run, `max_new_tokens` is the query's limit as far as there is room after the prompt.
    pub(super) fn of(
        query: &Query,
        adapter: Option<usize>,
        prompt: &[u32],
        max_new_tokens: usize,
    ) -> Option<Self> {
        if !query.sampling.is_greedy() {
            return None;
        }
        let bytes: Vec<u8> = prompt.iter().flat_map(|id| id.to_le_bytes()).collect();
        Some(Self {
            adapter,
            prompt: sha256(bytes),
            max_new_tokens,
            stop: query.stop.clone(),
            wanted: query.wanted,
        })
    }
}

/// The answers to the greedy calls of a run.
#[derive(Debug, Default)]
pub(crate) struct GivenAnswers {
    answers: RefCell<HashMap<Call, Answer>>,
}

impl GivenAnswers {
    /// Returns the answer to an equal call, if there was one.
    pub(super) fn get(&self, call: &Call) -> Option<Answer> {
        let answers = self.answers.borrow();
        answers.get(call).map(|answer| Answer {
            reused: true,
            ..answer.clone()
        })
    }

    /// Keeps an answer for equal calls.
    pub(super) fn keep(&self, call: Call, answer: &Answer) {
        self.answers.borrow_mut().insert(call, answer.clone());
    }
}

#[cfg(test)]
mod tests {
    use slm_artifacts::FinishReason;
    use slm_model::{Message, Role, Sampling};

    use super::super::Speaker;
    use super::*;

    fn query() -> Query {
        Query {
            messages: vec![Message::new(Role::User, "Add.")],
            begun: String::new(),
            stop: vec!["\n"],
            sampling: Sampling::GREEDY,
            max_new_tokens: 8,
            seed: 1,
            speaker: Speaker::Arm,
            wanted: Wanted::default(),
        }
    }

    #[test]
    fn only_equal_greedy_calls_share_an_answer() {
        let given = GivenAnswers::default();
        let answer = Answer {
            text: "pass".to_owned(),
            prompt_tokens: 3,
            completion_tokens: 1,
            finish_reason: FinishReason::Stop,
            seconds: 0.5,
            reused: false,
            retries: 0,
            tokens_estimated: false,
            log_probability: None,
            judgement: None,
        };
        let call = |query: &Query| Call::of(query, Some(0), &[1, 2, 3], 8).expect("greedy");
        given.keep(call(&query()), &answer);
        // Neither the seed of a greedy call nor the role that an adapter has in it decides anything.
        let again = Query {
            seed: 2,
            speaker: Speaker::Adapter(0),
            ..query()
        };
        let expected = Answer {
            reused: true,
            ..answer
        };
        assert_eq!(given.get(&call(&again)), Some(expected));
        let asking = |wanted: Wanted| call(&Query { wanted, ..query() });
        for other in [
            Call::of(&query(), None, &[1, 2, 3], 8).expect("greedy"),
            Call::of(&query(), Some(1), &[1, 2, 3], 8).expect("greedy"),
            Call::of(&query(), Some(0), &[1, 2], 8).expect("greedy"),
            Call::of(&query(), Some(0), &[1, 2, 3], 9).expect("greedy"),
            call(&Query {
                stop: Vec::new(),
                ..query()
            }),
            asking(Wanted {
                log_probability: true,
                ..Wanted::default()
            }),
            asking(Wanted {
                judgement: true,
                ..Wanted::default()
            }),
            asking(Wanted {
                one_statement: Some(4),
                ..Wanted::default()
            }),
        ] {
            assert_eq!(given.get(&other), None, "{other:?}");
        }
        let sampling = Sampling {
            temperature: 0.5,
            ..Sampling::GREEDY
        };
        let drawn = Query {
            sampling,
            ..query()
        };
        assert_eq!(Call::of(&drawn, Some(0), &[1, 2, 3], 8), None);
    }
}
