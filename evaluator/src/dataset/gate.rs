//! The first gate against leakage: tasks that a recipe evaluates are not learned.

use std::path::Path;

use anyhow::Result;
use slm_artifacts::TaskFingerprint;
use slm_benchmarks::{Evaluated, ScoringPhase, Task};
use slm_cli::UserMistake;
use slm_config::Recipe;
use slm_metrics::syntax::function_fingerprints;

use crate::benchmark_file::load_selected_tasks;
use crate::leakage::listed;

/// Prepares the search for the tasks that a recipe evaluates, and returns it with the names of their benchmarks.
///
/// # Errors
/// A benchmark cannot be read.
pub(crate) fn evaluated(recipe: &Recipe, phase: &ScoringPhase) -> Result<(Evaluated, Vec<String>)> {
    let benchmarks = &recipe.evaluate.benchmarks;
    let mut tasks = Vec::new();
    for benchmark in benchmarks {
        tasks.extend(load_selected_tasks(benchmark, false)?.0.tasks);
    }
    let names = benchmarks.iter().map(|of| of.name.clone());
    Ok((Evaluated::new(&tasks, phase), names.collect()))
}

/// Whether code shares a function or consecutive words with a task.
pub(crate) fn shares(evaluated: &Evaluated, name: &str, code: &str) -> bool {
    let of_code = TaskFingerprint {
        task_id: name.to_owned(),
        publisher_id: None,
        sentences: Vec::new(),
        functions: function_fingerprints(code),
    };
    !evaluated.shared(&[of_code]).is_empty() || evaluated.find_words(code).is_some()
}

/// Notes that no recipe is named, or refuses `what`, such as rows, of tasks that the recipe's `evaluate.benchmarks` contain, under any id, name or wording; returns the names
/// of these benchmarks.
///
/// # Errors
/// A task is shared; or the recipe or a benchmark cannot be read.
pub(crate) fn refuse_evaluated(
    learned: &[Task],
    what: &str,
    recipe: Option<&Path>,
    phase: &ScoringPhase,
) -> Result<Vec<String>> {
    let Some(recipe) = recipe else {
        slm_cli::note(&format!(
            "the tasks of the {what} are compared with no benchmark: name the recipe of the later evaluation with --recipe"
        ));
        return Ok(Vec::new());
    };
    let path = recipe;
    let recipe = slm_cli::load_recipe_without_data(path, &[], slm_benchmarks::NAMES)?;
    let (evaluated, names) = evaluated(&recipe, phase)?;
    let shared = evaluated.shared_tasks(learned, phase);
    if shared.is_empty() {
        return Ok(names);
    }
    Err(UserMistake(format!(
        "{} of {} tasks with {what} are evaluated by {}:{}\n\
         hint: sample other tasks (evaluate.benchmarks[].split or .task_ids), or evaluate other ones",
        shared.len(),
        learned.len(),
        path.display(),
        listed(&shared)
    ))
    .into())
}
