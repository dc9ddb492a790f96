//! A task under its name in a run.

use slm_benchmarks::{Task, TaskView};

/// A task in a run.
pub(crate) struct RunTask {
    pub(crate) benchmark: String,
    /// What a workflow sees of the task, under the task's name in the run.
    pub(crate) view: TaskView,
    pub(crate) task: Task,
}
