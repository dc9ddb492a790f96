//! Python code metrics identical to those of radon 6.0.1: line counts, cyclomatic complexity, Halstead's metrics
//! and the maintainability index. Besides them: cognitive complexity, and findings of static rules ([`rules`]).
//!
//! [`analyze`] computes all metrics from source text. [`syntax`] has the other functions that need a Python
//! parser: whether a text parses, extracting the program from a model's answer, the documented functions of a
//! file, equality and similarity of programs up to layout, equality of signatures, and mutants. [`rules`] has the
//! findings of static rules and the minutes that their repair is estimated to take.
//!
//! ```
//! let metrics = slm_metrics::analyze("def f(x):\n    return 1 if x else 2\n")?;
//! assert_eq!(metrics.cyclomatic_complexity, 2);
//! assert!(metrics.maintainability_index > 50.0);
//! # Ok::<(), slm_metrics::SyntaxError>(())
//! ```

mod argument_comparisons;
mod ast;
mod bleu;
mod body_spans;
mod builtins;
mod code_lines;
mod code_tokens;
mod code_words;
mod codecs;
mod cognitive;
mod comment_lines;
mod cyclomatic;
mod decode;
mod definitions;
mod docstrings;
mod exports;
mod extraction;
mod fingerprint;
mod function_context;
mod function_traces;
mod functions;
mod halstead;
mod lines;
mod literals;
mod logical_lines;
mod maintainability;
mod mutants;
mod nesting;
mod normalised;
mod operand;
mod parser;
mod placeholders;
mod positions;
mod program_parts;
mod rank;
mod raw;
mod rewrites;
pub mod rules;
mod signature;
mod similarity;
mod symbols;
pub mod syntax;

use serde::Serialize;

pub use cognitive::{FunctionComplexity, cognitive_by_function};
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

/// Options for reading a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// How f-strings are tokenized, which also selects the Python version of the parser.
    pub fstrings: Fstrings,
}

/// All metrics of one file; serialised with the keys of radon's own JSON where it has them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileMetrics {
    /// Line counts.
    pub raw: Raw,
    /// Halstead's metrics of the file and its functions.
    pub halstead: HalsteadReport,
    /// Functions first, then every class followed by its methods; serialised by decreasing complexity.
    #[serde(rename = "cc", serialize_with = "cyclomatic::by_complexity")]
    pub blocks: Vec<Block>,
    /// Complexity of the whole file, as used in the maintainability index.
    #[serde(rename = "cc_total")]
    pub cyclomatic_complexity: usize,
    /// Cognitive complexity of the whole file: the sum over its functions and methods, each with the functions and
    /// classes in it, and the code outside functions. Unlike the other metrics it is not radon's.
    #[serde(rename = "cognitive")]
    pub cognitive_complexity: usize,
    /// Maintainability index, 0 (worst) to 100.
    #[serde(rename = "mi")]
    pub maintainability_index: f64,
    /// The rank of the maintainability index.
    pub rank: Rank,
    /// Maintainability index of the same program without docstrings and comments: that of the output of
    /// `ast.unparse` for the tree without its docstrings.
    pub mi_code: f64,
    /// Logical lines of that output.
    #[serde(skip)]
    pub lloc_code: usize,
}

/// The report on one file: its metrics, or `{"error": ...}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FileReport {
    /// The metrics of the file.
    Counted(Box<FileMetrics>),
    /// The file could not be analysed.
    Failed {
        /// The error message.
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

/// Computes all metrics of `source` as radon does on `CPython` 3.13.
///
/// # Errors
/// [`SyntaxError`] if `source` is not valid Python, or nested too deeply for `CPython` or radon.
pub fn analyze(source: &str) -> Result<FileMetrics, SyntaxError> {
    analyze_with(source, Options::default())
}

/// Like [`analyze`], with a choice of the Python version's f-string tokenization.
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
            cognitive_complexity: cognitive::count(module),
            maintainability_index: index,
            rank: Rank::of_maintainability(index),
            mi_code: maintainability::index_of_code(volume, complexity.total, lloc_code),
            lloc_code,
        })
    })?
}
