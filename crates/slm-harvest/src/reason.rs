//! Why an answer, or a function, is no side of a row.

use std::fmt;

/// Why an answer is left out. Of several reasons the first in this order is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The program could not be tested.
    Unscored,
    /// The task is in the publisher's test split.
    TestSplit,
    /// The task has no tests.
    Untested,
    /// The answer was cut off.
    Truncated,
    /// The answer contains no program that parses and does something.
    NoProgram,
    /// The program does not pass all hidden tests.
    FailedTests,
    /// The program passes no hidden test, so it is neither side of a pair by tests.
    PassesNoTest,
    /// The program was stopped (time, memory, output, sandbox), which is no wrong result.
    Stopped,
    /// The program reads like a table of tests.
    TestTable,
    /// The program names the machinery of the tests.
    TestMachinery,
    /// The program contains a line that closes a Markdown fence.
    Fence,
    /// The program does not continue the task's prompt.
    NoContinuation,
    /// Another answer to the task is the same program.
    SameProgram,
    /// Another program of the task is kept in the memory.
    OtherKept,
    /// No answer to its task is kept, from which a control could draw.
    TaskNotKept,
    /// The seed drew other answers.
    NotDrawn,
    /// No other answer to the task makes a pair with it.
    NoPartner,
    /// Enough rows of the task were kept.
    EnoughOfTask,
    /// More than 90 % of the answers to the task pass, and one row of it was kept.
    EasyTask,
    /// Enough rows were kept.
    EnoughRows,
    /// The publisher's solution is used instead of the answer.
    ReplacedByPublisher,
    /// The publisher gives no solution of the task.
    NoSolution,
    /// The plan of the program is cut off.
    CutPlan,
    /// The plan of the program is empty.
    NoPlan,
    /// The plan of the program has more than five steps.
    LongPlan,
    /// The plan of the program holds a line of it.
    PlanWithCode,
    /// No program that was written by the plan passes.
    UselessPlan,
    /// The programs that were written by the plan could not be tested.
    UnscoredPlan,
    /// The body of the function cannot be separated from its docstring.
    UncutFunction,
    /// The function shares text with a task of the recipe's benchmarks.
    Evaluated,
    /// The task is held out, to measure a verifier by.
    HeldOut,
    /// No other function shares a word with it.
    NoNeighbour,
    /// The nearest function has no token in common with it.
    EmptySketch,
    /// A router chose the workflow of the answer.
    Routed,
    /// The answer was sampled otherwise than the run's reference.
    OtherSampling,
    /// No workflow solves the task.
    UnsolvedTask,
    /// The task was not split into functions.
    NoSplit,
    /// The budget ended before a program followed the split.
    UntriedSplit,
    /// The decomposer gave an empty answer.
    EmptySplit,
    /// No rewritten function in an answer of a review is shown.
    NoRewrite,
}

impl Reason {
    /// Returns the reason in words, as `dataset.json` has it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unscored => "not scored",
            Self::TestSplit => "task of the publisher's test split",
            Self::Untested => "task without tests",
            Self::Truncated => "truncated",
            Self::NoProgram => "no program that parses",
            Self::FailedTests => "does not pass all hidden tests",
            Self::PassesNoTest => "passes no hidden test",
            Self::Stopped => "stopped by a limit, which is no wrong result",
            Self::TestTable => "reads like a table of tests",
            Self::TestMachinery => "names the machinery of the tests",
            Self::Fence => "contains a Markdown fence",
            Self::NoContinuation => "does not continue the task's prompt",
            Self::SameProgram => "same program as another answer",
            Self::OtherKept => "another program of the task is kept",
            Self::TaskNotKept => "no answer to the task passes",
            Self::NotDrawn => "not drawn by the seed",
            Self::NoPartner => "no partner for a pair",
            Self::EnoughOfTask => "beyond the limit of rows per task",
            Self::EasyTask => "task solved by more than 90 % of its answers",
            Self::EnoughRows => "beyond the limit of rows",
            Self::ReplacedByPublisher => "replaced by the publisher's solution",
            Self::NoSolution => "no solution by the publisher",
            Self::CutPlan => "its plan is truncated",
            Self::NoPlan => "its plan is empty",
            Self::LongPlan => "its plan has more than five steps",
            Self::PlanWithCode => "its plan holds a code line of the program",
            Self::UselessPlan => "no program by its plan passes",
            Self::UnscoredPlan => "programs by its plan are not scored",
            Self::UncutFunction => "body cannot be separated from the docstring",
            Self::Evaluated => "shares text with a task of the recipe's benchmarks",
            Self::HeldOut => "of a task that is held out",
            Self::NoNeighbour => "no similar function",
            Self::EmptySketch => "nothing in common with the similar function",
            Self::Routed => "workflow chosen by a router",
            Self::OtherSampling => "sampled otherwise than the run's reference",
            Self::UnsolvedTask => "task that no workflow solves",
            Self::NoSplit => "task that was not split into functions",
            Self::UntriedSplit => "split that no program followed",
            Self::EmptySplit => "empty answer of the decomposer",
            Self::NoRewrite => "no rewritten function that is shown",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
