//! The first gate against leakage: tasks that a recipe evaluates are not learned.

use std::path::Path;

use anyhow::Result;
use slm_benchmarks::{Evaluated, ScoringPhase, Task};
use slm_cli::UserMistake;

use crate::benchmark_file::load_selected_tasks;
use crate::leakage::listed;

/// Refuses rows of tasks that the recipe's `evaluate.benchmarks` contain, under any id, name or wording; returns the names
/// of these benchmarks.
///
/// # Errors
/// A task is shared; or the recipe or a benchmark cannot be read.
pub(super) fn refuse_evaluated(
    learned: &[Task],
    recipe: &Path,
    phase: &ScoringPhase,
) -> Result<Vec<String>> {
    let path = recipe;
    let recipe = slm_cli::load_recipe_without_data(path, &[], slm_benchmarks::NAMES)?;
    let mut evaluated = Vec::new();
    for benchmark in &recipe.evaluate.benchmarks {
        evaluated.extend(load_selected_tasks(benchmark, false)?.0.tasks);
    }
    let shared = Evaluated::new(&evaluated, phase).shared_tasks(learned, phase);
    if shared.is_empty() {
        let benchmarks = recipe.evaluate.benchmarks.iter();
        return Ok(benchmarks.map(|of| of.name.clone()).collect());
    }
    Err(UserMistake(format!(
        "{} of {} tasks with rows are evaluated by {}:{}\n\
         hint: sample other tasks (evaluate.benchmarks[].split or .task_ids), or evaluate other ones",
        shared.len(),
        learned.len(),
        path.display(),
        listed(&shared)
    ))
    .into())
}
