//! Finds the task that a file of samples names.

use std::collections::HashMap;

use slm_benchmarks::Task;

/// Tasks by id, and by its last part if that is unambiguous: MBPP's own files number the tasks, EvalPlus
/// prefixes `Mbpp/` to the number.
pub(super) struct TaskIds<'a> {
    whole: HashMap<&'a str, usize>,
    last_part: HashMap<&'a str, Option<usize>>,
    ids: Vec<&'a str>,
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
            ids: ids().map(|(_, id)| id).collect(),
            first: ids().next().map_or("", |(_, id)| id),
            count: tasks.len(),
        }
    }

    /// The prefixes must agree, if both ids have one: `HumanEval/11` is not `Mbpp/11`.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let prefix = |id: &str| id.rsplit_once('/').map(|(prefix, _)| prefix.to_lowercase());
        let part = || {
            let part = id.rsplit('/').next().unwrap_or(id);
            let found = self.last_part.get(part).copied().flatten()?;
            let own = prefix(self.ids[found]);
            (own.is_none() || prefix(id).is_none() || own == prefix(id)).then_some(found)
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
