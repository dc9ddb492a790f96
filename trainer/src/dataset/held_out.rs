//! Files that a recipe evaluates on, and that no training may read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_cli::UserMistake;
use slm_config::Recipe;

use super::decontamination;

/// Why the tasks are loaded.
const HINT: &str = "files with tasks of `evaluate.benchmarks` are not learned from";

/// The files whose functions are tasks of `evaluate.benchmarks`.
///
/// A benchmark from a repository's own code evaluates on whole files, so that a model is not trained on their other
/// functions, which call and resemble those of the tasks.
#[derive(Debug, Default)]
pub(super) struct HeldOut(HashSet<PathBuf>);

impl HeldOut {
    /// Finds the files of the recipe's tasks. Files that no longer exist are in none of its data sets.
    ///
    /// # Errors
    /// The file of a benchmark is missing or broken, or the folder of its repository is missing, so that its files
    /// could not be recognised.
    pub(super) fn of(recipe: &Recipe) -> Result<Self> {
        let mut files = HashSet::new();
        for benchmark in &recipe.evaluate.benchmarks {
            if benchmark.name.as_str() != slm_benchmarks::REPOSITORY {
                continue;
            }
            for task in decontamination::load(benchmark, HINT)? {
                let Some(target) = &task.view().repository else {
                    continue;
                };
                if !target.root.is_dir() {
                    let root = target.root.display();
                    let text = format!(
                        "no folder {root}, whose files the recipe evaluates on\n\
                         hint: put it there, or run `evaluator tasks` again"
                    );
                    return Err(UserMistake(text).into());
                }
                files.extend(target.root.join(&target.file).canonicalize().ok());
            }
        }
        Ok(Self(files))
    }

    /// Whether a file is held out.
    pub(super) fn contains(&self, file: &Path) -> bool {
        let known = || file.canonicalize().unwrap_or_else(|_| file.to_owned());
        !self.0.is_empty() && self.0.contains(&known())
    }
}
