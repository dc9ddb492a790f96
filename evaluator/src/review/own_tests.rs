//! The tests of rewritten functions: those of tasks that `evaluator tasks` made of their repository.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_artifacts::Verdict;
use slm_benchmarks::{REPOSITORY, ScoringPhase, Task};
use slm_cli::UserMistake;
use slm_config::Recipe;
use slm_metrics::syntax::moved_right;
use slm_sandbox::{Limits, Sandbox};
use slm_scoring::{Scorer, TreePools, for_each_parallel, names_test_machinery};

use super::left_out::LeftOut;
use super::propose::Rewrite;
use crate::experiment::expected_outputs;
use crate::repositories;
use crate::review_arguments::ReviewArguments;

/// The tested functions of repositories, by file and qualified name.
pub(super) struct OwnTests {
    tasks: HashMap<(PathBuf, String), Task>,
    /// `None` if there are no tasks.
    sandbox: Option<Sandbox>,
}

/// A rewritten function of a file.
pub(super) struct Candidate<'a> {
    pub(super) path: &'a Path,
    pub(super) rewrite: &'a mut Option<Rewrite>,
    pub(super) left_out: &'a mut Vec<LeftOut>,
}

impl OwnTests {
    /// Reads the tasks of `--tests` and of the recipe's benchmarks `repository`, of both sides of a split, and opens the
    /// sandbox if there are some.
    ///
    /// # Errors
    /// A file of tasks cannot be read, or there is no sandbox.
    pub(super) fn open(arguments: &ReviewArguments, recipe: &Recipe) -> Result<Self> {
        let evaluate = &recipe.evaluate;
        let of_recipe = evaluate.benchmarks.iter();
        let of_recipe = of_recipe.filter(|of| of.name.as_str() == REPOSITORY);
        let files = of_recipe.filter_map(|of| of.path.as_deref());
        let mut tasks = HashMap::new();
        for file in files.chain(arguments.tests.as_deref()) {
            for task in read(file)? {
                // Those that are only measured have no tests.
                if let Some(place) = place(&task).filter(|_| task.is_forgeable()) {
                    tasks.insert(place, task);
                }
            }
        }
        let sandbox = if tasks.is_empty() {
            None
        } else {
            let limits = Limits::default().with_cpu_s(evaluate.timeout_s);
            Some(arguments.sandbox.open(evaluate.python.as_deref(), limits)?)
        };
        Ok(Self { tasks, sandbox })
    }

    /// Runs the tests of each rewritten function that has some, and leaves out those that do not pass.
    ///
    /// # Errors
    /// The sandbox fails, or a repository has changed since its tasks were made.
    pub(super) fn check(&self, mut candidates: Vec<Candidate>) -> Result<()> {
        let Some(sandbox) = &self.sandbox else {
            return Ok(());
        };
        let (phase, outputs, trees) = (ScoringPhase::begin(), expected_outputs(), TreePools::new());
        let scorer = Scorer {
            sandbox,
            expected_outputs: &outputs,
            phase: &phase,
            trees: &trees,
        };
        let mut items: Vec<(usize, &Task, String)> = Vec::new();
        for (at, candidate) in candidates.iter().enumerate() {
            let found = candidate.rewrite.as_ref().and_then(|rewrite| {
                let task = self.task(candidate.path, rewrite)?;
                Some((at, task, program(rewrite)?))
            });
            items.extend(found);
        }
        let tasks: Vec<&Task> = items.iter().map(|(_, task, _)| *task).collect();
        repositories::check(&tasks, &scorer)?;
        let mut verdicts = vec![Err(LeftOut::Unscored); items.len()];
        for_each_parallel(
            &items,
            sandbox.workers(),
            |(_, task, program)| tested(task, program, &scorer),
            |at, verdict| {
                verdicts[at] = verdict;
                Ok::<_, anyhow::Error>(())
            },
        )?;
        for ((at, ..), verdict) in items.iter().zip(verdicts) {
            let candidate = &mut candidates[*at];
            match (verdict, &mut *candidate.rewrite) {
                (Ok(passed), Some(rewrite)) => rewrite.shown.tests_passed = passed,
                (Err(reason), rewrite) => {
                    *rewrite = None;
                    candidate.left_out.push(reason);
                }
                (Ok(_), None) => {}
            }
        }
        Ok(())
    }

    /// Returns the task of a rewritten function.
    fn task(&self, path: &Path, rewrite: &Rewrite) -> Option<&Task> {
        let path = path.canonicalize().ok()?;
        self.tasks.get(&(path, rewrite.shown.function.clone()))
    }
}

/// Returns the number of tests that a program passes, if it passes all.
fn tested(task: &Task, program: &str, scorer: &Scorer) -> Result<Result<usize, LeftOut>> {
    let original = &task.view().prompt;
    if names_test_machinery(program).is_some() && names_test_machinery(original).is_none() {
        return Ok(Err(LeftOut::TestMachinery));
    }
    let score = scorer.score(task, program)?;
    Ok(match score.total() {
        Some(total) if total.verdict == Verdict::Passed => Ok(total.passed),
        Some(_) => Err(LeftOut::FailedTests),
        None => Err(LeftOut::Unscored),
    })
}

/// Returns the rewritten function as a program; a method is in its class.
fn program(rewrite: &Rewrite) -> Option<String> {
    match rewrite.shown.function.rsplit_once('.') {
        None => Some(rewrite.text.clone()),
        Some((class, _)) => {
            let method = moved_right(&rewrite.text, "    ")?;
            Some(format!("class {class}:\n{method}"))
        }
    }
}

fn read(file: &Path) -> Result<Vec<Task>> {
    let mistake = |error: slm_benchmarks::BenchmarkError| UserMistake(error.to_string());
    let mut tasks = slm_benchmarks::training_tasks(file).map_err(mistake)?;
    tasks.extend(
        slm_benchmarks::load(REPOSITORY, Some(file))
            .map_err(mistake)?
            .tasks,
    );
    Ok(tasks)
}

/// Returns the file and the name of a task's function.
fn place(task: &Task) -> Option<(PathBuf, String)> {
    let target = task.view().repository.as_ref()?;
    let path = target.root.join(&target.file).canonicalize().ok()?;
    Some((path, target.qualified_name.clone()))
}
