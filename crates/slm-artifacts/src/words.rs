//! The words that records and trajectories spell out: why something ended, and what became of a program.

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
    /// The token limit cut the completion off.
    Length,
    /// The prompt left no room for an answer.
    NoRoom,
}

/// How the hidden tests ended. Spelled as `slm_sandbox::Verdict`, with `unparsable` and `empty` for programs that never ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every test passed.
    Passed,
    /// The program ran and a test failed.
    Failed,
    /// The program raised an exception outside an assertion.
    Error,
    /// The time limit ended it.
    Timeout,
    /// The memory limit ended it.
    Memory,
    /// It wrote more than the output limit.
    OutputLimit,
    /// It attempted what the sandbox forbids.
    Violation,
    /// It is no Python program and was not run.
    Unparsable,
    /// It parses, but adds no statement to the task's prompt, and was not run.
    Empty,
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
        })
    }
}

/// Why a workflow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It did all that it does.
    Finished,
    /// Every visible test passed.
    TestsPassed,
    /// The reviewer approved.
    Approved,
    /// A revision was the same program as an earlier one.
    Unchanged,
    /// All rounds were made.
    RoundsSpent,
    /// No completion token was left.
    CompletionTokensSpent,
    /// No call was left.
    CallsSpent,
    /// No execution was left.
    ExecutionsSpent,
    /// A prompt grew past the model's positions.
    ContextFull,
}

impl StopReason {
    /// In words.
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
/// What an answer should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expects {
    /// The rest of a program that the request has begun.
    Program,
    /// Assertions about the entry point, the first of which the request may have begun.
    Tests,
    /// Words.
    Prose,
}

/// How an answer missed its format. Counted, and never the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatFailure {
    /// The token limit came before the code fence was closed.
    UnclosedFence,
    /// Nothing that parses defines the entry point.
    NoProgram,
    /// The program is the prompt alone.
    NothingAdded,
    /// No assertion about the entry point parses.
    NoTests,
    /// No words at all.
    Empty,
}
