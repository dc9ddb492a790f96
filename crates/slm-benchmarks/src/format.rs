//! What a benchmark is: its name, its file, and how that file is read.

use std::path::Path;

use crate::error::BenchmarkError;
use crate::task::Task;

/// A collection of tasks under one name.
pub trait Benchmark {
    /// As a recipe writes it.
    fn name(&self) -> &'static str;

    /// The file that the tasks are read from; `None` if they are built in.
    fn data(&self) -> Option<&Path>;

    /// All tasks, in an order that never changes.
    ///
    /// # Errors
    /// The file that holds them is missing or cannot be understood.
    fn tasks(&self) -> Result<Vec<Task>, BenchmarkError>;
}

/// The file of a benchmark's tasks, and who publishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    /// The publisher's name for the file.
    pub file: &'static str,
    /// Where it is published.
    pub publisher: &'static str,
}

/// A benchmark that reads a file.
pub(crate) struct Format {
    pub(crate) name: &'static str,
    pub(crate) data: Data,
    pub(crate) read: fn(&Path) -> Result<Vec<Task>, BenchmarkError>,
}
