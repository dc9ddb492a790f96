//! Finds the task that a file of samples names.

use std::collections::HashMap;

use slm_benchmarks::Task;

/// Tasks by id, and by its last part if that is unambiguous: MBPP's own files number the tasks, EvalPlus
/// prefixes `Mbpp/` to the number.
pub(super) struct TaskIds<'a> {
    whole: HashMap<&'a str, usize>,
    last_part: HashMap<&'a str, Option<usize>>,
    first: &'a str,
    count: usize,
}

impl<'a> TaskIds<'a> {
    pub(super) fn of(tasks: &'a [Task]) -> Self {
        let ids = || {
            tasks
                .iter()
                .map(|task| task.view().task_id.as_str())
                .enumerate()
        };
        let mut last_part: HashMap<&str, Option<usize>> = HashMap::new();
        for (i, id) in ids() {
            let part = id.rsplit('/').next().unwrap_or(id);
            last_part
                .entry(part)
                .and_modify(|found| *found = None)
                .or_insert(Some(i));
        }
        Self {
            whole: ids().map(|(i, id)| (id, i)).collect(),
            last_part,
            first: ids().next().map_or("", |(_, id)| id),
            count: tasks.len(),
        }
    }

    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let part = || {
            self.last_part
                .get(id.rsplit('/').next().unwrap_or(id))
                .copied()
                .flatten()
        };
        self.whole.get(id).copied().or_else(part)
    }

    /// Finds the task of a folder, whose name is the task id with `_` for `/`.
    pub(super) fn of_folder(tasks: &[Task], name: &str) -> Option<usize> {
        let mut ids = tasks.iter().map(|task| &task.view().task_id);
        ids.position(|id| id.replace('/', "_") == name)
    }

    pub(super) fn unknown(&self, id: &str) -> String {
        format!(
            "no task `{id}` in the benchmark\nhint: its {} tasks have ids such as `{}`; check --benchmark and the version of --data",
            self.count, self.first
        )
    }
}
