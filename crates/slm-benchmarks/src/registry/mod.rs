//! Benchmarks by name, and their files.
//!
//! Each file below parses one publisher's format. A new benchmark needs a file and a line in `FORMATS`; recipe check,
//! decontamination and command lines take the name from there.

mod apps;
mod bigcodebench;
mod classeval;
mod codesearchnet;
mod custom;
mod data_folder;
mod embedded;
mod evalplus;
mod evoeval;
mod humaneval;
mod leetcode;
mod livecodebench;
mod mathqa;
mod mbpp;
mod repository;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use slm_artifacts::Sha256;
use slm_table::TableError;

use crate::error::BenchmarkError;
use crate::format::{Benchmark, Data, Format, LeftOut, Reader};
use crate::selection::Selection;
use crate::split::Split;
use crate::task::Task;

pub use classeval::ClassTask;
pub use data_folder::{data_files, subset_of};
pub use embedded::Embedded;
pub use mbpp::{SHOTS as MBPP_SHOTS, TEST_SPLIT as MBPP_TEST_SPLIT, shots as mbpp_shots};
pub use repository::{NAME as REPOSITORY, VERSION as REPOSITORY_VERSION, training_tasks};

const FORMATS: [&Format; 15] = [
    &humaneval::FORMAT,
    &evalplus::HUMANEVAL_PLUS,
    &mbpp::FULL,
    &mbpp::SANITIZED,
    &evalplus::MBPP_PLUS,
    &classeval::FORMAT,
    &apps::FORMAT,
    &bigcodebench::FORMAT,
    &livecodebench::FORMAT,
    &evoeval::FORMAT,
    &mathqa::FORMAT,
    &leetcode::FORMAT,
    &codesearchnet::FORMAT,
    &custom::FORMAT,
    &repository::FORMAT,
];

/// The names that [`open`] accepts, in the order of the documentation.
pub const NAMES: &[&str] = &{
    let mut names = [Embedded::NAME; FORMATS.len() + 1];
    let mut i = 0;
    while i < FORMATS.len() {
        names[i + 1] = FORMATS[i].name;
        i += 1;
    }
    names
};

/// Returns a built-in benchmark by name.
///
/// # Errors
/// As [`open`] without a file.
pub fn by_name(name: &str) -> Result<Box<dyn Benchmark>, BenchmarkError> {
    open(name, None)
}

/// Returns the file that a benchmark reads; `None` if it is built in or unknown.
pub fn data_of(name: &str) -> Option<Data> {
    FORMATS
        .iter()
        .find(|format| format.name == name)
        .map(|format| format.data)
}

/// Returns the benchmark of a name, with its tasks in the file or folder of files `data`.
///
/// # Errors
/// [`BenchmarkError::Unknown`], which lists the names; a required file is not given, or a file is given for built-in
/// tasks.
pub fn open(name: &str, data: Option<&Path>) -> Result<Box<dyn Benchmark>, BenchmarkError> {
    if name == Embedded::NAME {
        return match data {
            None => Ok(Box::new(Embedded)),
            Some(path) => Err(BenchmarkError::NeedsNoData {
                name: Embedded::NAME,
                path: path.to_owned(),
            }),
        };
    }
    let format = FORMATS
        .iter()
        .find(|format| format.name == name)
        .ok_or_else(|| BenchmarkError::Unknown {
            name: name.into(),
            meant: nearest(name),
            known: NAMES.join(", "),
        })?;
    let path = data.ok_or(BenchmarkError::NoData {
        name: format.name,
        file: format.data.file,
        publisher: format.data.publisher,
    })?;
    Ok(Box::new(FileBenchmark {
        format,
        path: path.to_owned(),
    }))
}

struct FileBenchmark {
    format: &'static Format,
    path: PathBuf,
}

impl Benchmark for FileBenchmark {
    fn name(&self) -> &'static str {
        self.format.name
    }

    fn data(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn tasks(&self) -> Result<Vec<Task>, BenchmarkError> {
        Ok(self.tasks_of(None)?.0)
    }

    fn tasks_of(&self, part: Option<Split>) -> Result<(Vec<Task>, LeftOut), BenchmarkError> {
        let folder = data_folder::found(self.format.name, &self.path)?;
        let read = folder
            .files
            .iter()
            .try_fold((Vec::new(), LeftOut::new()), |mut all, file| {
                let (tasks, left_out) = match self.format.read {
                    Reader::Whole(read) => (read(file)?, LeftOut::new()),
                    Reader::Part(read) => read(file, part.unwrap_or(Split::Test))?,
                };
                all.0.extend(tasks);
                for (reason, n) in left_out {
                    *all.1.entry(reason).or_default() += n;
                }
                Ok::<_, BenchmarkError>(all)
            });
        let (tasks, mut left_out) = read.map_err(|error| match error {
            BenchmarkError::Table(TableError::NotFound { path }) => BenchmarkError::NoFile {
                name: self.format.name,
                path,
                file: self.format.data.file,
                publisher: self.format.data.publisher,
            },
            error => error,
        })?;
        if folder.others > 0 {
            left_out.insert(data_folder::OTHER_ENTRIES, folder.others);
        }
        if tasks.is_empty() && part.is_none() {
            return Err(BenchmarkError::Empty {
                path: self.path.clone(),
                left_out: in_words(&left_out),
            });
        }
        let tasks = if FOR_SCORES.contains(&self.format.name) {
            let tasks = tasks.into_iter();
            tasks.map(|task| task.in_split(Split::Test)).collect()
        } else {
            tasks
        };
        let mut ids = HashSet::new();
        for task in &tasks {
            if !ids.insert(&task.view().task_id) {
                return Err(BenchmarkError::Duplicate {
                    path: self.path.clone(),
                    task_id: task.view().task_id.clone(),
                });
            }
        }
        Ok((tasks, left_out))
    }
}

/// Lists the tasks left out, for a message; empty if nothing is.
fn in_words(left_out: &LeftOut) -> String {
    let all = left_out.iter().map(|(reason, n)| format!("{n} {reason}"));
    let all: Vec<String> = all.collect();
    if all.is_empty() {
        String::new()
    } else {
        format!("; left out: {}", all.join(", "))
    }
}

/// The tasks of a benchmark, with the version of its data.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSet {
    /// Name of the benchmark.
    pub benchmark: &'static str,
    /// In the order of the file.
    pub tasks: Vec<Task>,
    /// SHA-256 of the file in hex; of a folder, of its files' names and hashes; for built-in tasks, of all their texts.
    pub data_sha256: String,
    /// Rows and tasks of the benchmark that are none of `tasks`, by reason.
    pub left_out: LeftOut,
}

/// Reads the tasks of the benchmark `name` from the file `data`.
///
/// # Errors
/// As [`open`] and [`Benchmark::tasks`].
pub fn load(name: &str, data: Option<&Path>) -> Result<TaskSet, BenchmarkError> {
    load_part(name, data, None)
}

fn load_part(
    name: &str,
    data: Option<&Path>,
    part: Option<Split>,
) -> Result<TaskSet, BenchmarkError> {
    let benchmark = open(name, data)?;
    let (tasks, left_out) = benchmark.tasks_of(part)?;
    let data_sha256 = match benchmark.data() {
        Some(path) => data_folder::sha256(benchmark.name(), path)?,
        None => sha256_of_tasks(&tasks),
    };
    Ok(TaskSet {
        benchmark: benchmark.name(),
        tasks,
        data_sha256,
        left_out,
    })
}

/// Loads the selected tasks of a benchmark; of files that are read in parts, the selected part.
///
/// # Errors
/// As [`load`]; [`BenchmarkError::Unselectable`] for a selection without tasks.
pub fn load_selected(
    name: &str,
    data: Option<&Path>,
    selection: &Selection,
) -> Result<TaskSet, BenchmarkError> {
    let mut set = load_part(name, data, selection.split)?;
    set.select(selection)?;
    Ok(set)
}

impl TaskSet {
    /// Keeps the selected tasks.
    ///
    /// # Errors
    /// [`BenchmarkError::Unselectable`] for a selection without tasks.
    pub fn select(&mut self, selection: &Selection) -> Result<(), BenchmarkError> {
        selection.apply(self.benchmark, &mut self.tasks)
    }
}

/// Benchmarks that are published for scores alone.
const FOR_SCORES: [&str; 7] = [
    "humaneval",
    "humaneval+",
    "mbpp+",
    "classeval",
    "bigcodebench",
    "livecodebench",
    "evoeval",
];

/// Loads tasks as [`load`] does, each view with the few-shot request that its publisher defines.
///
/// That request contains all tests: with it they are public by the benchmark's own definition.
///
/// # Errors
/// As [`load`]; [`BenchmarkError::NoShots`] for a benchmark without examples.
pub fn load_few_shot(name: &str, data: Option<&Path>) -> Result<TaskSet, BenchmarkError> {
    let mut set = load(name, data)?;
    match data.filter(|_| name == mbpp::FULL.name) {
        Some(path) => mbpp::show_shots(path, &mut set.tasks)?,
        None => return Err(BenchmarkError::NoShots { name: name.into() }),
    }
    Ok(set)
}

fn sha256_of_tasks(tasks: &[Task]) -> String {
    let mut hash = Sha256::new();
    for task in tasks {
        hash.update(format!("{:?}", task.view()));
        hash.update(task.hidden().sha256());
    }
    hash.hex()
}

/// Returns the known name that is most similar to `name`, if one is similar enough to be a misspelling.
fn nearest(name: &str) -> Option<&'static str> {
    // `human-eval`, `HumanEval_plus` and `MBPP Plus` are in use elsewhere.
    let plain = |name: &str| {
        let name = name.to_lowercase().replace("plus", "+");
        name.replace(['-', '_', ' '], "")
    };
    let wanted: String = plain(name).chars().take(64).collect();
    NAMES
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&wanted, &plain(known)), *known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= wanted.chars().count() / 4)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_name_yields_a_benchmark_of_that_name() {
        for name in NAMES {
            let data = data_of(name).map(|data| Path::new(data.file));
            let benchmark = open(name, data).expect("a listed name");
            assert_eq!((benchmark.name(), benchmark.data()), (*name, data));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = open("humanevil", None).err().map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some(
                "unknown benchmark `humanevil`\nhint: did you mean `humaneval`? known benchmarks: embedded, humaneval, humaneval+, mbpp, mbpp-sanitized, mbpp+, classeval, apps, bigcodebench, livecodebench, evoeval, mathqa-python, leetcode, codesearchnet, custom, repository"
            )
        );
    }

    #[test]
    fn a_missing_file_is_answered_with_where_it_is_published() {
        for (data, message) in [
            (
                None,
                "the benchmark `humaneval` needs its data file, HumanEval.jsonl.gz\nhint: github.com/openai/human-eval publishes HumanEval.jsonl.gz; name it as `path` beside the benchmark's name",
            ),
            (
                Some(Path::new("no/such.jsonl")),
                "no data file no/such.jsonl for the benchmark `humaneval`\nhint: github.com/openai/human-eval publishes HumanEval.jsonl.gz; name it as `path` beside the benchmark's name",
            ),
        ] {
            let error = load("humaneval", data).expect_err("no file");
            assert_eq!(error.to_string(), message);
        }
        let error = load("embedded", Some(Path::new("x.jsonl"))).expect_err("no file is read");
        assert_eq!(
            error.to_string(),
            "the benchmark `embedded` is built in and reads no file, found x.jsonl"
        );
    }

    #[test]
    fn the_original_file_in_place_of_evalpluss_is_named_as_such() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("HumanEval.jsonl");
        let row = r#"{"task_id": "HumanEval/0", "prompt": "def f():\n", "entry_point": "f", "canonical_solution": "    pass\n", "test": "def check(f): pass"}"#;
        std::fs::write(&file, row).expect("a file");
        let error = load("humaneval+", Some(&file))
            .expect_err("another benchmark")
            .to_string();
        assert!(
            error.contains("the original benchmark, without the tests that EvalPlus added"),
            "{error}"
        );
        assert!(error.contains("needs HumanEvalPlus.jsonl.gz"), "{error}");
        assert!(load("humaneval", Some(&file)).is_ok());
    }

    #[test]
    fn names_of_other_tools_lead_to_the_known_ones() {
        for (name, known) in [
            ("human-eval", Some("humaneval")),
            ("HumanEval+", Some("humaneval+")),
            ("humaneval_plus", Some("humaneval+")),
            ("mbpp-plus", Some("mbpp+")),
            ("bigcodebnch", Some("bigcodebench")),
            ("zebra", None),
        ] {
            assert_eq!(nearest(name), known, "{name}");
        }
    }
}
