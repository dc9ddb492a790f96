//! The tasks of a run, from all its benchmarks, each under a name that no other has.

use std::collections::BTreeMap;

use anyhow::Result;
use benchmarks::{Task, TaskView};
use config::{Benchmark, Prompting};

use crate::record::BenchmarkInfo;
use crate::{describe, score};

/// A task in a run.
pub(crate) struct RunTask {
    pub(crate) benchmark: String,
    /// What a workflow sees, under the name that the task has in the run.
    pub(crate) view: TaskView,
    pub(crate) task: Task,
}

/// The tasks of all benchmarks, in the recipe's order, and what the benchmarks are.
///
/// # Errors
/// A benchmark's file is missing or another one.
pub(super) fn load(
    benchmarks: &[Benchmark],
    prompting: Prompting,
) -> Result<(Vec<RunTask>, Vec<BenchmarkInfo>)> {
    let load = match prompting {
        Prompting::FewShot => score::load_few_shot_tasks,
        _ => score::load_tasks,
    };
    let (mut tasks, mut infos) = (Vec::new(), Vec::new());
    for benchmark in benchmarks {
        let set = load(benchmark.name.as_str(), benchmark.path.as_deref())?;
        infos.push(describe::benchmark(set.benchmark, &set.tasks));
        tasks.extend(set.tasks.into_iter().map(|task| RunTask {
            benchmark: set.benchmark.to_owned(),
            view: task.view().clone(),
            task,
        }));
    }
    tell_apart(&mut tasks);
    Ok((tasks, infos))
}

/// Puts the benchmark before every name that two benchmarks use: one often is another with more tests.
fn tell_apart(tasks: &mut [RunTask]) {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for task in &*tasks {
        *uses.entry(task.view.task_id.clone()).or_default() += 1;
    }
    for task in tasks {
        if uses[&task.view.task_id] > 1 {
            task.view.task_id = format!("{}:{}", task.benchmark, task.view.task_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_one_name_are_told_apart_by_their_benchmark() {
        let set = benchmarks::load("embedded", None).expect("embedded tasks");
        let task = |benchmark: &str, at: usize| RunTask {
            benchmark: benchmark.to_owned(),
            view: set.tasks[at].view().clone(),
            task: set.tasks[at].clone(),
        };
        let mut tasks = [task("few", 0), task("few", 1), task("more", 0)];
        tell_apart(&mut tasks);
        let (shared, own) = (set.tasks[0].view(), set.tasks[1].view());
        let names: Vec<&str> = tasks
            .iter()
            .map(|task| task.view.task_id.as_str())
            .collect();
        let expected = [
            format!("few:{}", shared.task_id),
            own.task_id.clone(),
            format!("more:{}", shared.task_id),
        ];
        assert_eq!(names, expected);
    }
}
