//! Counts of what was read from a data set, and of what was left out or cut, by reason.

use slm_cli::UserMistake;

pub(crate) use slm_artifacts::{
    DatasetCounts as Counts, LeftOutReason as Reason, one_line as shown,
};

/// A row that cannot be used for training, or an example made from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRow {
    pub(crate) reason: Reason,
    /// File and line or row, and the problem there.
    pub(crate) problem: String,
    /// The user's remedy; `None` where the file itself is damaged.
    pub(crate) hint: Option<String>,
}

impl BadRow {
    /// Converts to the error for recipes in which the first bad row stops the run.
    pub(crate) fn into_error(self) -> anyhow::Error {
        match self.hint {
            Some(hint) => UserMistake(format!("{}\nhint: {hint}", self.problem)).into(),
            None => anyhow::Error::msg(self.problem),
        }
    }
}
