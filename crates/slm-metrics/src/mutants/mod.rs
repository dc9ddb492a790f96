//! Mutants of a function: copies of a program with one small fault each, to measure what its tests notice.

mod choice;
mod edits;
mod locals;

pub use choice::choose;

use std::collections::HashSet;

use crate::normalised::normalised_hash;
use crate::parser::{Fstrings, SyntaxError, with_module};

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MutationKind {
    /// A comparison is replaced by its opposite: `<` by `>=`, `==` by `!=`, `in` by `not in`, `is` by `is not`.
    ComparisonFlip,
    /// An integer literal is increased by one.
    OffByOne,
    /// `+` and `-`, or `*` and `/`, are exchanged, and `//` is replaced by `*`; also in augmented assignments.
    ArithmeticSwap,
    /// `and` and `or` are exchanged.
    BooleanSwap,
    /// The condition of an `if`, `elif` or `while` is negated.
    NegatedCondition,
    /// A returned value is replaced by `None`.
    ReturnNone,
    /// A statement that is only a call is replaced by `pass`.
    RemovedCall,
    /// `True` and `False` are exchanged.
    TrueFalse,
    /// A returned string is replaced by the empty string.
    EmptyString,
    /// The keyword `return` before a value is removed.
    DroppedReturn,
    /// A variable of a function is read in place of another one.
    WrongVariable,
    /// A `raise` statement, or the body of an `except`, is replaced by `pass`.
    SwallowedException,
}

impl MutationKind {
    /// The kinds of [`mutants`], in the order of their declaration, so that a table can also show the kinds without
    /// mutants.
    pub const ALL: [Self; 9] = [
        Self::ComparisonFlip,
        Self::OffByOne,
        Self::ArithmeticSwap,
        Self::BooleanSwap,
        Self::NegatedCondition,
        Self::ReturnNone,
        Self::RemovedCall,
        Self::TrueFalse,
        Self::EmptyString,
    ];

    /// The kinds of faults that a review is to find, in the order of a table.
    pub const REVIEW: [Self; 5] = [
        Self::ComparisonFlip,
        Self::OffByOne,
        Self::DroppedReturn,
        Self::WrongVariable,
        Self::SwallowedException,
    ];

    /// Returns the name in snake case, unique and stable, for records and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::ComparisonFlip => "comparison_flip",
            Self::OffByOne => "off_by_one",
            Self::ArithmeticSwap => "arithmetic_swap",
            Self::BooleanSwap => "boolean_swap",
            Self::NegatedCondition => "negated_condition",
            Self::ReturnNone => "return_none",
            Self::RemovedCall => "removed_call",
            Self::TrueFalse => "true_false",
            Self::EmptyString => "empty_string",
            Self::DroppedReturn => "dropped_return",
            Self::WrongVariable => "wrong_variable",
            Self::SwallowedException => "swallowed_exception",
        }
    }
}

/// A program with one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// The kind of the fault.
    pub kind: MutationKind,
    /// Line of the edit, counted from 1.
    pub line: usize,
    /// The whole file with the edit; line ends are `\n`.
    pub text: String,
}

/// Bytes of all mutants together; of a file that has more, evenly spaced ones are made.
const MAX_BYTES: usize = 16 << 20;

/// Returns the mutants of the kinds [`MutationKind::ALL`] of the code from line `first_line` to `last_line` (counted from
/// 1, both included) of `file`, in source order.
///
/// Each parses, and its syntax tree differs from that of `file` and of every other mutant. Annotations, decorators
/// and docstrings are left unchanged, and so are integers of 2^63 or more. A condition that is one comparison or
/// one boolean is not negated, because that is the same fault as its flip. If all of them would take more than 16 MiB,
/// evenly spaced ones are returned.
///
/// # Errors
/// [`SyntaxError`] if `file` does not parse.
pub fn mutants(
    file: &str,
    first_line: usize,
    last_line: usize,
) -> Result<Vec<Mutant>, SyntaxError> {
    mutants_of(file, first_line, last_line, &MutationKind::ALL)
}

/// Like [`mutants`], of these kinds.
///
/// # Errors
/// [`SyntaxError`] if `file` does not parse.
pub fn mutants_of(
    file: &str,
    first_line: usize,
    last_line: usize,
    kinds: &[MutationKind],
) -> Result<Vec<Mutant>, SyntaxError> {
    let candidates = with_module(file, Fstrings::Pep701, |module| {
        let edits = edits::edits(module, first_line..=last_line, kinds);
        let most = (MAX_BYTES / module.text.len().max(1)).max(1);
        let step = edits.len().div_ceil(most).max(1);
        edits
            .into_iter()
            .step_by(step)
            .map(|edit| {
                let mut text = module.text.to_owned();
                text.replace_range(
                    edit.range.start().to_usize()..edit.range.end().to_usize(),
                    &edit.replacement,
                );
                Mutant {
                    kind: edit.kind,
                    line: module.lines.line(edit.range.start()),
                    text,
                }
            })
            .collect::<Vec<_>>()
    })?;
    let mut seen: HashSet<u64> = normalised_hash(file).into_iter().collect();
    // An edit may go beyond a limit of the parser, such as that on nested brackets.
    Ok(candidates
        .into_iter()
        .filter(|mutant| normalised_hash(&mutant.text).is_some_and(|hash| seen.insert(hash)))
        .collect())
}
