//! Why tasks are not used.

use std::fmt;

/// Why a task of `improve.tasks` is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LeftOut {
    /// Its publisher keeps it for scores.
    TestSplit,
    /// No tests decide which answers are right.
    Untested,
    /// It is a task of `evaluate.benchmarks`.
    Evaluated,
    /// An earlier item has a task of this id.
    Repeated,
    /// It resembles a task by which rounds are compared.
    ResemblesDev,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::TestSplit => "in the publisher's test split",
            Self::Untested => "without tests",
            Self::Evaluated => "shared with `evaluate.benchmarks`",
            Self::Repeated => "with the id of another task",
            Self::ResemblesDev => "resembling a dev task",
        })
    }
}
