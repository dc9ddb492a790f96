//! Files and folders of samples: programs for tasks, in the formats of several tools.

mod folder;
mod format;
mod lists;
mod rows;
mod task_ids;

use std::collections::BTreeMap;
use std::path::Path;

use slm_benchmarks::{Task, TaskSet};
use slm_metrics::syntax::{Form, extract_program};
use slm_table::TableError;

use crate::error::SamplesError;
use crate::program::wanted;

pub use format::SampleFormat;

/// A null in place of a program: a generation that never ended, or was never made.
const NULL: &str = "null in place of a program, scored as an empty answer";
/// A task that a file names without a program.
const EMPTY_LIST: &str = "empty list of programs: the task has no sample";
/// Rows that `lm-eval` repeats for each filter.
const OTHER_FILTER: &str = "row of another filter of the same answers, not scored";
/// A row with a whole program and the rest of a prompt, of which EvalPlus scores the former.
const BOTH: &str = "`completion` beside a `solution`, not scored";
/// Why a program is not run whose text was no text.
const HALF_PAIR: &str = "half of a surrogate pair, which is no text";

/// Converts an error: a missing file or a wrong format is the caller's mistake, the rest the system's.
fn mistake(error: TableError) -> SamplesError {
    match error {
        TableError::Unreadable { .. } => SamplesError::Table(error),
        other => SamplesError::Invalid(other.to_string()),
    }
}

/// A program for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Index of its task.
    pub task: usize,
    /// The task's id as spelled in the file; the benchmark's own if the file has none.
    pub task_id: String,
    /// Number of earlier samples of the same task.
    pub number: u32,
    /// The program to test.
    pub program: String,
    /// Why it is not valid Python text, if its text could not be read unchanged.
    pub fault: Option<&'static str>,
}

/// How a file of samples is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct SampleOptions {
    /// Whether the program is extracted from each answer; otherwise it is used unchanged.
    pub extract: bool,
    /// The format of the file; by default it follows from the contents.
    pub format: Option<SampleFormat>,
    /// For lists without ids, the number of the task that the first list is for, counted from 0; then there may be
    /// fewer lists than tasks.
    pub limit_start: Option<usize>,
}

/// Reads the samples of a benchmark's tasks from a file, or from a folder with a subfolder of programs for each task
/// (`HumanEval_0/0.py`). The formats are those of [`SampleFormat`].
///
/// # Errors
/// [`SamplesError::Invalid`] with file and place for what is no sample of these tasks.
pub fn read_samples(
    path: &Path,
    set: &TaskSet,
    options: SampleOptions,
) -> Result<Samples, SamplesError> {
    let format = match options.format {
        Some(format) => format,
        None => SampleFormat::detect(path)?,
    };
    if options.limit_start.is_some() && format != SampleFormat::BigCode {
        return Err(SamplesError::Invalid(format!(
            "{}: a start of the tasks is given, but the format {format} names each task\nhint: leave out --limit-start",
            path.display()
        )));
    }
    let mut samples = Reader {
        tasks: &set.tasks,
        extract: options.extract,
        counts: BTreeMap::new(),
        found: Samples::new(format),
    };
    if format == SampleFormat::Folder && path.is_file() {
        return Err(SamplesError::Invalid(format!(
            "{}: a file, expected a folder with a subfolder of programs for each task\nhint: leave out --format",
            path.display()
        )));
    }
    match format {
        SampleFormat::Folder => folder::read(path, &mut samples)?,
        SampleFormat::BigCode => {
            lists::read(path, set.benchmark, options.limit_start, &mut samples)?;
        }
        SampleFormat::EvalPlus | SampleFormat::LiveCodeBench | SampleFormat::LmEval => {
            rows::read(path, format, &mut samples)?;
        }
    }
    if samples.found.samples.is_empty() {
        let odd = samples.found.odd.iter();
        let odd: Vec<String> = odd.map(|(reason, n)| format!("{n} {reason}")).collect();
        let odd = if odd.is_empty() {
            String::new()
        } else {
            format!(": {}", odd.join("; "))
        };
        return Err(SamplesError::Invalid(format!(
            "{}: found no sample{odd}",
            path.display()
        )));
    }
    Ok(samples.found)
}

/// The samples of a file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    /// The samples, in file order; from a folder, in the order of the benchmark's tasks.
    pub samples: Vec<Sample>,
    /// The format that was read.
    pub format: SampleFormat,
    /// Number of skipped entries of a folder, which are not `TASK/NUMBER.py`.
    pub passed_over: usize,
    /// Number of entries that are no program as expected, by what they are and how they count.
    pub odd: BTreeMap<&'static str, usize>,
}

impl Samples {
    fn new(format: SampleFormat) -> Self {
        Self {
            samples: Vec::new(),
            format,
            passed_over: 0,
            odd: BTreeMap::new(),
        }
    }
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
            match form {
                // Unchanged, as the tool that wrote it would run it.
                Form::WholeOrRestOf(_) => answer.to_owned(),
                Form::Whole | Form::RestOf(_) => form.joined(answer),
            }
        };
        self.add(task, task_id, program, fault);
    }

    /// Adds an answer that is null: no program, which passes nothing.
    fn push_null(&mut self, task: usize, task_id: String) {
        self.count(NULL);
        self.add(task, task_id, String::new(), None);
    }

    fn add(&mut self, task: usize, task_id: String, program: String, fault: Option<&'static str>) {
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

    fn count(&mut self, reason: &'static str) {
        *self.found.odd.entry(reason).or_default() += 1;
    }
}
