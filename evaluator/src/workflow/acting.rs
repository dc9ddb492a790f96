//! The part of the interface of workflows that only `tools` uses: requests for an action or for lookups, and snippets.

use slm_artifacts::{Expects, StopReason};
use slm_config::{Prompting, Role, Strategy};

use super::action::{Action, Misread};
use super::agent::{Agent, Code};
use super::prompt::Prompt;
use super::read::Reading;
use super::step_queue::ModelCall;
use super::tool::{Offer, list};

/// Where a model is stopped that makes up the observation after its action.
const STOP: &str = "\nObservation:";

/// What the model chose.
pub(super) enum Choice {
    Action(Action),
    Program(Code),
    Misread(Misread),
}

impl Agent {
    /// Who chooses the tools.
    pub(super) fn strategy(&self) -> Strategy {
        self.settings.evaluate.tools.strategy
    }

    /// Requests the next action, or a program.
    pub(super) async fn act(&self, offer: Offer, history: &str) -> Result<Choice, StopReason> {
        let values = [("history", history)];
        let call = ModelCall {
            stop: vec![STOP],
            max_new_tokens: self.settings.evaluate.max_new_tokens,
            ..self.choice(Role::Coder, Expects::Action, offer, Prompt::Act, &values)
        };
        let result = self.send(None, call)?;
        let step = result.step;
        match result.await? {
            Reading::Action(action) => Ok(Choice::Action(action)),
            Reading::Program(_) => Ok(Choice::Program(Code(step))),
            Reading::Misread(misread) => Ok(Choice::Misread(misread)),
            other => unreachable!("an action was expected, not {other:?}"),
        }
    }

    /// Requests a list of lookups.
    pub(super) async fn choose(&self, offer: Offer) -> Result<Vec<Action>, StopReason> {
        let (role, prompt) = (Role::Librarian, Prompt::ChooseTools);
        let call = self.choice(role, Expects::Lookups, offer, prompt, &[]);
        match self.send(None, call)?.await? {
            Reading::Lookups(lookups) => Ok(lookups),
            other => unreachable!("lookups were expected, not {other:?}"),
        }
    }

    /// Runs a snippet after a program, or after the task's imports, and returns what it printed.
    pub(super) async fn try_snippet(
        &self,
        after: Option<Code>,
        snippet: &str,
    ) -> Result<String, StopReason> {
        let step = after.map(|code| code.0);
        let sent = self.queue.borrow_mut().try_snippet(step, snippet)?;
        match self.pending(sent).await? {
            Reading::Prose(output) => Ok(output),
            other => unreachable!("an output was expected, not {other:?}"),
        }
    }

    /// Returns the text of a program, also of one that cannot be run.
    pub(super) fn text(&self, code: Code) -> String {
        self.queue.borrow().candidate(code.0).program.text.clone()
    }

    /// Returns how often the model missed a format.
    pub(super) fn format_failures(&self) -> usize {
        self.queue.borrow().format_failures().len()
    }

    /// Returns the calls that the budget has left.
    pub(super) fn calls_left(&self) -> usize {
        self.queue.borrow().left().calls
    }

    /// Returns the executions that the budget has left.
    pub(super) fn executions_left(&self) -> usize {
        self.queue.borrow().left().executions
    }

    /// Whether the budget has tokens for an action and a draft after it.
    pub(super) fn has_tokens_to_act(&self) -> bool {
        let left = self.queue.borrow().left().completion_tokens;
        left > self.settings.evaluate.max_new_tokens
    }

    /// Joins texts that may each be shown, without those that may not be shown beside the others.
    pub(super) fn permitted(&self, texts: &[String]) -> String {
        let mut joined = String::new();
        for text in texts {
            let gap = if joined.is_empty() { "" } else { "\n\n" };
            let longer = format!("{joined}{gap}{text}");
            if self.knowledge().permits(self.task(), &longer) {
                joined = longer;
            }
        }
        joined
    }

    /// Returns a call whose prompt lists the tools on offer.
    fn choice(
        &self,
        role: Role,
        expects: Expects,
        offer: Offer,
        prompt: Prompt,
        values: &[(&str, &str)],
    ) -> ModelCall {
        let tools = list(offer);
        let values = [&[("tools", tools.as_str())], values].concat();
        ModelCall {
            role,
            expects,
            offer,
            part: None,
            choices: Vec::new(),
            messages: self.messages(prompt, None, &values),
            begun: String::new(),
            stop: Vec::new(),
            prompting: Prompting::Chat,
            sampling: self.sampling(),
            max_new_tokens: self.side_tokens(),
        }
    }
}
