//! The hidden part of a Parsons problem, which a task carries.

use slm_metrics::syntax::LogicalLine;

/// The hidden part of a Parsons problem.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Puzzle {
    /// The lines of the solution in their order.
    pub(crate) solution: Vec<LogicalLine>,
    pub(crate) distractors: Vec<LogicalLine>,
    /// The lines of the prompt's own code.
    pub(crate) given: Vec<LogicalLine>,
}
