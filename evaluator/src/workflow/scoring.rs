//! The part of the interface of workflows that compares programs by probabilities: of their tokens, or of the
//! verifier's yes.

use slm_artifacts::{Expects, StopReason};
use slm_config::{Beam, Prompting, Role, SamplesSelect};
use slm_model::Sampling;

use super::agent::{Agent, Code};
use super::prompt::Prompt;
use super::read::Reading;
use super::step_queue::{ModelCall, PendingResult};
use crate::backend::LogProbability;

/// Tokens of a judgement: only the probabilities of the first are read.
const JUDGEMENT_TOKENS: usize = 1;

/// The scores of some programs, in their order, and why the rest has none, if the budget ended.
pub(super) struct Judged {
    /// `None` for a program that was not judged, or by neither yes nor no.
    pub(super) scores: Vec<Option<f64>>,
    pub(super) spent: Option<StopReason>,
}

impl Agent {
    /// How `best_of_n` chooses.
    pub(super) fn samples_select(&self) -> SamplesSelect {
        self.settings.evaluate.samples_select
    }

    /// Settings of `beam`.
    pub(super) fn beam(&self) -> &Beam {
        &self.settings.evaluate.beam
    }

    /// Returns the mean log-probability of the answer that a program was read from.
    pub(super) fn likelihood(&self, code: Code) -> Option<f64> {
        let log_probability = self.queue.borrow().candidate(code.0).log_probability;
        log_probability.and_then(LogProbability::mean)
    }

    /// Asks the verifier about programs, each given by its text with the step that made it, concurrently.
    pub(super) async fn judge(&self, programs: &[(Option<Code>, String)]) -> Judged {
        let (mut asked, mut spent): (Vec<PendingResult>, _) = (Vec::new(), None);
        for (about, text) in programs {
            match self.send(*about, self.judgement(text)) {
                Ok(result) => asked.push(result),
                Err(stop) => {
                    spent = Some(stop);
                    break;
                }
            }
        }
        let mut scores = vec![None; programs.len()];
        for (score, result) in scores.iter_mut().zip(asked) {
            match result.await {
                Ok(Reading::Judged(judged)) => *score = judged,
                Ok(other) => unreachable!("a judgement was expected, not {other:?}"),
                // The prompt has no room for this program.
                Err(_) => {}
            }
        }
        Judged { scores, spent }
    }

    fn judgement(&self, program: &str) -> ModelCall {
        let values = [
            ("task", self.task().prompt.as_str()),
            ("entry_point", &self.task().entry_point),
            ("code", program),
        ];
        ModelCall {
            role: Role::Verifier,
            expects: Expects::Judgement,
            offer: &[],
            choices: Vec::new(),
            part: None,
            messages: self.settings.templates.messages(Prompt::Verifier, &values),
            begun: String::new(),
            stop: Vec::new(),
            prompting: Prompting::Chat,
            sampling: Sampling::GREEDY,
            max_new_tokens: JUDGEMENT_TOKENS,
        }
    }
}
