//! What a tree of Python files or a data file holds: number and lengths of its examples.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_artifacts::{counted, one_line};
use slm_cli::UserMistake;
use slm_config::{
    Dataset, DatasetFormat, Layout, ROW_FORMATS, Recipe, RowFormat, TextColumn, TrainingUnit,
};
use slm_table::{ENDINGS, Reading, TableError};

use crate::dataset::python_functions;

/// Bytes of UTF-8 per token, low, so that lengths are rather over- than underestimated.
const BYTES_PER_TOKEN: f64 = 3.0;
/// Tokens that the prompt around an example takes.
const PROMPT_TOKENS: usize = 48;
/// Rows of a data file whose columns decide its format.
const ROWS_FOR_FORMAT: usize = 50;
/// Names of columns in use for a prompt and its completion.
const PROMPT_COLUMNS: [&str; 5] = ["prompt", "question", "input", "instruction", "problem"];
const COMPLETION_COLUMNS: [&str; 6] = [
    "completion",
    "answer",
    "output",
    "response",
    "solution",
    "canonical_solution",
];

/// Where the examples come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A tree of Python files.
    Python {
        /// Python files searched.
        files: usize,
        /// Documented functions, those that give no example included.
        documented: usize,
        /// What gives no example, by reason.
        left_out: Option<String>,
    },
    /// A file of rows.
    Rows {
        format: &'static RowFormat,
        /// The format's own name and the file's name of columns that differ.
        columns: Vec<(&'static str, String)>,
        /// Rows that cannot be read.
        unreadable: usize,
        /// The place and the problem of the first of them.
        first: Option<String>,
    },
}

/// The examples of a path.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) path: PathBuf,
    pub(super) source: Source,
    /// Whether the lengths are those of the model's tokenizer and not estimated from bytes.
    pub(super) is_exact: bool,
    /// Tokens of each example, in ascending order; at least one.
    lengths: Vec<usize>,
}

impl Survey {
    /// Reads the path.
    ///
    /// # Errors
    /// Nothing is there, or it holds no example.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let mut survey = if path.is_dir() {
            Self::of_folder(path)?
        } else if path.exists() {
            Self::of_file(path)?
        } else {
            let text = format!(
                "{} does not exist\nhint: name a folder with Python files, or a data file ({})",
                path.display(),
                ENDINGS.join(", ")
            );
            return Err(UserMistake(text).into());
        };
        survey.lengths.sort_unstable();
        Ok(survey)
    }

    fn of_folder(path: &Path) -> Result<Self> {
        let read = python_functions(&python_source(path)?);
        let (functions, counts) = match read {
            Ok(read) => read,
            Err(error) => {
                let data = data_files(path);
                let hint = match &data[..] {
                    [] => String::new(),
                    [first, ..] => format!("\nhint: for the data file there: trainer init {first}"),
                };
                return Err(if error.is::<UserMistake>() {
                    let text = format!("{}: no Python file in this folder{hint}", path.display());
                    UserMistake(text).into()
                } else {
                    error
                });
            }
        };
        let lengths: Vec<usize> = functions.iter().map(|bytes| tokens(*bytes)).collect();
        if lengths.is_empty() {
            let reasons = counts
                .left_out_text()
                .map_or_else(String::new, |text| format!(": {text}"));
            let text = format!(
                "{}: no documented function to learn from{reasons}\n\
                 hint: a training example is a function with a docstring at the top level of a module",
                path.display()
            );
            return Err(UserMistake(text).into());
        }
        Ok(Self {
            path: path.to_owned(),
            source: Source::Python {
                files: counts.files,
                documented: counts.found,
                left_out: counts.left_out_text(),
            },
            is_exact: false,
            lengths,
        })
    }

    fn of_file(path: &Path) -> Result<Self> {
        let name = path.to_string_lossy();
        if name.ends_with(".py") {
            let text =
                format!("{name} is a single Python file\nhint: name the folder that holds it");
            return Err(UserMistake(text).into());
        }
        let rows = Reading::all()
            .open(path)
            .map_err(|error| UserMistake(error.to_string()))?;
        let (mut lengths, mut names) = (Vec::new(), BTreeSet::new());
        let (mut unreadable, mut first) = (0, None);
        for row in rows {
            let row = match row {
                Ok(row) => row,
                Err(error @ TableError::BadRow { .. }) => {
                    unreadable += 1;
                    first.get_or_insert_with(|| error.to_string());
                    continue;
                }
                // The rows after a fault of the file are not known.
                Err(error) => return Err(UserMistake(error.to_string()).into()),
            };
            if lengths.len() < ROWS_FOR_FORMAT {
                names.extend(row.fields.keys().cloned());
            }
            let bytes: usize = row.fields.values().map(bytes_of).sum();
            lengths.push(tokens(bytes));
        }
        if lengths.is_empty() {
            let first = first.map_or_else(String::new, |first| format!(", first {first}"));
            return Err(UserMistake(format!("{name}: no row that can be read{first}")).into());
        }
        let Some((format, columns)) = format_of(&names) else {
            let names: Vec<_> = names.into_iter().collect();
            let known: Vec<_> = examples_formats()
                .map(|format| format!("{} ({})", format.name, format.columns.join(", ")))
                .collect();
            let text = format!(
                "{name}: its columns are those of no known format: {}\n\
                 hint: known formats: {}; `data.datasets[].columns` in a recipe renames columns",
                names.join(", "),
                known.join("; ")
            );
            return Err(UserMistake(text).into());
        };
        Ok(Self {
            path: path.to_owned(),
            source: Source::Rows {
                format,
                columns,
                unreadable,
                first,
            },
            is_exact: false,
            lengths,
        })
    }

    /// Replaces the estimated lengths by those of a tokenizer.
    pub(super) fn set_lengths(&mut self, mut lengths: Vec<usize>) {
        lengths.sort_unstable();
        (self.lengths, self.is_exact) = (lengths, true);
    }

    #[cfg(test)]
    pub(super) fn of_lengths(lengths: Vec<usize>) -> Self {
        Self {
            path: PathBuf::from("src"),
            source: Source::Python {
                files: 1,
                documented: lengths.len(),
                left_out: None,
            },
            is_exact: false,
            lengths,
        }
    }

    /// Number of examples.
    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Estimated tokens that this share of the examples does not exceed.
    pub(super) fn quantile(&self, share: f64) -> usize {
        let place = (share * self.lengths.len() as f64).ceil() as usize;
        self.lengths[place.clamp(1, self.lengths.len()) - 1]
    }

    /// Examples of at most this many tokens, and their tokens together.
    pub(super) fn up_to(&self, tokens: usize) -> (usize, usize) {
        let fitting = self.lengths.iter().take_while(|length| **length <= tokens);
        fitting.fold((0, 0), |(count, sum), length| (count + 1, sum + length))
    }

    /// Whether examples that are too long can be split into several.
    pub(super) fn can_be_split(&self) -> bool {
        match self.source {
            Source::Python { .. } => false,
            Source::Rows { format, .. } => DatasetFormat::Rows(format).can_be_split(),
        }
    }

    /// Pieces of at most this many tokens of the examples that are longer, and their tokens together.
    pub(super) fn pieces(&self, tokens: usize) -> (usize, usize) {
        let longer = self.lengths.iter().filter(|length| **length > tokens);
        longer.fold((0, 0), |(count, sum), length| {
            (count + length.div_ceil(tokens), sum + length)
        })
    }

    /// What gives no example, in words.
    pub(super) fn left_out(&self) -> Option<String> {
        match &self.source {
            Source::Python { left_out, .. } => left_out.clone(),
            Source::Rows { unreadable: 0, .. } => None,
            Source::Rows {
                unreadable, first, ..
            } => {
                let rows = counted(*unreadable, "unreadable row");
                let first = first.as_deref().unwrap_or("unknown");
                Some(format!("{rows}, first {}", one_line(first)))
            }
        }
    }

    /// What was found, in words.
    pub(super) fn found(&self) -> String {
        let path = self.path.display();
        match &self.source {
            Source::Python {
                files, documented, ..
            } => format!(
                "{} functions to learn from, of {documented} documented ones in {files} Python files of {path}",
                self.len()
            ),
            Source::Rows { format, .. } => {
                format!("{} rows in {path}, format {}", self.len(), format.name)
            }
        }
    }
}

fn tokens(bytes: usize) -> usize {
    (bytes as f64 / BYTES_PER_TOKEN).ceil() as usize + PROMPT_TOKENS
}

/// A data set of a folder without any limits.
fn python_source(path: &Path) -> Result<Dataset> {
    let text = "model: {name_or_path: x}\ndata: {datasets: [{path: x, format: python_source}]}";
    let mut recipe = Recipe::parse(text, Path::new("init.yaml"), &[], slm_benchmarks::NAMES)?;
    let mut dataset = recipe.data.datasets.remove(0);
    dataset.path = path.to_string_lossy().into_owned();
    Ok(dataset)
}

/// Data files right in a folder.
fn data_files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.path().display().to_string())
        .filter(|name| ENDINGS.iter().any(|ending| name.ends_with(ending)))
        .collect();
    names.sort();
    names
}

/// Bytes of all texts in a value.
fn bytes_of(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(items) => items.iter().map(bytes_of).sum(),
        serde_json::Value::Object(fields) => fields.values().map(bytes_of).sum(),
        _ => 0,
    }
}

/// The formats of examples to learn, as the recipes here train on them.
fn examples_formats() -> impl Iterator<Item = &'static RowFormat> {
    ROW_FORMATS
        .into_iter()
        .filter(|format| format.unit() == TrainingUnit::Example)
}

/// The format whose columns these are, and the columns that are named otherwise.
fn format_of(
    names: &BTreeSet<String>,
) -> Option<(&'static RowFormat, Vec<(&'static str, String)>)> {
    let has = |name: &str| names.contains(name);
    let fits = |format: &&RowFormat| required(&format.layout).into_iter().all(has);
    let format = examples_formats().find(fits);
    let pair = || {
        let prompt = PROMPT_COLUMNS.into_iter().find(|name| has(name))?;
        let completion = COMPLETION_COLUMNS.into_iter().find(|name| has(name))?;
        let renamed = [("prompt", prompt), ("completion", completion)];
        let columns = renamed
            .into_iter()
            .filter(|(own, name)| own != name)
            .map(|(own, name)| (own, name.to_owned()));
        Some((
            RowFormat::by_name("prompt_completion")?,
            columns.collect::<Vec<_>>(),
        ))
    };
    match format {
        // One column of text is the least that a file can mean: a prompt and its completion mean more.
        Some(format) if required(&format.layout).len() == 1 && format.name == "text" => {
            pair().or(Some((format, Vec::new())))
        }
        Some(format) => Some((format, Vec::new())),
        None => pair(),
    }
}

/// The columns that every row of a format has.
fn required(layout: &Layout) -> Vec<&'static str> {
    match layout {
        Layout::MessagePerColumns { messages, .. } => messages
            .iter()
            .flat_map(|message| message.texts)
            .filter(|text| matches!(text, TextColumn::Required(_)))
            .map(|text| text.column())
            .collect(),
        Layout::Messages { column, .. }
        | Layout::Segments { column }
        | Layout::Text { column }
        | Layout::Document { column } => vec![column],
        Layout::Tokens { ids, .. } => vec![ids],
        Layout::Continuation {
            prompt, completion, ..
        } => vec![prompt, completion],
        Layout::Pair {
            chosen, rejected, ..
        } => vec![chosen, rejected],
        Layout::Labelled {
            prompt,
            completion,
            label,
            ..
        } => vec![prompt, completion, label],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_of_a_file_is_that_of_its_columns() {
        let format = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            format_of(&names).map(|(format, columns)| (format.name, columns))
        };
        for (names, expected) in [
            (&["instruction", "input", "output"][..], "alpaca"),
            (&["id", "messages"], "messages"),
            (&["conversations"], "sharegpt"),
            (&["prompt", "completion", "text"], "prompt_completion"),
            (&["text", "url"], "text"),
        ] {
            assert_eq!(format(names), Some((expected, vec![])), "{names:?}");
        }
        let renamed = vec![
            ("prompt", "question".to_owned()),
            ("completion", "answer".to_owned()),
        ];
        let expected = Some(("prompt_completion", renamed));
        assert_eq!(format(&["answer", "question"]), expected);
        let renamed = vec![("prompt", "question".to_owned())];
        let expected = Some(("prompt_completion", renamed));
        assert_eq!(format(&["completion", "question", "text"]), expected);
        assert_eq!(format(&["a", "b"]), None);
    }

    #[test]
    fn quantiles_are_lengths_that_occur() {
        let survey = Survey::of_lengths(vec![10, 20, 30, 40]);
        let quantiles = [0.0, 0.25, 0.5, 0.95, 1.0].map(|share| survey.quantile(share));
        assert_eq!(quantiles, [10, 10, 20, 40, 40]);
        assert_eq!(survey.up_to(25), (2, 30));
    }
}
