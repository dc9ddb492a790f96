//! Enum words in records and trajectories: why generation or a workflow ended, and verdicts of programs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of the arm without an adapter.
pub const BASE_ARM: &str = "base";

/// Why generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn, or a stop string appeared.
    Stop,
    /// The token limit truncated the completion.
    Length,
    /// The prompt left no space for an answer.
    NoRoom,
}

/// Verdict of the hidden tests. Spelled as in `slm_sandbox::Verdict`, with `unparsable` and `empty` for
/// programs that never ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every test passed.
    Passed,
    /// The program ran and a test failed.
    Failed,
    /// The program raised an exception outside an assertion.
    Error,
    /// The time limit was reached.
    Timeout,
    /// The memory limit was reached.
    Memory,
    /// The output limit was exceeded.
    OutputLimit,
    /// It attempted what the sandbox forbids.
    Violation,
    /// It is not valid Python and was not run.
    Unparsable,
    /// It parses, but adds no statement to the task's prompt, and was not run.
    Empty,
    /// It parses; its task has no tests and is only measured.
    Untested,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::OutputLimit => "output_limit",
            Self::Violation => "violation",
            Self::Unparsable => "unparsable",
            Self::Empty => "empty",
            Self::Untested => "untested",
        })
    }
}

/// Why a workflow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It completed all its steps.
    Finished,
    /// Every visible test passed.
    TestsPassed,
    /// The reviewer approved.
    Approved,
    /// A revision was the same program as an earlier one.
    Unchanged,
    /// All rounds were used.
    RoundsSpent,
    /// The completion token budget was used up.
    CompletionTokensSpent,
    /// The call budget was used up.
    CallsSpent,
    /// The execution budget was used up.
    ExecutionsSpent,
    /// A prompt exceeded the model's context length.
    ContextFull,
}

impl StopReason {
    /// Returns the reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::TestsPassed => "visible tests passed",
            Self::Approved => "approved",
            Self::Unchanged => "unchanged",
            Self::RoundsSpent => "rounds spent",
            Self::CompletionTokensSpent => "tokens spent",
            Self::CallsSpent => "calls spent",
            Self::ExecutionsSpent => "executions spent",
            Self::ContextFull => "context full",
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
/// What an answer should contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expects {
    /// The rest of a program begun in the request.
    Program,
    /// Assertions about the entry point; the request may have begun the first one.
    Tests,
    /// Prose.
    Prose,
    /// Lines that each name a lookup.
    Lookups,
    /// A line that names a tool, or a whole program.
    Action,
    /// Lines that each give a function's signature and what it returns.
    Signatures,
    /// The rest of a function begun in the request, which is only a part of the program.
    Function,
    /// A question about the task, or the word `NONE`.
    Question,
    /// The name of a workflow.
    Route,
    /// The next statement of a program begun in the request.
    Statement,
    /// Yes or no, of which the probabilities are read instead of the text.
    Judgement,
}

/// How an answer violated its format. Counted only, it never ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatFailure {
    /// The token limit was reached before the code fence was closed.
    UnclosedFence,
    /// Nothing that parses defines the entry point.
    NoProgram,
    /// The program contains only the prompt.
    NothingAdded,
    /// No assertion about the entry point parses.
    NoTests,
    /// No text.
    Empty,
    /// Neither a program nor a tool on offer with its argument; of a list of lookups, at least one line.
    NoAction,
    /// At least one line is not the signature of a new function.
    NoSignature,
    /// Neither a question nor `NONE`.
    NoQuestion,
    /// No name of a workflow to choose from.
    NoWorkflow,
    /// Neither yes nor no has a probability.
    NoJudgement,
}

impl FormatFailure {
    /// Returns the failure in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::UnclosedFence => "cut off before its end",
            Self::NoProgram => "no program that defines the entry point",
            Self::NothingAdded => "nothing added to the prompt",
            Self::NoTests => "no assertion about the entry point beside the task's examples",
            Self::Empty => "no text",
            Self::NoAction => "no tool on offer with its argument",
            Self::NoSignature => "a line that gives no new function",
            Self::NoQuestion => "neither a question nor NONE",
            Self::NoWorkflow => "no workflow to choose from",
            Self::NoJudgement => "neither yes nor no",
        }
    }
}

/// A part of a workflow that is a chain of phases, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// What the program must do is made precise.
    Specify,
    /// The first program is written.
    Code,
    /// Placeholders are filled in.
    Complete,
    /// The program is reviewed, and revised after the review.
    Review,
    /// The program is run, and revised after the report.
    Test,
}

impl Phase {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [
        Self::Specify,
        Self::Code,
        Self::Complete,
        Self::Review,
        Self::Test,
    ];

    /// Returns the word in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Specify => "specify",
            Self::Code => "code",
            Self::Complete => "complete",
            Self::Review => "review",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
