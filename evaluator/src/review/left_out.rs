//! Why something of a model's answer is not shown.

use std::collections::BTreeMap;

use slm_metrics::syntax::RewriteFault;

/// A reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LeftOut {
    /// A function that parses only at its own indentation.
    Immovable,
    /// A function whose request leaves no room for an answer.
    NoRoom,
    /// A line of the answer that is no finding.
    NotAFinding,
    /// A finding on a line that the function does not have.
    NoSuchLine,
    /// A finding without text.
    NoText,
    /// A finding twice.
    Repeated,
    /// A finding after the third.
    BeyondThree,
    /// A finding that the token limit cuts.
    CutFinding,
    /// A rewritten function that the token limit cuts.
    CutRewrite,
    /// A code block after the first.
    FurtherBlock,
    /// A rewritten function that does not keep what callers see.
    Fault(RewriteFault),
    /// A rewritten function with more findings of a rule, or a higher complexity.
    Raises,
    /// A rewritten function with as many findings, and the same complexity.
    LowersNothing,
    /// A rewritten function that names what could forge the verdict of its tests.
    TestMachinery,
    /// A rewritten function that fails its tests.
    FailedTests,
    /// A rewritten function whose tests could not be run.
    Unscored,
}

impl LeftOut {
    /// Returns the reason in words.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Immovable => "function that cannot be moved to the left margin",
            Self::NoRoom => "function too long for the model's context",
            Self::NotAFinding => "line of an answer that is not `line: text`",
            Self::NoSuchLine => "finding on a line outside of the function",
            Self::NoText => "finding without text",
            Self::Repeated => "finding twice",
            Self::BeyondThree => "finding after the third",
            Self::CutFinding => "finding cut by the token limit",
            Self::CutRewrite => "rewritten function cut by the token limit",
            Self::FurtherBlock => "code block after the first",
            Self::Fault(RewriteFault::Unparsable) => "rewritten function that does not parse",
            Self::Fault(RewriteFault::NotOneFunction) => "code block that is not one function",
            Self::Fault(RewriteFault::OtherName) => "rewritten function of another name",
            Self::Fault(RewriteFault::OtherParameters) => {
                "rewritten function with other parameters"
            }
            Self::Fault(RewriteFault::OtherDecorators) => {
                "rewritten function with other decorators"
            }
            Self::Fault(RewriteFault::OtherDocstring) => "rewritten function without the docstring",
            Self::Fault(RewriteFault::Stub) => "rewritten function without a body",
            Self::Fault(RewriteFault::OtherResult) => {
                "rewritten function without the original's results"
            }
            Self::Fault(RewriteFault::Same) => "rewritten function that is the original",
            Self::Raises => "rewritten function with more findings or a higher complexity",
            Self::LowersNothing => "rewritten function that lowers nothing",
            Self::TestMachinery => "rewritten function that names the machinery of its tests",
            Self::FailedTests => "rewritten function that fails its tests",
            Self::Unscored => "rewritten function whose tests could not be run",
        }
    }
}

/// How often something was left out, by reason.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Counts(pub(super) BTreeMap<LeftOut, usize>);

impl Counts {
    pub(super) fn add(&mut self, reason: LeftOut) {
        *self.0.entry(reason).or_default() += 1;
    }

    pub(super) fn extend(&mut self, reasons: impl IntoIterator<Item = LeftOut>) {
        for reason in reasons {
            self.add(reason);
        }
    }

    /// Returns the counts by the reasons' words.
    pub(super) fn by_text(&self) -> BTreeMap<&'static str, usize> {
        let counts = self.0.iter();
        counts.map(|(reason, n)| (reason.text(), *n)).collect()
    }
}
