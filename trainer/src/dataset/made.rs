//! Data sets that were made from answers to tasks: the folders that `evaluator dataset` writes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slm_artifacts::{DatasetFolder, DatasetInfo, DatasetKind, LearnedDataset};
use slm_benchmarks::{Evaluated, ScoringPhase};
use slm_cli::UserMistake;
use slm_config::{Dataset, Recipe};

use super::decontamination::evaluated_tasks;

/// Most tasks that the error about evaluated tasks names.
const MOST_NAMED: usize = 10;

/// A data set folder that was checked.
#[derive(Debug)]
pub(crate) struct MadeDataset {
    /// The folder.
    folder: PathBuf,
    /// Its path in the recipe, the SHA-256 of its `dataset.json`, and its tasks.
    learned: LearnedDataset,
}

impl MadeDataset {
    /// Opens the data set folder at a recipe's path, which is the folder or its `rows.jsonl`; `None` for other data.
    ///
    /// # Errors
    /// The description is broken or of another version, the rows are not those that it describes, or the recipe's
    /// format is not that of its kind.
    pub(super) fn open(dataset: &Dataset) -> Result<Option<Self>> {
        let path = Path::new(&dataset.path);
        let of_rows = || {
            let is_rows = path
                .file_name()
                .is_some_and(|name| name == DatasetFolder::ROWS);
            let folder = path.parent()?;
            // The parent of a bare file name is empty.
            let is_here = folder.as_os_str().is_empty();
            is_rows.then(|| if is_here { Path::new(".") } else { folder })
        };
        let folder = if path.is_dir() { Some(path) } else { of_rows() };
        let Some(folder) = folder.filter(|folder| {
            let folder = DatasetFolder(folder);
            folder.info().is_file() && folder.rows().is_file()
        }) else {
            return Ok(None);
        };
        let description = DatasetFolder(folder).info();
        let mistake = |problem: &str, hint: &str| -> anyhow::Error {
            UserMistake(format!(
                "{}: {problem}\nhint: {hint}",
                description.display()
            ))
            .into()
        };
        let again = "make the data set again with `evaluator dataset`";
        let info = DatasetFolder(folder).read_info();
        let info = info.map_err(|error| mistake(&error.to_string(), again))?;
        let Some(info) = info else {
            return Ok(None);
        };
        check_format(dataset, info.kind)?;
        let rows = DatasetFolder(folder).rows();
        let unreadable = |path: &Path| format!("cannot read {}", path.display());
        let found = slm_artifacts::sha256_of_file(&rows).with_context(|| unreadable(&rows))?;
        if found != info.rows_sha256 {
            return Err(mistake(
                "rows.jsonl changed since dataset.json was written",
                "make the data set again with `evaluator dataset`, or move the changed rows to a folder without \
                 dataset.json",
            ));
        }
        let sha256 = slm_artifacts::sha256_of_file(&description)
            .with_context(|| unreadable(&description))?;
        let DatasetInfo { tasks, .. } = info;
        Ok(Some(Self {
            folder: folder.to_owned(),
            learned: LearnedDataset {
                path: dataset.path.clone(),
                sha256,
                tasks,
            },
        }))
    }

    /// The path of the rows.
    pub(super) fn rows(&self) -> PathBuf {
        DatasetFolder(&self.folder).rows()
    }

    /// The data set with what distinguishes it from those of an adapter, for messages.
    pub(super) fn of_recipe(&self) -> (&'static str, &LearnedDataset) {
        ("", &self.learned)
    }

    /// The data set as `training.json` records it.
    pub(super) fn learned(self) -> LearnedDataset {
        self.learned
    }
}

/// Checks that the recipe reads the rows by the format of their kind.
fn check_format(dataset: &Dataset, kind: DatasetKind) -> Result<()> {
    let expected = match kind {
        DatasetKind::Sft | DatasetKind::Plans | DatasetKind::Sketches | DatasetKind::Verifier => {
            "prompt_completion"
        }
        DatasetKind::Pairs => "pairs",
        DatasetKind::Kto | DatasetKind::Routes | DatasetKind::Decompositions => "kto",
    };
    let found = dataset.format.name();
    if found == expected {
        return Ok(());
    }
    let text = format!(
        "data set {}: its kind is {}, but its format in the recipe is {found}\nhint: format: {expected}",
        dataset.path,
        kind.name()
    );
    Err(UserMistake(text).into())
}

/// Refuses data sets whose tasks the recipe evaluates, also where `data.decontaminate` is false: those of the recipe, and
/// those from which the adapter of `lora.init_from` learned.
///
/// # Errors
/// A task of a data set is a task of `evaluate.benchmarks`; or a benchmark cannot be loaded, so that its tasks could
/// not be compared.
pub(super) fn refuse_evaluated<'a>(
    recipe: &Recipe,
    learned: impl Iterator<Item = (&'static str, &'a LearnedDataset)>,
) -> Result<()> {
    let mut made = learned.peekable();
    if made.peek().is_none() {
        return Ok(());
    }
    let hint = "the tasks of a data set are compared with those of `evaluate.benchmarks`; remove the benchmark to \
                train without it";
    let tasks = evaluated_tasks(recipe, hint)?;
    // The solutions are only compared; no example, log or message shows them.
    let evaluated = Evaluated::new(&tasks, &ScoringPhase::begin());
    let mut problems = Vec::new();
    for (owner, learned) in made {
        let shared = evaluated.shared(&learned.tasks);
        if shared.is_empty() {
            continue;
        }
        let mut text = format!(
            "data set {}{owner}: {} of its {} tasks are tasks of `evaluate.benchmarks`",
            learned.path,
            shared.len(),
            learned.tasks.len()
        );
        for task in shared.iter().take(MOST_NAMED) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {task}");
        }
        if let Some(more) = shared.len().checked_sub(MOST_NAMED).filter(|n| *n > 0) {
            let _ = write!(text, "\n  and {more} more");
        }
        problems.push(text);
    }
    if problems.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{}\nhint: make the data set from runs of other tasks, or evaluate on others with \
         `evaluate.benchmarks[].split` or `task_ids`",
        problems.join("\n")
    );
    Err(UserMistake(text).into())
}
