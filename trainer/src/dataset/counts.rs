//! What was read from a data set, and what was left out or cut, and why.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Why something was left out or cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// A file that cannot be read or is no Python.
    UnreadableFile,
    /// Not one of the rows that the recipe's `where` names.
    Unwanted,
    /// A file whose header names a licence that the recipe excludes.
    ExcludedLicence,
    /// A body shorter or longer than the recipe allows.
    WrongLength,
    /// A docstring of too few words.
    ShortDocstring,
    /// A maintainability index below the recipe's least.
    LowMaintainability,
    /// A cyclomatic complexity above the recipe's most.
    TooComplex,
    /// The same syntax tree as one before it.
    Duplicate,
    /// Holds a sentence of a benchmark's task.
    Contaminated,
    /// Not drawn, to keep to `max_examples`.
    BeyondMax,
    /// More tokens than `max_seq_length`.
    Overlong,
    /// No token is left to learn.
    NothingToLearn,
    /// Cut off at `max_seq_length`.
    Truncated,
}

impl Reason {
    /// After a number: `3 duplicates`.
    fn text(self) -> &'static str {
        match self {
            Self::UnreadableFile => "files unreadable",
            Self::Unwanted => "other than `where` names",
            Self::ExcludedLicence => "files of an excluded licence",
            Self::WrongLength => "of the wrong length",
            Self::ShortDocstring => "with a short docstring",
            Self::LowMaintainability => "below min_maintainability_index",
            Self::TooComplex => "above max_cyclomatic_complexity",
            Self::Duplicate => "duplicates",
            Self::Contaminated => "overlapping a benchmark",
            Self::BeyondMax => "beyond max_examples",
            Self::Overlong => "over max_seq_length",
            Self::NothingToLearn => "with nothing to learn",
            Self::Truncated => "cut at max_seq_length",
        }
    }
}

/// What became of one data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// The data set as the recipe names it.
    pub(crate) path: String,
    /// Files read.
    pub(crate) files: usize,
    /// Documented functions or rows found.
    pub(crate) found: usize,
    /// What `found` counts.
    pub(crate) unit: &'static str,
    /// Examples that are left, those for validation included.
    pub(crate) kept: usize,
    /// Left out or cut, by reason.
    pub(crate) left_out: BTreeMap<Reason, usize>,
}

impl Counts {
    /// Counts one thing that is left out or cut.
    pub(crate) fn leave_out(&mut self, reason: Reason) {
        *self.left_out.entry(reason).or_default() += 1;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            files,
            found,
            unit,
            kept,
            left_out,
        } = self;
        write!(
            f,
            "{kept} examples from {found} {unit} in {files} files of {path}"
        )?;
        let mut separator = "; left out or cut: ";
        for (reason, count) in left_out {
            write!(f, "{separator}{count} {}", reason.text())?;
            separator = ", ";
        }
        Ok(())
    }
}
