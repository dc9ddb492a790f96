//! A benchmark: its name, its file, and the function that parses the file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::BenchmarkError;
use crate::split::Split;
use crate::task::Task;

/// Number of rows or tasks that are left out, by reason.
pub type LeftOut = BTreeMap<&'static str, usize>;

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

    /// Reads the tasks of a part of the file (`None`: the one that is meant for scores) and the number of rows that are
    /// left out, by reason. Most benchmarks have no such parts, and return all tasks.
    ///
    /// # Errors
    /// As [`Self::tasks`].
    fn tasks_of(&self, _: Option<Split>) -> Result<(Vec<Task>, LeftOut), BenchmarkError> {
        Ok((self.tasks()?, LeftOut::new()))
    }
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
    pub(crate) read: Reader,
}

/// How the file of a benchmark is read.
pub(crate) enum Reader {
    /// All tasks at once.
    Whole(fn(&Path) -> Result<Vec<Task>, BenchmarkError>),
    /// One part of the publisher's split at a time, with the number of rows that are left out.
    Part(ReadPart),
}

/// Reads one part of a publisher's split.
type ReadPart = fn(&Path, Split) -> Result<(Vec<Task>, LeftOut), BenchmarkError>;
