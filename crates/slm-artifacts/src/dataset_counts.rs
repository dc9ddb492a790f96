//! What was read from a data set, and what was left out or cut, and why: `data` of `training.json`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something was left out or cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// A row that is no JSON, no object, or has another number of values than its file's first line.
    BrokenRow,
    /// A text that is not UTF-8.
    NotUtf8,
    /// Half of a surrogate pair in a text.
    LoneSurrogate,
    /// More bytes or values than a row may have.
    TooLarge,
    /// A field that is missing or null.
    EmptyField,
    /// A field of another type than the format's.
    WrongType,
    /// A message of a role that no chat template has.
    UnknownRole,
    /// Messages that do not alternate, or do not end with the assistant's.
    OddConversation,
    /// A call of a tool, or its result.
    ToolCall,
    /// A message whose `weight` says that it is not learned.
    MessageWeight,
    /// Messages that the chat template refuses.
    RefusedByTemplate,
    /// Messages that the chat template changes.
    RewrittenByTemplate,
    /// A text that the tokenizer refuses.
    Untokenizable,
    /// A folder of tests, of other packages or of generated files, or a hidden one.
    SkippedFolder,
    /// A link to a folder or a Python file.
    SkippedLink,
    /// A file for validation or tests.
    NotForTraining,
    /// A file that cannot be read or is no Python.
    UnreadableFile,
    /// Not one of the rows that the recipe's `where` names.
    Unwanted,
    /// A function in a class.
    Method,
    /// A function inside another, or in a block such as `if` or `try`.
    NestedFunction,
    /// Nothing follows the docstring.
    NoBody,
    /// The docstring shares a line with other code.
    DocstringSharesLine,
    /// A function that cannot be moved to the left margin.
    Immovable,
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
    /// Code whose metrics cannot be counted, where the recipe limits them.
    NoMetrics,
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

impl LeftOutReason {
    /// After a number: `3 duplicates`.
    pub fn text(self) -> &'static str {
        match self {
            Self::BrokenRow => "broken",
            Self::NotUtf8 => "not UTF-8",
            Self::LoneSurrogate => "with half of a surrogate pair",
            Self::TooLarge => "too large for one row",
            Self::EmptyField => "with a missing or null field",
            Self::WrongType => "with a field of another type",
            Self::UnknownRole => "with an unknown role",
            Self::OddConversation => "with messages out of order",
            Self::ToolCall => "with tool calls, not learned from yet",
            Self::MessageWeight => "with a message of weight 0, not learned from yet",
            Self::RefusedByTemplate => "refused by the chat template",
            Self::RewrittenByTemplate => "rewritten by the chat template",
            Self::Untokenizable => "refused by the tokenizer",
            Self::SkippedFolder => "folders not searched (tests, packages, generated or hidden)",
            Self::SkippedLink => "links not followed",
            Self::NotForTraining => "files for validation or tests",
            Self::Method => "methods, not learned from yet",
            Self::NestedFunction => "inside another function or a block",
            Self::NoBody => "with nothing after the docstring",
            Self::DocstringSharesLine => "with code on the docstring's lines",
            Self::Immovable => "that change when moved to the left margin",
            Self::NoMetrics => "without countable metrics",
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetCounts {
    /// The data set as the recipe names it.
    pub path: String,
    /// Files read.
    pub files: usize,
    /// Documented functions or rows found.
    pub found: usize,
    /// What `found` counts.
    pub unit: Cow<'static, str>,
    /// Examples that are left, those for validation included.
    pub kept: usize,
    /// Left out or cut, by reason.
    pub left_out: BTreeMap<LeftOutReason, usize>,
    /// Of bad rows and files that are left out, the first of each reason: its place and what is wrong there.
    pub first: BTreeMap<LeftOutReason, String>,
}

/// Characters of a first bad row that are kept.
const FIRST_CHARACTERS: usize = 300;

impl DatasetCounts {
    /// Counts one thing that is left out or cut.
    pub fn leave_out(&mut self, reason: LeftOutReason) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    /// Counts a row or file that is left out, and keeps its place if it is the first of its reason.
    pub fn leave_out_first(&mut self, reason: LeftOutReason, problem: &str) {
        self.leave_out(reason);
        self.first
            .entry(reason)
            .or_insert_with(|| one_line(problem));
    }

    /// The first row or file of each reason, in words.
    pub fn first_texts(&self) -> impl Iterator<Item = String> {
        self.first.iter().map(|(reason, first)| {
            let count = self.left_out.get(reason).copied().unwrap_or(0);
            format!("{count} {}, first {first}", reason.text())
        })
    }

    /// What was left out for what it shares with a benchmark's tasks.
    pub fn contaminated(&self) -> usize {
        let of = |reason| self.left_out.get(reason).copied().unwrap_or(0);
        of(&LeftOutReason::SharesText) + of(&LeftOutReason::SharesCode)
    }

    /// What was left out or cut for having too many tokens.
    pub fn left_out_by_length(&self) -> usize {
        let of = |reason| self.left_out.get(reason).copied().unwrap_or(0);
        of(&LeftOutReason::Overlong) + of(&LeftOutReason::Truncated)
    }

    /// What was left out or cut, in words; `None` if nothing was.
    pub fn left_out_text(&self) -> Option<String> {
        let parts: Vec<String> = self
            .left_out
            .iter()
            .map(|(reason, count)| format!("{count} {}", reason.text()))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// A text out of a file in one line for a terminal: control characters escaped, cut off where it is long.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == FIRST_CHARACTERS {
            line.push_str("...");
            break;
        }
        if c.is_control() {
            line.extend(c.escape_debug());
        } else {
            line.push(c);
        }
    }
    line
}

impl fmt::Display for DatasetCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            files,
            found,
            unit,
            kept,
            left_out: _,
            first: _,
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
