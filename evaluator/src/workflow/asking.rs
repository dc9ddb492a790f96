//! The part of the interface of workflows that only chains of phases and routers use: phases, questions, routes.

use std::rc::Rc;

use slm_artifacts::{Expects, Phase, StopReason};
use slm_config::{Prompting, Role, Workflow};
use slm_metrics::syntax::Placeholder;

use super::agent::{Agent, Code};
use super::parser;
use super::prompt::Prompt;
use super::read::Reading;
use super::step_queue::ModelCall;
use crate::routing::Routing;

/// Most tokens of a question.
const MAX_QUESTION_TOKENS: usize = 64;

/// Most tokens of the answer to a question.
const MAX_ANSWER_TOKENS: usize = 96;

/// Most tokens of the name of a workflow.
const MAX_ROUTE_TOKENS: usize = 4;

impl Agent {
    /// Assigns the following steps to this phase.
    pub(super) fn begin_phase(&self, phase: Phase) {
        self.queue.borrow_mut().begin_phase(phase);
    }

    /// Marks a program as replaced before its run: it is kept only if no other can be run.
    pub(super) fn replace(&self, code: Code) {
        self.queue.borrow_mut().replace(code.0);
    }

    /// Returns the placeholders of a program that can be run.
    pub(super) fn missing(&self, code: Code) -> Vec<Placeholder> {
        if !self.is_sound(code) {
            return Vec::new();
        }
        parser::missing(self.task(), &self.text_of(code))
    }

    /// Returns the text of a program that can be run; empty if it cannot.
    pub(super) fn text_of(&self, code: Code) -> String {
        if !self.is_sound(code) {
            return String::new();
        }
        self.queue.borrow().candidate(code.0).program.text.clone()
    }

    /// Requests a question of the coder; `None` if it has none, or asks nothing.
    pub(super) async fn ask(
        &self,
        prompt: Prompt,
        values: &[(&str, &str)],
    ) -> Result<Option<String>, StopReason> {
        let call = ModelCall {
            max_new_tokens: self.at_most(MAX_QUESTION_TOKENS),
            ..self.words(Role::Coder, Expects::Question, prompt, values)
        };
        match self.send(None, call)?.await? {
            Reading::Question(question) => Ok(question),
            other => unreachable!("a question was expected, not {other:?}"),
        }
    }

    /// Requests the instructor's answer to a question, from the task's text alone.
    pub(super) async fn answer(
        &self,
        prompt: Prompt,
        question: &str,
    ) -> Result<String, StopReason> {
        let values = [("question", question)];
        let call = ModelCall {
            max_new_tokens: self.at_most(MAX_ANSWER_TOKENS),
            ..self.words(Role::Instructor, Expects::Prose, prompt, &values)
        };
        match self.send(None, call)?.await? {
            Reading::Prose(text) => Ok(text),
            other => unreachable!("words were expected, not {other:?}"),
        }
    }

    /// How `adaptive` chooses.
    pub(super) fn routing(&self) -> Rc<Routing> {
        Rc::clone(&self.settings.routing)
    }

    /// Records the workflow that was chosen.
    pub(super) fn route_to(&self, workflow: Workflow) {
        self.queue.borrow_mut().route_to(workflow);
    }

    /// Requests the name of one of these workflows; `None` if the answer is no such name.
    pub(super) async fn choose_route(
        &self,
        prompt: Prompt,
        choices: &[Workflow],
        listed: &str,
    ) -> Result<Option<Workflow>, StopReason> {
        let values = [("choices", listed)];
        let call = ModelCall {
            choices: choices.to_vec(),
            max_new_tokens: self.at_most(MAX_ROUTE_TOKENS),
            ..self.words(Role::Router, Expects::Route, prompt, &values)
        };
        match self.send(None, call)?.await? {
            Reading::Route(route) => Ok(route),
            other => unreachable!("a name was expected, not {other:?}"),
        }
    }

    fn at_most(&self, tokens: usize) -> usize {
        self.settings.evaluate.max_new_tokens.min(tokens)
    }

    fn words(
        &self,
        role: Role,
        expects: Expects,
        prompt: Prompt,
        values: &[(&str, &str)],
    ) -> ModelCall {
        ModelCall {
            role,
            expects,
            offer: &[],
            part: None,
            choices: Vec::new(),
            messages: self.messages(prompt, None, values),
            begun: String::new(),
            stop: Vec::new(),
            prompting: Prompting::Training,
            sampling: self.sampling(),
            max_new_tokens: self.side_tokens(),
        }
    }
}
