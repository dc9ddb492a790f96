//! Files and folders of samples: which program answers which task.

mod folder;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value;
use slm_benchmarks::Task;
use slm_metrics::syntax::{Form, extract_program};
use slm_table::{Row, TableError};

use crate::error::SamplesError;
use crate::program::wanted;

/// A program that answers a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Index of its task.
    pub task: usize,
    /// The task's id as the file spells it.
    pub task_id: String,
    /// How many samples of the same task stand before it.
    pub number: u32,
    /// What is tested.
    pub program: String,
    /// Why no Python can read it, if its text could not be taken as it is.
    pub fault: Option<&'static str>,
}

/// Reads samples in EvalPlus's formats: rows with `task_id` and `solution`, a whole program, or `completion`, the rest of
/// the task's prompt; or a folder with a folder of programs for each task (`HumanEval_0/0.py`). Both are taken as they are
/// unless `extract` asks for the program in them.
///
/// # Errors
/// [`SamplesError::Invalid`] with file and line for what is no sample of these tasks.
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
        let problem = format!("{}: no sample in it", path.display());
        return Err(SamplesError::Invalid(problem));
    }
    Ok(samples.found)
}

/// What a file or folder of samples holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples {
    /// The samples, in the order of the file; of a folder, in that of the benchmark's tasks.
    pub samples: Vec<Sample>,
    /// Entries of a folder that are no `TASK/NUMBER.py`, and passed over.
    pub passed_over: usize,
}

/// Samples while they are read.
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
                "`{name}` is not text\nhint: several samples of a task are several lines"
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
        // Of the fields with such halves the row names the first alone.
        let holds_half = row
            .lone_surrogate
            .as_ref()
            .is_some_and(|first| first == field || answer.contains(char::REPLACEMENT_CHARACTER));
        let fault = holds_half.then_some("half of a surrogate pair, which is no text");
        samples.push(task, task_id, (answer, form), fault);
    }
    Ok(())
}

/// A file that is not there or not in its format holds no samples; another reason is the system's.
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

/// Tasks by id, and by the last part of it where that is unambiguous: MBPP's own files number tasks, EvalPlus writes
/// `Mbpp/` before the number.
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

    /// The task after which a folder is called: its id with `_` for `/`.
    fn of_folder(tasks: &[Task], name: &str) -> Option<usize> {
        let mut ids = tasks.iter().map(|task| &task.view().task_id);
        ids.position(|id| id.replace('/', "_") == name)
    }

    fn unknown(&self, id: &str) -> String {
        format!(
            "no task `{id}` in the benchmark\nhint: its {} tasks are called like `{}`; is --benchmark, or the version of --data, another one?",
            self.count, self.first
        )
    }
}
