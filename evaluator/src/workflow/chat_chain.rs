//! A chain of phases, each a conversation of two roles: specify, code, complete, review, test.
//!
//! | phase | who | ends |
//! |---|---|---|
//! | specify | the instructor names inputs and results to check | after one call |
//! | code | the coder writes the first program | after one program |
//! | complete | the coder fills in placeholders that the parser finds | without placeholders, or after one revision |
//! | review | the reviewer names one change, which the coder makes | if approved, or after one revision |
//! | test | the program is run with visible and own tests, and the coder revises it by the report | when all pass, a revision is an earlier program, or the rounds are spent |
//!
//! The last three share `evaluate.rounds` revisions. Before each program the coder may ask the instructor one question,
//! which is answered from the task's text alone; `chat_chain_plain` is the same without questions. A revision that changes
//! nothing ends its phase and, in the phase test, the chain. A program that cannot be run is not reviewed: the report
//! of the phase test has the reason.
//!
//! # Source
//! Qian et al. 2024, arXiv:2307.07924 (`ChatDev`): its phases for code, and its communicative dehallucination. Without
//! the choice of a language, user interface and manuals.

use slm_artifacts::{Phase, StopReason};
use slm_config::{Role, Workflow};

use super::agent::{Agent, Code};
use super::event::ExecutionResult;
use super::prompt::Prompt;
use super::read::approves;
use super::test_report::report;

/// Most inputs of a specification.
const MOST_CHECKS: usize = 3;

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    agent.begin_phase(Phase::Specify);
    let said = agent
        .say(Role::Instructor, Prompt::Specify, None, &[])
        .await?;
    let lines = said.lines().filter(|line| !line.trim().is_empty());
    let checks: Vec<&str> = lines.take(MOST_CHECKS).collect();
    let mut chain = Chain {
        specification: section("Results to check", &checks.join("\n")),
        asks: agent.workflow() == Workflow::ChatChain,
        agent,
        revisions: 0,
    };
    chain.agent.begin_phase(Phase::Code);
    let first = chain.write(None, "").await?;
    let completed = chain.complete(first).await?;
    let reviewed = chain.review(completed).await?;
    chain.test(reviewed).await
}

/// Returns a text under a heading, to be put after another part of a prompt; nothing if there is none.
fn section(heading: &str, text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    format!("\n\n## {heading}\n\n{}", text.trim())
}

struct Chain {
    agent: Agent,
    /// What the instructor would check, as a part of prompts.
    specification: String,
    /// Whether the coder may ask before it writes.
    asks: bool,
    /// Revisions that were made.
    revisions: u32,
}

impl Chain {
    /// Fills in placeholders, if there are any.
    async fn complete(&mut self, code: Code) -> Result<Code, StopReason> {
        let missing = self.agent.missing(code);
        if missing.is_empty() || !self.has_revisions() {
            return Ok(code);
        }
        self.agent.begin_phase(Phase::Complete);
        let missing: Vec<String> = missing
            .iter()
            .map(|of| format!("line {}: `{}`", of.line, of.text))
            .collect();
        let reason = section("Still to be written", &missing.join("\n"));
        self.replaced(code, &reason).await
    }

    /// Asks for one change, and makes it.
    async fn review(&mut self, code: Code) -> Result<Code, StopReason> {
        if !self.agent.is_sound(code) || !self.has_revisions() {
            return Ok(code);
        }
        self.agent.begin_phase(Phase::Review);
        let values = [("specification", self.specification.as_str())];
        let comment = self
            .agent
            .say(Role::Reviewer, Prompt::ChainReview, Some(code), &values)
            .await?;
        if approves(&comment) || comment.is_empty() {
            return Ok(code);
        }
        self.replaced(code, &section("Change to be made", &comment))
            .await
    }

    /// Runs the program with the task's and own tests, and revises it by the report.
    async fn test(&mut self, first: Code) -> Result<StopReason, StopReason> {
        self.agent.begin_phase(Phase::Test);
        let tests = self.agent.write_tests(Prompt::Tester).await?;
        let mut code = first;
        loop {
            self.agent.run(&[code], &tests).await?;
            let result = self.agent.result(code);
            if result.as_ref().is_some_and(ExecutionResult::all_passed) {
                return Ok(StopReason::TestsPassed);
            }
            if result.as_ref().is_some_and(ExecutionResult::is_silent) {
                return Ok(StopReason::Finished);
            }
            if !self.has_revisions() {
                return Ok(StopReason::RoundsSpent);
            }
            let report = report(self.agent.fault(code), result.as_ref());
            let revision = self.revise(code, &section("Test report", &report)).await?;
            if self.agent.repeats(revision) {
                return Ok(StopReason::Unchanged);
            }
            code = revision;
        }
    }

    fn has_revisions(&self) -> bool {
        self.revisions < self.agent.rounds()
    }

    /// Revises a program that was not run. Returns the revision, or the program if the revision changes nothing.
    async fn replaced(&mut self, code: Code, reason: &str) -> Result<Code, StopReason> {
        let revision = self.revise(code, reason).await?;
        if self.agent.repeats(revision) {
            return Ok(code);
        }
        if self.agent.is_sound(revision) {
            self.agent.replace(code);
        }
        Ok(revision)
    }

    async fn revise(&mut self, code: Code, reason: &str) -> Result<Code, StopReason> {
        self.revisions += 1;
        self.agent.begin_round(self.revisions);
        self.write(Some(code), reason).await
    }

    /// Requests a program, the first or a revision for this reason, after the coder's question and its answer.
    async fn write(&self, of: Option<Code>, reason: &str) -> Result<Code, StopReason> {
        let known = [("specification", self.specification.as_str())];
        let mut dialogue = String::new();
        if self.asks {
            let code = of.map(|of| self.agent.text_of(of));
            let code = code.filter(|text| !text.trim().is_empty());
            let code = code.map(|text| section("Code", &format!("```python\n{}\n```", text.trim_end())));
            let context = format!("{}{reason}", code.unwrap_or_default());
            let values = [known.as_slice(), &[("report", context.as_str())]].concat();
            if let Some(question) = self.agent.ask(Prompt::Question, &values).await? {
                let answer = self.agent.answer(Prompt::Answer, &question).await?;
                if !answer.is_empty() {
                    dialogue = section("Your question", &question) + &section("Answer", &answer);
                }
            }
        }
        let prompt = match of {
            None => Prompt::ChainCoder,
            Some(_) => Prompt::ChainRevision,
        };
        let values = [
            known.as_slice(),
            &[("report", reason), ("dialogue", dialogue.as_str())],
        ]
        .concat();
        self.agent.write(prompt, of, &values).await
    }
}
