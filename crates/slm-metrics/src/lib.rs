//! Python code metrics identical to those of radon 6.0.1: line counts, cyclomatic complexity, Halstead's metrics
//! and the maintainability index.
//!
//! [`analyze`] goes from source text to all of them. [`syntax`] holds what else needs a Python parser: whether a
//! text parses, the program in a model's answer, the documented functions of a file, and the identity of programs up
//! to layout.

mod ast;
mod code_lines;
mod codecs;
mod cyclomatic;
mod decode;
mod extraction;
mod functions;
mod halstead;
mod lines;
mod maintainability;
mod nesting;
mod normalised;
mod operand;
mod parser;
mod rank;
mod raw;
pub mod syntax;

use serde::Serialize;

pub use cyclomatic::{Block, BlockKind};
pub use decode::decode_python;
pub use halstead::{Halstead, HalsteadReport};
pub use maintainability::{
    COMMENT_PEAK, COMMENT_ZERO, comment_points, length_points, maintainability_index,
    percent_comments,
};
pub use parser::{Fstrings, SyntaxError};
pub use rank::{Rank, UnknownRank};
pub use raw::Raw;

/// How to read a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// How f-strings are tokenized, and with it which Python version parses.
    pub fstrings: Fstrings,
}

/// All metrics of one file; serialised with the keys of radon's own JSON where it has them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileMetrics {
    /// Line counts.
    pub raw: Raw,
    /// Halstead's metrics of the file and its functions.
    pub halstead: HalsteadReport,
    /// Functions first, then every class followed by its methods; serialised by falling complexity.
    #[serde(rename = "cc", serialize_with = "cyclomatic::by_complexity")]
    pub blocks: Vec<Block>,
    /// Complexity of the whole file, the one in the maintainability index.
    #[serde(rename = "cc_total")]
    pub cyclomatic_complexity: usize,
    /// Maintainability index, 0 (worst) to 100.
    #[serde(rename = "mi")]
    pub maintainability_index: f64,
    /// The grade of the maintainability index.
    pub rank: Rank,
    /// Maintainability index of the same program without docstrings and comments: that of what `ast.unparse` writes
    /// for the tree once the docstrings are taken out of it.
    pub mi_code: f64,
    /// Logical lines of that program.
    #[serde(skip)]
    pub lloc_code: usize,
}

/// What a report holds for one file: its metrics, or `{"error": ...}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FileReport {
    /// The file was counted.
    Counted(Box<FileMetrics>),
    /// It was not.
    Failed {
        /// Why.
        error: String,
    },
}

impl From<Result<FileMetrics, SyntaxError>> for FileReport {
    fn from(result: Result<FileMetrics, SyntaxError>) -> Self {
        match result {
            Ok(metrics) => Self::Counted(Box::new(metrics)),
            Err(error) => Self::Failed {
                error: error.to_string(),
            },
        }
    }
}

/// Counts everything in `source` as radon does on `CPython` 3.13.
///
/// # Errors
/// [`SyntaxError`] if `source` is no valid Python, or nested so deeply that `CPython` or radon refuse it.
pub fn analyze(source: &str) -> Result<FileMetrics, SyntaxError> {
    analyze_with(source, Options::default())
}

/// Like [`analyze`], with the Python version's way of reading f-strings as an option.
pub fn analyze_with(source: &str, options: Options) -> Result<FileMetrics, SyntaxError> {
    parser::with_module(source, options.fstrings, |module| {
        let raw = raw::count(module)?;
        let halstead = halstead::count(module);
        let complexity = cyclomatic::count(module);
        let volume = halstead.total.volume;
        let index = maintainability::index(volume, complexity.total, &raw);
        let lloc_code = code_lines::count(module);
        Ok(FileMetrics {
            raw,
            halstead,
            blocks: complexity.blocks,
            cyclomatic_complexity: complexity.total,
            maintainability_index: index,
            rank: Rank::of_maintainability(index),
            mi_code: maintainability::index_of_code(volume, complexity.total, lloc_code),
            lloc_code,
        })
    })?
}
