//! Checks of the repositories whose functions are tasks, before a run asks a model for anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use slm_artifacts::Verdict;
use slm_benchmarks::{Task, Tests};
use slm_cli::UserMistake;
use slm_repository::{Listing, RepositoryError, identity};
use slm_scoring::Scorer;

/// Checks that each repository is the one that its tasks were made of, and that its tests run with this interpreter: of
/// each kind of test, the first task with one must pass with its original body. Without these checks a run would fail
/// after all answers, or report a pass rate of 0 for an interpreter without pytest.
///
/// # Errors
/// A [`UserMistake`] that names the repository or the task.
pub(crate) fn check(tasks: &[&Task], scorer: &Scorer) -> Result<()> {
    let own = tasks
        .iter()
        .filter_map(|task| task.view().repository.as_ref());
    let roots: BTreeSet<(&Path, &str)> = own
        .map(|target| (target.root.as_path(), target.sha256.as_str()))
        .collect();
    for (root, sha256) in roots {
        if !root.is_dir() {
            let root = root.display();
            let text = format!(
                "no folder {root}, whose functions are tasks\nhint: put it there, or run `evaluator tasks` again"
            );
            return Err(UserMistake(text).into());
        }
        let root = root.canonicalize()?;
        if identity(&root, &Listing::of(&root)?)? != sha256 {
            return Err(UserMistake(RepositoryError::Changed { root }.to_string()).into());
        }
    }
    let mut first: BTreeMap<&str, &Task> = BTreeMap::new();
    for task in tasks {
        if let Tests::Repository(tests) = task.hidden().open(scorer.phase) {
            for test in &tests.tests {
                first.entry(test.kind.word()).or_insert(task);
            }
        }
    }
    for (kind, task) in first {
        let (view, body) = (task.view(), task.canonical_solution(scorer.phase));
        let score = scorer.score(task, &format!("{}{body}", view.prompt))?;
        let Some(total) = score
            .total()
            .filter(|total| total.verdict != Verdict::Passed)
        else {
            continue;
        };
        return Err(UserMistake(format!(
            "{}: the original body does not pass its tests ({kind}) here: {}\n\
             hint: choose the interpreter that `evaluator tasks` used, with the repository's packages: \
             --set evaluate.python=PATH, or --python PATH for `evaluator score`",
            view.task_id, total.detail
        ))
        .into());
    }
    Ok(())
}
