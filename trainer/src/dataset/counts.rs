//! What was read from a data set, and what was left out or cut, and why.

use slm_cli::UserMistake;

pub(crate) use slm_artifacts::{
    DatasetCounts as Counts, LeftOutReason as Reason, one_line as shown,
};

/// A row, or an example made of it, that cannot be learned from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRow {
    pub(crate) reason: Reason,
    /// File and line or row, and what is wrong there.
    pub(crate) problem: String,
    /// What the user can do; `None` where the file itself is damaged.
    pub(crate) hint: Option<String>,
}

impl BadRow {
    /// The error where the recipe says that the first bad row stops the run.
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self.hint {
            Some(hint) => UserMistake(format!("{}\nhint: {hint}", self.problem)).into(),
            None => anyhow::Error::msg(self.problem),
        }
    }
}
