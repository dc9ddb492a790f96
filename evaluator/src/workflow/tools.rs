//! Tools: documentation and code, names and files, the parser, the visible tests, and snippets after the program.
//!
//! | strategy | chooses |
//! |---|---|
//! | `rule` | symbols of the signature, documentation, code, in this order |
//! | `plan` | the model, up to four lookups in its first answer |
//! | `react` | the model, one action after the other, up to eight |
//!
//! With `rule` and `plan` the program is then drafted with what was found, parsed, run, and revised with the report.
//! `react` ends with a program whose visible tests pass. Otherwise it stops acting after two equal actions in a row, a
//! program that repeats an earlier one, two answers in a wrong format, eight actions, or with the last call of the
//! budget; then it drafts a program, unless there is one that can be run, and revises it in the same way.
//!
//! `tools_blind` has no lookups, so that with `rule` and `plan` it drafts at once.
//!
//! # Source
//! Zhang et al. 2024, arXiv:2401.07339 (`CodeAgent`), with a format of one line instead of its framework's, and without
//! its web search.

use slm_artifacts::StopReason;
use slm_config::{MOST_ACTIONS, MOST_SYMBOLS, Strategy};

use super::acting::Choice;
use super::action::Action;
use super::agent::{Agent, Code};
use super::event::{ExecutionResult, LookupResult};
use super::rag::reference;
use super::signature::symbols;
use super::snippet::cut;
use super::test_report::report;
use super::tool::{ALL, LOOKUPS, Offer, Tool, WITHOUT_LOOKUPS, names};
use super::{parser, repair};
use crate::knowledge::{Form, Look};

/// Most characters of an observation.
const MOST_OBSERVED: usize = 600;

/// Answers in a wrong format after which the model does not act any more.
const MOST_MISREAD: usize = 2;

const NO_LOOKUPS: &str = "no lookups left";
const NO_EXECUTIONS: &str = "no executions left";
const NOTHING: &str = "nothing found";
const NO_PROGRAM: &str = "there is no program yet";
const NOT_IN_REPOSITORY: &str = "try is not available for functions of a repository";
const HIDDEN: &str = "hidden for this task";

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let looks_up = agent.workflow().looks_up();
    match agent.strategy() {
        Strategy::React => react(&agent, if looks_up { ALL } else { WITHOUT_LOOKUPS }).await,
        Strategy::Rule if looks_up => with_lookups(&agent, by_rule(&agent)).await,
        Strategy::Plan if looks_up => with_lookups(&agent, agent.choose(LOOKUPS).await?).await,
        Strategy::Rule | Strategy::Plan => with_lookups(&agent, Vec::new()).await,
    }
}

/// Returns the lookups of the strategy `rule`.
fn by_rule(agent: &Agent) -> Vec<Action> {
    let task = agent.task();
    let symbols = symbols(&task.prompt, &task.entry_point, MOST_SYMBOLS);
    let symbols = symbols.into_iter().map(|name| (Tool::Symbol, name));
    let words = [Tool::Docs, Tool::Code].map(|tool| (tool, agent.query()));
    let all = symbols.chain(words);
    all.map(|(tool, argument)| Action { tool, argument })
        .collect()
}

/// Does lookups, and then drafts and revises a program.
async fn with_lookups(agent: &Agent, lookups: Vec<Action>) -> Result<StopReason, StopReason> {
    let mut texts: Vec<String> = Vec::new();
    for lookup in lookups {
        let shown = look(agent, &lookup).await?.map(|found| found.shown);
        let text = shown.unwrap_or_default().trim_end().to_owned();
        if !text.is_empty() && !texts.contains(&text) {
            texts.push(text);
        }
    }
    let reference = reference(&agent.permitted(&texts));
    let draft = agent.draft_after(&reference).await?;
    revise(agent, draft, &reference).await
}

/// Parses, runs and revises a program.
async fn revise(agent: &Agent, code: Code, reference: &str) -> Result<StopReason, StopReason> {
    let fault = |code| {
        agent
            .fault(code)
            .map(|fault| parser::fault(&agent.text(code), fault))
    };
    repair::run_with(agent, code, agent.rounds(), reference, fault).await
}

/// Lets the model choose each action.
async fn react(agent: &Agent, offer: Offer) -> Result<StopReason, StopReason> {
    let mut history = History::default();
    let mut previous: Option<Action> = None;
    for _ in 0..MOST_ACTIONS {
        // The rest of the budget is kept for a draft.
        if history.sound.is_none() && (agent.calls_left() <= 1 || !agent.has_tokens_to_act()) {
            break;
        }
        match agent.act(offer, &history.text(agent)).await? {
            Choice::Program(code) => {
                previous = None;
                if agent.repeats(code) {
                    break;
                }
                let report = history.run(agent, code).await?;
                let result = agent.result(code);
                if result.as_ref().is_some_and(ExecutionResult::all_passed) {
                    return Ok(StopReason::TestsPassed);
                }
                if result.as_ref().is_some_and(ExecutionResult::is_silent) {
                    return Ok(StopReason::Finished);
                }
                history.push(Said::Program(code), report);
            }
            Choice::Action(action) => {
                if previous.as_ref() == Some(&action) {
                    break;
                }
                let observation = history.observe(agent, &action).await?;
                previous = Some(action.clone());
                history.push(Said::Action(action), observation);
            }
            Choice::Misread(misread) => {
                previous = None;
                let observation = format!("{misread}; tools: {}", names(offer));
                history.push(Said::Nothing, observation);
            }
        }
        if agent.format_failures() >= MOST_MISREAD {
            break;
        }
    }
    let reference = reference(&history.found(agent));
    let code = match history.sound {
        Some(code) => code,
        None => agent.draft_after(&reference).await?,
    };
    revise(agent, code, &reference).await
}

/// What the model did, and what it was shown then.
#[derive(Default)]
struct History {
    entries: Vec<(Said, String)>,
    last: Option<Code>,
    /// The last program that can be run.
    sound: Option<Code>,
}

/// An answer in the history.
enum Said {
    Action(Action),
    Program(Code),
    /// Neither.
    Nothing,
}

impl History {
    fn push(&mut self, said: Said, observation: String) {
        self.entries.push((said, cut(&observation, MOST_OBSERVED)));
    }

    /// Lists all answers with their observations; of the programs, only the last in full.
    fn text(&self, agent: &Agent) -> String {
        if self.entries.is_empty() {
            return "Nothing yet.".to_owned();
        }
        let said = |said: &Said| match said {
            Said::Action(action) => cut(&action.to_string(), MOST_OBSERVED),
            Said::Program(code) if !agent.is_sound(*code) => {
                "A program that cannot be run.".to_owned()
            }
            Said::Program(code) if Some(*code) == self.last => {
                format!("```python\n{}\n```", agent.text(*code).trim_end())
            }
            Said::Program(_) => "An earlier program.".to_owned(),
            Said::Nothing => "An answer in a wrong format.".to_owned(),
        };
        let entries = self.entries.iter();
        let entries: Vec<String> = entries
            .map(|(of, observation)| format!("{}\n{}", said(of), observed(observation)))
            .collect();
        agent.permitted(&entries)
    }

    /// Lists the actions with their observations, without programs, for the request for a program.
    fn found(&self, agent: &Agent) -> String {
        let entries: Vec<String> = self
            .entries
            .iter()
            .filter_map(|(said, observation)| match said {
                // What a snippet printed helped the model to act.
                Said::Action(action) if action.tool != Tool::Try => Some(format!("{action}\n{}", observed(observation))),
                Said::Action(_) | Said::Program(_) | Said::Nothing => None,
            })
            .collect();
        agent.permitted(&entries)
    }

    /// Runs a new program, and returns the report.
    async fn run(&mut self, agent: &Agent, code: Code) -> Result<String, StopReason> {
        self.last = Some(code);
        if agent.is_sound(code) {
            self.sound = Some(code);
        }
        agent.run(&[code], &[]).await?;
        Ok(reported(agent, code))
    }

    /// Does an action, and returns what the model is shown then.
    async fn observe(&self, agent: &Agent, action: &Action) -> Result<String, StopReason> {
        let observation = match (action.tool, self.last) {
            (Tool::Docs | Tool::Code | Tool::Symbol | Tool::Read, _) => {
                let found = look(agent, action).await?;
                found.map_or_else(|| NO_LOOKUPS.to_owned(), |found| shown(&found))
            }
            (Tool::Check | Tool::Run, None) => NO_PROGRAM.to_owned(),
            (Tool::Check, Some(code)) => parser::check(&agent.text(code), agent.fault(code)),
            // Every program was run when it was written.
            (Tool::Run, Some(code)) => reported(agent, code),
            (Tool::Try, _) if agent.task().repository.is_some() => NOT_IN_REPOSITORY.to_owned(),
            (Tool::Try, _) if agent.executions_left() == 0 => NO_EXECUTIONS.to_owned(),
            (Tool::Try, _) => {
                let output = agent.try_snippet(self.sound, &action.argument).await?;
                // A package that the program can import may contain what is hidden.
                let is_permitted = agent.knowledge().permits(agent.task(), &output);
                if is_permitted {
                    output
                } else {
                    HIDDEN.to_owned()
                }
            }
        };
        Ok(observation)
    }
}

fn observed(observation: &str) -> String {
    format!("Observation: {}", observation.trim_end())
}

/// Returns the report of a program that was run, or why it was not.
fn reported(agent: &Agent, code: Code) -> String {
    let fault = agent.fault(code);
    let fault = fault.map(|fault| parser::fault(&agent.text(code), fault));
    report(fault.as_deref(), agent.result(code).as_ref())
}

/// Does a lookup; `None` if the budget has none left.
async fn look(agent: &Agent, action: &Action) -> Result<Option<LookupResult>, StopReason> {
    let Some(tool) = action.tool.lookup() else {
        return Ok(None);
    };
    let look = Look {
        tool,
        query: action.argument.clone(),
        form: Form::Observation,
    };
    agent.look(look).await
}

/// Returns the text of a lookup, or why there is none.
fn shown(found: &LookupResult) -> String {
    let problem = found.problem.as_deref().unwrap_or(NOTHING);
    match found.shown.as_str() {
        "" => problem.to_owned(),
        shown => shown.to_owned(),
    }
}
