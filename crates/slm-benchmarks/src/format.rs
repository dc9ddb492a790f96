//! A benchmark: its name, its file, and the function that parses the file.

use std::path::Path;

use crate::error::BenchmarkError;
use crate::task::Task;

/// A collection of tasks under one name.
pub trait Benchmark {
    /// Returns the name as written in a recipe.
    fn name(&self) -> &'static str;

    /// Returns the file that contains the tasks; `None` if they are built in.
    fn data(&self) -> Option<&Path>;

    /// Reads all tasks, in a fixed order.
    ///
    /// # Errors
    /// The file is missing or cannot be parsed.
    fn tasks(&self) -> Result<Vec<Task>, BenchmarkError>;
}

/// The file of a benchmark's tasks, and its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    /// The publisher's name for the file.
    pub file: &'static str,
    /// Where it is published.
    pub publisher: &'static str,
}

/// A benchmark whose tasks are in a file.
pub(crate) struct Format {
    pub(crate) name: &'static str,
    pub(crate) data: Data,
    pub(crate) read: fn(&Path) -> Result<Vec<Task>, BenchmarkError>,
}
