//! Files and folders of samples: programs for tasks.

mod folder;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value;
use slm_benchmarks::Task;
use slm_metrics::syntax::{Form, extract_program};
use slm_table::{Row, TableError};

use crate::error::SamplesError;
use crate::program::wanted;

/// A program for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Index of its task.
    pub task: usize,
    /// The task's id as spelled in the file.
    pub task_id: String,
    /// Number of earlier samples of the same task.
    pub number: u32,
    /// The program to test.
    pub program: String,
    /// Why it is not valid Python text, if its text could not be read unchanged.
    pub fault: Option<&'static str>,
}

/// Reads samples in EvalPlus's formats: rows with `task_id` and either `solution`, a whole program, or
/// `completion`, the rest of the task's prompt; or a folder with a subfolder of programs for each task
/// (`HumanEval_0/0.py`). Both are used unchanged unless `extract` requests extracting the program from them.
///
/// # Errors
/// [`SamplesError::Invalid`] with file and line for a row that is not a sample of these tasks.
pub fn read_samples(path: &Path, tasks: &[Task], extract: bool) -> Result<Samples, SamplesError> {
    let mut samples = Reader {
        tasks,
        extract,
        counts: BTreeMap::new(),
        found: Samples::default(),
    };
    if path.is_dir() {
        folder::read(path, &mut samples)?;
    } else {
        rows(path, &mut samples)?;
    }
    if samples.found.samples.is_empty() {
        let problem = format!("{}: found no sample", path.display());
        return Err(SamplesError::Invalid(problem));
    }
    Ok(samples.found)
}

/// The samples of a file or folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples {
    /// The samples, in file order; from a folder, in the order of the benchmark's tasks.
    pub samples: Vec<Sample>,
    /// Number of skipped entries of a folder, which are not `TASK/NUMBER.py`.
    pub passed_over: usize,
}

/// State of reading samples.
struct Reader<'a> {
    tasks: &'a [Task],
    extract: bool,
    counts: BTreeMap<usize, u32>,
    found: Samples,
}

impl Reader<'_> {
    fn push(
        &mut self,
        task: usize,
        task_id: String,
        (answer, form): (&str, Form<'_>),
        fault: Option<&'static str>,
    ) {
        let program = if self.extract {
            extract_program(answer, form, &wanted(self.tasks[task].view())).program
        } else {
            form.joined(answer)
        };
        let count = self.counts.entry(task).or_default();
        self.found.samples.push(Sample {
            task,
            task_id,
            number: *count,
            program,
            fault,
        });
        *count += 1;
    }
}

fn rows(path: &Path, samples: &mut Reader<'_>) -> Result<(), SamplesError> {
    let tasks = samples.tasks;
    let ids = TaskIds::of(tasks);
    for row in slm_table::open(path).map_err(mistake)? {
        let row = row.map_err(mistake)?;
        let at = |problem: String| SamplesError::Invalid(format!("{}: {problem}", row.place));
        let task_id = match row.fields.get("task_id") {
            Some(Value::String(id)) => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            Some(_) => return Err(at("`task_id` is neither text nor a number".to_owned())),
            None => return Err(at(format!("no `task_id`, found {}", names(&row)))),
        };
        let task = ids
            .find(&task_id)
            .ok_or_else(|| at(ids.unknown(&task_id)))?;
        let text = |name: &str| match row.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(at(format!(
                "`{name}` is not text\nhint: write one line for each sample of a task"
            ))),
        };
        let (field, answer, form) = match (text("solution")?, text("completion")?) {
            (Some(solution), _) => ("solution", solution, Form::Whole),
            (None, Some(completion)) => {
                let form = Form::RestOf(&tasks[task].view().prompt);
                ("completion", completion, form)
            }
            (None, None) => {
                let problem = format!("neither `solution` nor `completion`, found {}", names(&row));
                return Err(at(problem));
            }
        };
        // The row names only the first field with a lone surrogate.
        let holds_half = row
            .lone_surrogate
            .as_ref()
            .is_some_and(|first| first == field || answer.contains(char::REPLACEMENT_CHARACTER));
        let fault = holds_half.then_some("half of a surrogate pair, which is no text");
        samples.push(task, task_id, (answer, form), fault);
    }
    Ok(())
}

/// Converts an error: a missing file or a wrong format is the caller's mistake, the rest the system's.
fn mistake(error: TableError) -> SamplesError {
    match error {
        TableError::Unreadable { .. } => SamplesError::Table(error),
        other => SamplesError::Invalid(other.to_string()),
    }
}

fn names(row: &Row) -> String {
    let names: Vec<String> = row.fields.keys().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "no field".to_owned()
    } else {
        names.join(", ")
    }
}

/// Tasks by id, and by its last part if that is unambiguous: MBPP's own files number the tasks, EvalPlus
/// prefixes `Mbpp/` to the number.
struct TaskIds<'a> {
    whole: HashMap<&'a str, usize>,
    last_part: HashMap<&'a str, Option<usize>>,
    first: &'a str,
    count: usize,
}

impl<'a> TaskIds<'a> {
    fn of(tasks: &'a [Task]) -> Self {
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
            first: ids().next().map_or("", |(_, id)| id),
            count: tasks.len(),
        }
    }

    fn find(&self, id: &str) -> Option<usize> {
        let part = || {
            self.last_part
                .get(id.rsplit('/').next().unwrap_or(id))
                .copied()
                .flatten()
        };
        self.whole.get(id).copied().or_else(part)
    }

    /// Finds the task of a folder, whose name is the task id with `_` for `/`.
    fn of_folder(tasks: &[Task], name: &str) -> Option<usize> {
        let mut ids = tasks.iter().map(|task| &task.view().task_id);
        ids.position(|id| id.replace('/', "_") == name)
    }

    fn unknown(&self, id: &str) -> String {
        format!(
            "no task `{id}` in the benchmark\nhint: its {} tasks have ids such as `{}`; check --benchmark and the version of --data",
            self.count, self.first
        )
    }
}
