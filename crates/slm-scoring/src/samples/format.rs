//! The formats of files of samples, and which one a file has.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use slm_table::TableError;

use super::mistake;
use crate::error::SamplesError;

/// Bytes at the beginning of a file that are searched for the first brackets.
const BEGINNING: u64 = 4096;

/// A format of a file of samples.
///
/// # Source
/// EvalPlus 0.3.1 (`load_solutions`), `LiveCodeBench` 28fef95 (`custom_evaluator.py`), `bigcode-evaluation-harness`
/// (`save_json_files`) and `lm-evaluation-harness` (`save_results_samples`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleFormat {
    /// Rows with `task_id` and either `solution`, a whole program, or `completion`, the rest of the task's prompt.
    EvalPlus,
    /// A folder of programs for each task, such as `HumanEval_0/0.py`.
    Folder,
    /// Rows with `question_id` and `code_list`, the programs; answers are in `output_list`.
    LiveCodeBench,
    /// A JSON list with a list of programs for each task, in the benchmark's order.
    BigCode,
    /// Rows with the task's row as `doc`, the answers as `resps`, and the programs as `filtered_resps`.
    LmEval,
}

impl SampleFormat {
    /// Returns its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::EvalPlus => "evalplus",
            Self::Folder => "folder",
            Self::LiveCodeBench => "livecodebench",
            Self::BigCode => "bigcode",
            Self::LmEval => "lm-eval",
        }
    }
}

impl fmt::Display for SampleFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl SampleFormat {
    /// Detects the format of a file or folder by its structure.
    ///
    /// # Errors
    /// The file cannot be read, or is a list of something else.
    pub fn detect(path: &Path) -> Result<Self, SamplesError> {
        detect(path)
    }
}

fn detect(path: &Path) -> Result<SampleFormat, SamplesError> {
    if path.is_dir() {
        return Ok(SampleFormat::Folder);
    }
    let beginning = beginning(path)?;
    let text = beginning.strip_prefix("\u{feff}".as_bytes());
    let mut marks = text.unwrap_or(&beginning).iter().copied();
    let mut next = || marks.find(|byte| !byte.is_ascii_whitespace());
    if next() == Some(b'[') {
        match next() {
            // `[]` and `[null` are lists without programs.
            Some(b'[' | b'n' | b']') => return Ok(SampleFormat::BigCode),
            Some(b'{') | None => {}
            Some(_) => {
                return Err(SamplesError::Invalid(format!(
                    "{}: a list of texts or numbers, expected a list with a list of programs for each task, or with objects",
                    path.display()
                )));
            }
        }
    }
    let first = slm_table::open(path).map_err(mistake)?.next();
    let Some(first) = first else {
        return Ok(SampleFormat::EvalPlus);
    };
    let row = first.map_err(mistake)?;
    let has = |name: &str| row.fields.contains_key(name);
    Ok(
        if has("question_id") && (has("code_list") || has("output_list")) {
            SampleFormat::LiveCodeBench
        } else if has("doc") && (has("filtered_resps") || has("resps")) {
            SampleFormat::LmEval
        } else {
            SampleFormat::EvalPlus
        },
    )
}

fn beginning(path: &Path) -> Result<Vec<u8>, SamplesError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = path.to_owned();
            Err(mistake(TableError::NotFound { path }))
        }
        Err(source) => Err(SamplesError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}
