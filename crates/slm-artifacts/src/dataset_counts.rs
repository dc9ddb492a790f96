//! Counts of the data read, dropped or truncated, by reason: `data` of `training.json`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::counted;

/// Why a row, file or example was dropped or truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// A row that is not JSON, not an object, or has a different number of values than its file's first line.
    BrokenRow,
    /// A text that is not UTF-8.
    NotUtf8,
    /// A text with a lone surrogate (half of a surrogate pair).
    LoneSurrogate,
    /// A row with more bytes or values than allowed.
    TooLarge,
    /// A field that is missing or null.
    EmptyField,
    /// A field of a type that the format does not allow.
    WrongType,
    /// A message with a role that no chat template supports.
    UnknownRole,
    /// Messages that do not alternate, or do not end with the assistant's.
    OddConversation,
    /// A tool call or the definition of a tool in an unknown form.
    ToolCall,
    /// A message whose `weight` is neither 0 nor 1.
    MessageWeight,
    /// An answer that does not start with its `prefill`.
    OtherPrefill,
    /// Messages that the chat template rejects.
    RefusedByTemplate,
    /// Messages that the chat template changes.
    RewrittenByTemplate,
    /// A text that the tokenizer rejects.
    Untokenizable,
    /// A hidden folder, or one of tests, other packages or generated files.
    SkippedFolder,
    /// A folder or a Python file that `.gitignore` excludes.
    Ignored,
    /// A link to a folder or a Python file.
    SkippedLink,
    /// A file for validation or tests.
    NotForTraining,
    /// A file that cannot be read or is not Python.
    UnreadableFile,
    /// A file whose functions the recipe evaluates on.
    HeldOut,
    /// A row that does not match the recipe's `where`.
    Unwanted,
    /// A method, in a count made before methods were learned from.
    Method,
    /// A function without a docstring.
    Undocumented,
    /// A function inside another, or in a block such as `if` or `try`.
    NestedFunction,
    /// A function with nothing after the docstring.
    NoBody,
    /// A function whose docstring shares a line with other code.
    DocstringSharesLine,
    /// A function that cannot be dedented to the left margin.
    Immovable,
    /// A file whose header names a licence that the recipe excludes.
    ExcludedLicence,
    /// A function body shorter or longer than the recipe allows.
    WrongLength,
    /// A docstring with too few words.
    ShortDocstring,
    /// A maintainability index below the recipe's minimum.
    LowMaintainability,
    /// A cyclomatic complexity above the recipe's maximum.
    TooComplex,
    /// Code whose metrics cannot be computed, where the recipe limits them.
    NoMetrics,
    /// The same syntax tree as an earlier example.
    Duplicate,
    /// Text overlap with a benchmark task: thirteen consecutive words, or a sentence of its description.
    SharesText,
    /// Code overlap with a benchmark's solution: a function or class with the same normalised syntax tree.
    SharesCode,
    /// A credential: a key, a token or a password.
    HoldsSecret,
    /// Not sampled, to stay within `max_examples`.
    BeyondMax,
    /// Longer than `max_seq_length` tokens.
    Overlong,
    /// A pair whose answers have the same tokens.
    EqualAnswers,
    /// A document for fill-in-the-middle that holds the tokens of it.
    AlreadyFim,
    /// A document without a function body, cut between lines.
    CutAtLines,
    /// No supervised token is left.
    NothingToLearn,
    /// Kept, but the chat template omits a part of an earlier answer, which is not learned.
    CutAnswer,
    /// Outside the rows of the recipe's `split`.
    OutsideSplit,
    /// Truncated to `max_seq_length`.
    Truncated,
    /// A text or document in pieces of at most `max_seq_length`, all of which are learned.
    Split,
    /// A function body that no piece holds as a whole, so that it is no middle.
    DividedBody,
}

impl LeftOutReason {
    /// Returns a number with the reason: `1 duplicate`, `2 duplicates`, `3 over max_seq_length`.
    pub fn counted(self, n: usize) -> String {
        let text = self.text();
        let noun = match self {
            _ if n != 1 => None,
            Self::DividedBody => return "1 function body divided by a split".to_owned(),
            Self::SkippedFolder
            | Self::SkippedLink
            | Self::NotForTraining
            | Self::Method
            | Self::UnreadableFile
            | Self::HeldOut
            | Self::ExcludedLicence
            | Self::Duplicate => text.split_once('s'),
            _ => None,
        };
        match noun {
            Some((noun, rest)) => format!("{n} {noun}{rest}"),
            None => format!("{n} {text}"),
        }
    }

    /// Returns the reason as text to follow a number of several: `3 duplicates`.
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
            Self::ToolCall => "with tool calls of an unknown form",
            Self::MessageWeight => "with a message weight other than 0 and 1",
            Self::OtherPrefill => "with an answer that does not start with `prefill`",
            Self::RefusedByTemplate => "refused by the chat template",
            Self::RewrittenByTemplate => "rewritten by the chat template",
            Self::Untokenizable => "refused by the tokenizer",
            Self::SkippedFolder => "folders not searched (tests, packages, generated or hidden)",
            Self::Ignored => "excluded by .gitignore",
            Self::SkippedLink => "links not followed",
            Self::NotForTraining => "files for validation or tests",
            Self::Method => "methods",
            Self::Undocumented => "without a docstring",
            Self::NestedFunction => "inside another function or a block",
            Self::NoBody => "with nothing after the docstring",
            Self::DocstringSharesLine => "with code on the docstring's lines",
            Self::Immovable => "that change when moved to the left margin",
            Self::NoMetrics => "without countable metrics",
            Self::UnreadableFile => "files unreadable",
            Self::HeldOut => "files held out for evaluation",
            Self::Unwanted => "other than `where` names",
            Self::ExcludedLicence => "files of an excluded licence",
            Self::WrongLength => "of the wrong length",
            Self::ShortDocstring => "with a short docstring",
            Self::LowMaintainability => "below min_maintainability_index",
            Self::TooComplex => "above max_cyclomatic_complexity",
            Self::Duplicate => "duplicates",
            Self::SharesText => "with text of a benchmark's task",
            Self::SharesCode => "with code of a benchmark's solution",
            Self::HoldsSecret => "with a credential",
            Self::BeyondMax => "beyond max_examples",
            Self::Overlong => "over max_seq_length",
            Self::EqualAnswers => "with chosen equal to rejected",
            Self::AlreadyFim => "with fill-in-the-middle tokens already",
            Self::CutAtLines => "cut between lines for lack of a function body",
            Self::NothingToLearn => "with nothing to learn",
            Self::CutAnswer => {
                "kept, with an earlier answer that the chat template cuts and that is not learned"
            }
            Self::OutsideSplit => "outside the rows of `split`",
            Self::Truncated => "cut at max_seq_length",
            Self::Split => "split at max_seq_length",
            Self::DividedBody => "function bodies divided by a split",
        }
    }
}

/// Counts of one data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetCounts {
    /// The data set as the recipe names it.
    pub path: String,
    /// Files read.
    pub files: usize,
    /// Documented functions or rows found.
    pub found: usize,
    /// The unit of `found`.
    pub unit: Cow<'static, str>,
    /// Remaining examples, including those for validation.
    pub kept: usize,
    /// Dropped or truncated, by reason.
    pub left_out: BTreeMap<LeftOutReason, usize>,
    /// For each reason, the first dropped bad row or file: its place and the problem.
    pub first: BTreeMap<LeftOutReason, String>,
    /// Python files that gave examples, by their licence: an SPDX name, or `unknown`.
    #[serde(default)]
    pub licences: BTreeMap<String, usize>,
    /// Kept rows without chat template that are conversations already rendered in one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rendered_conversations: usize,
    /// Those among them whose special tokens are learned as letters.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub literal_conversations: usize,
}

/// Whether a count is left out of the file.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Maximum number of characters stored for a first bad row.
const FIRST_CHARACTERS: usize = 300;

impl DatasetCounts {
    /// Counts one dropped or truncated item.
    pub fn leave_out(&mut self, reason: LeftOutReason) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    /// Counts a dropped row or file, and stores its place if it is the first for its reason.
    pub fn leave_out_first(&mut self, reason: LeftOutReason, problem: &str) {
        self.leave_out(reason);
        self.first
            .entry(reason)
            .or_insert_with(|| one_line(problem));
    }

    /// Describes the first row or file of each reason.
    pub fn first_texts(&self) -> impl Iterator<Item = String> {
        self.first.iter().map(|(reason, first)| {
            let count = self.left_out.get(reason).copied().unwrap_or(0);
            format!("{}, first {first}", reason.counted(count))
        })
    }

    /// Describes what was read: `12 rows in 1 file`.
    pub fn found_text(&self) -> String {
        // The unit is a plural.
        let unit = self.unit.strip_suffix('s').unwrap_or(&self.unit);
        format!(
            "{} in {}",
            counted(self.found, unit),
            counted(self.files, "file")
        )
    }

    /// Describes the licences of the files that gave examples; `None` for data without Python files.
    pub fn licences_text(&self) -> Option<String> {
        let parts: Vec<String> = self
            .licences
            .iter()
            .map(|(name, files)| format!("{name} ({})", counted(*files, "file")))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Returns the number of items dropped for overlap with a benchmark's tasks.
    pub fn contaminated(&self) -> usize {
        let of = |reason| self.left_out.get(reason).copied().unwrap_or(0);
        of(&LeftOutReason::SharesText) + of(&LeftOutReason::SharesCode)
    }

    /// Returns the number of items dropped or truncated for having too many tokens.
    pub fn left_out_by_length(&self) -> usize {
        let of = |reason| self.left_out.get(reason).copied().unwrap_or(0);
        of(&LeftOutReason::Overlong) + of(&LeftOutReason::Truncated)
    }

    /// Describes what was dropped or truncated; `None` if nothing was.
    pub fn left_out_text(&self) -> Option<String> {
        let parts: Vec<String> = self
            .left_out
            .iter()
            .map(|(reason, count)| reason.counted(*count))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Formats a text from a file as one line for a terminal: control characters escaped, truncated if long.
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
            files: _,
            found: _,
            unit: _,
            kept,
            left_out: _,
            first: _,
            licences: _,
            rendered_conversations: _,
            literal_conversations: _,
        } = self;
        write!(
            f,
            "{} from {} of {path}",
            counted(*kept, "example"),
            self.found_text()
        )?;
        match self.left_out_text() {
            Some(text) => write!(f, "; left out or cut: {text}"),
            None => Ok(()),
        }
    }
}
