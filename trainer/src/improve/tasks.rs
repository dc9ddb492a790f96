//! The tasks of `improve.tasks`: which are learned from, and by which rounds are compared.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use slm_artifacts::{atomic_write, sha256_of_file, sha256_of_texts};
use slm_benchmarks::{Evaluated, ScoringPhase, Selection, Split, Task, TaskSet, Tests};
use slm_cli::UserMistake;
use slm_config::{Benchmark, BenchmarkSplit, Improve, Recipe};

use super::left_out::LeftOut;

/// Fewest tasks by which rounds are compared.
pub(super) const FEWEST_DEV: usize = 10;

/// The tasks of an item of `improve.tasks`, by their ids.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Learned {
    /// The item of the recipe.
    pub(super) benchmark: Benchmark,
    /// Its file on this machine; `None` for built-in tasks.
    pub(super) file: Option<PathBuf>,
    /// SHA-256 of that file, in hex; for built-in tasks, of all their texts.
    pub(super) data_sha256: String,
    /// Ids of the tasks that are learned from.
    pub(super) train: Vec<String>,
    /// Ids of the tasks by which rounds are compared.
    pub(super) dev: Vec<String>,
}

/// All tasks of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tasks {
    /// The items of `improve.tasks`, in their order.
    pub(super) learned: Vec<Learned>,
    /// Number of tasks that are not used, by reason.
    pub(super) left_out: BTreeMap<LeftOut, usize>,
}

/// The part of the tasks that a stage uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Those that are learned from.
    Train,
    /// Those by which rounds are compared.
    Dev,
}

impl Part {
    /// The name in files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Dev => "dev",
        }
    }
}

impl Learned {
    fn ids(&self, part: Part) -> &[String] {
        match part {
            Part::Train => &self.train,
            Part::Dev => &self.dev,
        }
    }
}

impl Tasks {
    /// Loads the tasks of a recipe, and divides them by `train.seed`.
    ///
    /// # Errors
    /// A benchmark's file is missing or broken, or fewer tasks than `improve.fewest_tasks` remain.
    pub(super) fn load(recipe: &Recipe) -> Result<Self> {
        let phase = ScoringPhase::begin();
        let mut evaluated = Vec::new();
        for (index, benchmark) in recipe.evaluate.benchmarks.iter().enumerate() {
            let key = format!("evaluate.benchmarks[{index}]");
            evaluated.extend(load(benchmark, &key)?.tasks);
        }
        let mut sets = Vec::new();
        for (index, benchmark) in recipe.improve.tasks.iter().enumerate() {
            let key = format!("improve.tasks[{index}]");
            let (set, file) = load_from(benchmark, &key)?;
            sets.push((benchmark.clone(), set, file));
        }
        let tasks = Self::divide(
            sets,
            &Evaluated::new(&evaluated, &phase),
            &recipe.improve,
            recipe.train.seed,
            &phase,
        );
        let (n, fewest) = (
            tasks.n(Part::Train) + tasks.n(Part::Dev),
            recipe.improve.fewest_tasks,
        );
        if n < fewest || tasks.n(Part::Train) == 0 {
            let text = format!(
                "`improve.tasks` leaves {n} tasks to learn from and to compare rounds by, fewer than \
                 `improve.fewest_tasks` ({fewest}); left out: {}\n\
                 hint: add a benchmark to `improve.tasks`, or a part that `evaluate.benchmarks` does not evaluate",
                tasks.left_out_text()
            );
            return Err(UserMistake(text).into());
        }
        Ok(tasks)
    }

    fn divide(
        sets: Vec<(Benchmark, TaskSet, Option<PathBuf>)>,
        evaluated: &Evaluated,
        improve: &Improve,
        seed: u64,
        phase: &ScoringPhase,
    ) -> Self {
        let mut left_out = BTreeMap::new();
        let mut leave_out = |reason: LeftOut| *left_out.entry(reason).or_default() += 1;
        let mut ids = HashSet::new();
        let mut kept: Vec<(usize, Task)> = Vec::new();
        let mut learned = Vec::new();
        for (item, (benchmark, set, file)) in sets.into_iter().enumerate() {
            for task in &set.tasks {
                let id = task.view().task_id.as_str();
                if task.split() == Some(Split::Test) {
                    leave_out(LeftOut::TestSplit);
                } else if *task.hidden().open(phase) == Tests::Measured {
                    leave_out(LeftOut::Untested);
                } else if is_shared(evaluated, task, phase) {
                    leave_out(LeftOut::Evaluated);
                } else if !ids.insert(id.to_owned()) {
                    leave_out(LeftOut::Repeated);
                } else {
                    kept.push((item, task.clone()));
                }
            }
            learned.push(Learned {
                benchmark,
                file,
                data_sha256: set.data_sha256,
                train: Vec::new(),
                dev: Vec::new(),
            });
        }
        kept.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let wanted = (improve.dev * kept.len() as f64).round() as usize;
        let train = kept.split_off(wanted.max(FEWEST_DEV).min(kept.len()));
        let dev: Vec<Task> = kept.iter().map(|(_, task)| task.clone()).collect();
        let resembled = Evaluated::new(&dev, phase);
        for (item, task) in &kept {
            learned[*item].dev.push(task.view().task_id.clone());
        }
        for (item, task) in &train {
            let id = task.view().task_id.clone();
            if is_shared(&resembled, task, phase) {
                leave_out(LeftOut::ResemblesDev);
            } else {
                learned[*item].train.push(id);
            }
        }
        for item in &mut learned {
            item.train.sort_unstable();
            item.dev.sort_unstable();
        }
        Self { learned, left_out }
    }

    /// Returns the number of tasks of a part.
    pub(super) fn n(&self, part: Part) -> usize {
        self.learned.iter().map(|item| item.ids(part).len()).sum()
    }

    /// Returns the ids of a part, of all items.
    pub(super) fn ids(&self, part: Part) -> Vec<&str> {
        let items = self.learned.iter();
        items
            .flat_map(|item| item.ids(part))
            .map(String::as_str)
            .collect()
    }

    /// Refuses files that have changed since [`Self::load`].
    ///
    /// # Errors
    /// A file has another hash, or cannot be read.
    pub(super) fn check_files(&self) -> Result<()> {
        for (index, item) in self.learned.iter().enumerate() {
            let Some(path) = &item.file else { continue };
            let now =
                sha256_of_file(path).with_context(|| format!("cannot read {}", path.display()))?;
            if now != item.data_sha256 {
                return Err(UserMistake(format!(
                    "{}: the {} changed during the run: its SHA-256 was {}, and is now {now}\n\
                     hint: restore the file and start again; finished stages are kept",
                    path.display(),
                    file_input(index, &item.benchmark.name),
                    item.data_sha256,
                ))
                .into());
            }
        }
        Ok(())
    }

    /// Returns the counts of the tasks that are not used, as text.
    pub(super) fn left_out_text(&self) -> String {
        if self.left_out.is_empty() {
            return "none".to_owned();
        }
        let counts = self.left_out.iter();
        let counts: Vec<String> = counts.map(|(reason, n)| format!("{n} {reason}")).collect();
        counts.join(", ")
    }

    /// Returns the items of a part as a recipe names them, with the files of ids in `folder`.
    pub(super) fn benchmarks(&self, part: Part, folder: &Path) -> Vec<Benchmark> {
        self.files(part, folder)
            .map(|(item, path, _)| Benchmark {
                task_ids: Some(path),
                ..item.benchmark.clone()
            })
            .collect()
    }

    /// Returns the hashes of what a part consists of, by name.
    pub(super) fn inputs(&self, part: Part) -> BTreeMap<String, String> {
        let mut inputs = BTreeMap::new();
        for (index, item) in self.learned.iter().enumerate() {
            let ids = item.ids(part);
            if ids.is_empty() {
                continue;
            }
            inputs.insert(
                file_input(index, &item.benchmark.name),
                item.data_sha256.clone(),
            );
            let ids = sha256_of_texts(ids.iter().map(String::as_str));
            inputs.insert(format!("{} tasks {}", part.name(), index + 1), ids);
        }
        inputs
    }

    /// Returns the hash of each benchmark's file, by the name that [`Self::inputs`] uses.
    pub(super) fn data_hashes(&self) -> BTreeMap<String, String> {
        let items = self.learned.iter().enumerate();
        items
            .map(|(index, item)| {
                let name = file_input(index, &item.benchmark.name);
                (name, item.data_sha256.clone())
            })
            .collect()
    }

    /// Writes the ids of every part into `folder`, one per line.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        for part in [Part::Train, Part::Dev] {
            for (_, path, ids) in self.files(part, folder) {
                let text = ids.join("\n") + "\n";
                atomic_write(&path, text)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// The items with tasks of a part, each with its file of ids and the ids.
    fn files<'a>(
        &'a self,
        part: Part,
        folder: &'a Path,
    ) -> impl Iterator<Item = (&'a Learned, PathBuf, &'a [String])> {
        let items = self.learned.iter().enumerate();
        items.filter_map(move |(index, item)| {
            let name = &item.benchmark.name;
            let again = self.learned[..index]
                .iter()
                .filter(|other| other.benchmark.name == *name)
                .count();
            let number = if again == 0 {
                String::new()
            } else {
                format!("-{}", again + 1)
            };
            let path = folder.join(format!("{}-{name}{number}.txt", part.name()));
            let ids = item.ids(part);
            (!ids.is_empty()).then_some((item, path, ids))
        })
    }
}

/// Whether a task is among `evaluated`. Each task is compared alone, so that a text that many tasks to learn from have in
/// common counts as well: the data set of a round may contain few of them.
fn is_shared(evaluated: &Evaluated, task: &Task, phase: &ScoringPhase) -> bool {
    !evaluated
        .shared_tasks(std::slice::from_ref(task), phase)
        .is_empty()
}

/// The name of a benchmark's file among the inputs of a stage.
fn file_input(index: usize, name: &str) -> String {
    format!("file of improve.tasks[{index}], {name}")
}

/// Loads the tasks that an item of the recipe selects.
fn load(benchmark: &Benchmark, key: &str) -> Result<TaskSet> {
    Ok(load_from(benchmark, key)?.0)
}

/// Loads the tasks that an item of the recipe selects, and returns their file, unless they are built in.
fn load_from(benchmark: &Benchmark, key: &str) -> Result<(TaskSet, Option<PathBuf>)> {
    let name = benchmark.name.as_str();
    let mistake = |problem: String| UserMistake(format!("`{key}`: {problem}"));
    let default = slm_benchmarks::data_of(name).map(|data| data.file);
    let (data, _) = slm_cli::benchmark_data(
        benchmark.path.as_deref(),
        default,
        slm_benchmarks::subset_of(name),
        &slm_table::ENDINGS,
    )?;
    let task_ids = benchmark.read_task_ids().map_err(|error| {
        let path = benchmark.task_ids.as_deref().unwrap_or(Path::new(""));
        mistake(format!(
            "cannot read the ids of tasks in {}: {error}\nhint: write one id per line",
            path.display()
        ))
    })?;
    let split = benchmark.split.map(BenchmarkSplit::name);
    let selection = Selection::named(split, task_ids);
    let set = slm_benchmarks::load_selected(name, data.as_deref(), &selection);
    let set = set.map_err(|error| mistake(error.to_string()))?;
    Ok((set, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedded(from: usize, to: usize) -> TaskSet {
        let mut set = slm_benchmarks::load("embedded", None).expect("tasks");
        set.tasks = set.tasks.drain(from..to).collect();
        set
    }

    fn divided(sets: Vec<TaskSet>, evaluated: &[Task], seed: u64) -> Tasks {
        let phase = ScoringPhase::begin();
        let named = |set| (Benchmark::named("embedded"), set, None);
        Tasks::divide(
            sets.into_iter().map(named).collect(),
            &Evaluated::new(evaluated, &phase),
            &Improve::default(),
            seed,
            &phase,
        )
    }

    #[test]
    fn evaluated_and_repeated_tasks_are_not_learned_from() {
        let all = embedded(0, 40);
        let tasks = divided(vec![embedded(0, 40), embedded(30, 40)], &all.tasks[..8], 1);
        assert_eq!(tasks.left_out[&LeftOut::Evaluated], 8);
        assert_eq!(tasks.left_out[&LeftOut::Repeated], 10);
        let similar = tasks.left_out.get(&LeftOut::ResemblesDev).copied();
        let n = tasks.n(Part::Train) + tasks.n(Part::Dev) + similar.unwrap_or(0);
        assert_eq!((n, tasks.n(Part::Dev)), (32, FEWEST_DEV));
        let evaluated = &all.tasks[0].view().task_id;
        for item in &tasks.learned {
            assert!(!item.train.contains(evaluated) && !item.dev.contains(evaluated));
        }
    }

    #[test]
    fn the_seed_decides_which_tasks_compare_rounds() {
        let of = |seed| divided(vec![embedded(0, 40)], &[], seed);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1).learned[0].dev, of(2).learned[0].dev);
    }

    #[test]
    fn each_part_has_a_file_of_ids_for_each_item_with_tasks() {
        let folder = tempfile::tempdir().expect("a folder");
        let tasks = divided(vec![embedded(0, 20), embedded(20, 40)], &[], 1);
        tasks.write(folder.path()).expect("written");
        let items = tasks.benchmarks(Part::Train, folder.path());
        let read = items.iter().map(|item| item.read_task_ids().expect("read"));
        let read: Vec<_> = read.map(|ids| ids.expect("ids")).collect();
        let train = tasks.learned.iter().map(|item| item.train.clone());
        assert_eq!(read, train.collect::<Vec<_>>());
        assert!(folder.path().join("train-embedded-2.txt").is_file());
    }
}
