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
    /// Shares words with a benchmark's task: thirteen in a row, or a sentence of its description.
    SharesText,
    /// Holds a function or class of a benchmark's solution, by its normalised syntax tree.
    SharesCode,
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
            Self::SharesText => "with text of a benchmark's task",
            Self::SharesCode => "with code of a benchmark's solution",
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

    /// What was left out for what it shares with a benchmark's tasks.
    pub(crate) fn contaminated(&self) -> usize {
        let of = |reason| self.left_out.get(reason).copied().unwrap_or(0);
        of(&Reason::SharesText) + of(&Reason::SharesCode)
    }

    /// What was left out or cut for having too many tokens.
    pub(crate) fn left_out_by_length(&self) -> usize {
        let of = |reason| self.left_out.get(reason).copied().unwrap_or(0);
        of(&Reason::Overlong) + of(&Reason::Truncated)
    }

    /// What was left out or cut, in words; `None` if nothing was.
    pub(crate) fn left_out_text(&self) -> Option<String> {
        let parts: Vec<String> = self
            .left_out
            .iter()
            .map(|(reason, count)| format!("{count} {}", reason.text()))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
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
            left_out: _,
        } = self;
        write!(
            f,
            "{kept} examples from {found} {unit} in {files} files of {path}"
        )?;
        match self.left_out_text() {
            Some(text) => write!(f, "; left out or cut: {text}"),
            None => Ok(()),
        }
    }
}
