//! Benchmarks: tasks of Python code generation, with tests that stay hidden until scoring.
//!
//! A [`Benchmark`] yields [`Task`]s. What a model and its workflow may see of one is its
//! [`TaskView`]; the tests and the canonical solution open only to a [`ScoringPhase`]. So a
//! workflow, whose functions take a view, cannot run the hidden tests by mistake.
//!
//! [`Overlap`] finds the tasks' texts in training data, which must not contain them.

mod docstring;
mod embedded;
mod overlap;
mod task;

pub use embedded::Embedded;
pub use overlap::{Overlap, contains_docstring};
pub use task::{HiddenTests, ScoringPhase, Task, TaskView};

/// A collection of tasks under one name.
pub trait Benchmark {
    /// As a recipe writes it; the first part of the task ids.
    fn name(&self) -> &'static str;

    /// All tasks, in an order that never changes.
    ///
    /// # Errors
    /// [`BenchmarkError::Malformed`] if the file that holds them cannot be understood.
    fn tasks(&self) -> Result<Vec<Task>, BenchmarkError>;
}

/// Names that [`by_name`] knows.
pub const NAMES: &[&str] = &[Embedded::NAME];

/// The benchmark that a recipe names.
///
/// # Errors
/// [`BenchmarkError::Unknown`], which lists the names.
pub fn by_name(name: &str) -> Result<Box<dyn Benchmark>, BenchmarkError> {
    match name {
        Embedded::NAME => Ok(Box::new(Embedded)),
        _ => Err(BenchmarkError::Unknown { name: name.into() }),
    }
}

/// A benchmark cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BenchmarkError {
    /// Nothing has this name.
    #[error("unknown benchmark `{name}`\nhint: known are {}", NAMES.join(", "))]
    Unknown {
        /// As the user wrote it.
        name: String,
    },
    /// A file of tasks is not in its format.
    #[error("{file}:{line}: {problem}")]
    Malformed {
        /// The file, as the benchmark calls it.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What was found and what was expected.
        problem: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_name_yields_a_benchmark_of_that_name() {
        for name in NAMES {
            assert_eq!(by_name(name).map(|benchmark| benchmark.name()), Ok(*name));
        }
    }

    #[test]
    fn an_unknown_name_is_told_with_the_known_ones() {
        let error = by_name("embeded").map(|_| ()).expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "unknown benchmark `embeded`\nhint: known are embedded"
        );
    }
}
