//! Samples as rows, each of which names its task.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use slm_metrics::syntax::Form;
use slm_table::Row;

use super::task_ids::TaskIds;
use super::{BOTH, EMPTY_LIST, HALF_PAIR, OTHER_FILTER, Reader, SampleFormat, mistake};
use crate::error::SamplesError;

/// Reads the rows of a file in one of the formats with rows.
///
/// # Errors
/// [`SamplesError::Invalid`] with the place of a row that is none of this format, or names no task of the benchmark.
pub(super) fn read(
    path: &Path,
    format: SampleFormat,
    samples: &mut Reader<'_>,
) -> Result<(), SamplesError> {
    let ids = TaskIds::of(samples.tasks);
    // The entries of a task that may occur once.
    let mut seen: HashMap<usize, usize> = HashMap::new();
    let mut filter: Option<Value> = None;
    for (entry, row) in (1..).zip(slm_table::open(path).map_err(mistake)?) {
        let row = row.map_err(mistake)?;
        let row = SampleRow { row: &row, entry };
        let (task, task_id) = match format {
            SampleFormat::LmEval => row.task_in_doc(&ids)?,
            SampleFormat::LiveCodeBench => row.task("question_id", row.get("question_id"), &ids)?,
            _ => row.task("task_id", row.get("task_id"), &ids)?,
        };
        if format == SampleFormat::LmEval {
            let own = row.get("filter").cloned().unwrap_or_default();
            if *filter.get_or_insert_with(|| own.clone()) != own {
                samples.count(OTHER_FILTER);
                continue;
            }
        }
        if format != SampleFormat::EvalPlus
            && let Some(first) = seen.insert(task, entry)
        {
            return Err(row.invalid(format!(
                "the task `{task_id}` again, as in entry {first}: expected one for each task\nhint: are two files joined in this one?"
            )));
        }
        match format {
            SampleFormat::LiveCodeBench => row.push_list(task, &task_id, samples)?,
            SampleFormat::LmEval => row.push_responses(task, &task_id, samples)?,
            _ => row.push_one(task, task_id, samples)?,
        }
    }
    Ok(())
}

struct SampleRow<'a> {
    row: &'a Row,
    /// Its number in the file, from 1: a list is often on one line, and a line that is empty is no entry.
    entry: usize,
}

impl<'a> SampleRow<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.row.fields.get(name)
    }

    fn invalid(&self, problem: impl AsRef<str>) -> SamplesError {
        let place = &self.row.place;
        let problem = problem.as_ref();
        SamplesError::Invalid(if self.entry <= place.number() {
            format!("{place}: {problem}")
        } else {
            format!("{place}, entry {}: {problem}", self.entry)
        })
    }

    /// Finds the task that a field names.
    fn task(
        &self,
        name: &str,
        id: Option<&Value>,
        ids: &TaskIds<'_>,
    ) -> Result<(usize, String), SamplesError> {
        let id = match id {
            Some(Value::String(id)) => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            Some(_) => {
                return Err(self.invalid(format!("`{name}` is neither text nor a number")));
            }
            None => {
                let found = names(&self.row.fields);
                return Err(self.invalid(format!("no `{name}`, found {found}")));
            }
        };
        let task = ids
            .find(&id)
            .ok_or_else(|| self.invalid(ids.unknown(&id)))?;
        Ok((task, id))
    }

    fn task_in_doc(&self, ids: &TaskIds<'_>) -> Result<(usize, String), SamplesError> {
        let Some(Value::Object(doc)) = self.get("doc") else {
            let found = names(&self.row.fields);
            return Err(self.invalid(format!("no object `doc`, the task's row, found {found}")));
        };
        let id = doc.get("task_id").or_else(|| doc.get("question_id"));
        if id.is_none() {
            let found = names(doc);
            return Err(self.invalid(format!(
                "no `task_id` in `doc`, found {found}\nhint: are these samples of a task with Python programs?"
            )));
        }
        self.task("doc.task_id", id, ids)
    }

    /// Adds the program of an EvalPlus row.
    fn push_one(
        &self,
        task: usize,
        task_id: String,
        samples: &mut Reader<'_>,
    ) -> Result<(), SamplesError> {
        let tasks = samples.tasks;
        let text = |name: &str| match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.invalid(format!(
                "`{name}` is not text\nhint: write one line for each sample of a task"
            ))),
        };
        let (field, answer, form) = match (text("solution")?, text("completion")?) {
            (Some(solution), completion) => {
                if completion.is_some() {
                    samples.count(BOTH);
                }
                ("solution", solution, Form::Whole)
            }
            (None, Some(completion)) => {
                let form = Form::RestOf(&tasks[task].view().prompt);
                ("completion", completion, form)
            }
            (None, None) if self.has("solution") || self.has("completion") => {
                samples.push_null(task, task_id);
                return Ok(());
            }
            (None, None) => {
                let found = names(&self.row.fields);
                return Err(self.invalid(format!(
                    "neither `solution` nor `completion`, found {found}"
                )));
            }
        };
        samples.push(task, task_id, (answer, form), self.fault(field, answer));
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.row.fields.contains_key(name)
    }

    /// Returns why an answer is no text; the row names only the first field with a lone surrogate.
    fn fault(&self, field: &str, answer: &str) -> Option<&'static str> {
        let first = self.row.lone_surrogate.as_ref()?;
        let is_in_it = match self.get(field) {
            Some(Value::String(_)) => first == field,
            _ => false,
        };
        (is_in_it || answer.contains(char::REPLACEMENT_CHARACTER)).then_some(HALF_PAIR)
    }

    /// Adds the programs of a `LiveCodeBench` row: the extracted ones, or the answers if programs are extracted here.
    fn push_list(
        &self,
        task: usize,
        task_id: &str,
        samples: &mut Reader<'_>,
    ) -> Result<(), SamplesError> {
        let name = if samples.extract && self.has("output_list") {
            "output_list"
        } else {
            "code_list"
        };
        let Some(list) = self.get(name) else {
            let found = names(&self.row.fields);
            return Err(self.invalid(format!("no `{name}`, found {found}")));
        };
        let Value::Array(items) = list else {
            return Err(self.invalid(format!("`{name}` is not a list of programs")));
        };
        if items.is_empty() {
            samples.count(EMPTY_LIST);
        }
        for (i, item) in items.iter().enumerate() {
            match item {
                Value::String(text) => {
                    let fault = self.fault(name, text);
                    samples.push(task, task_id.to_owned(), (text, Form::Whole), fault);
                }
                Value::Null => samples.push_null(task, task_id.to_owned()),
                _ => {
                    return Err(
                        self.invalid(format!("item {i} of `{name}` is neither text nor null"))
                    );
                }
            }
        }
        Ok(())
    }

    /// Adds the programs of an `lm-eval` row: those that its filter made, or the answers if programs are extracted here.
    fn push_responses(
        &self,
        task: usize,
        task_id: &str,
        samples: &mut Reader<'_>,
    ) -> Result<(), SamplesError> {
        let tasks = samples.tasks;
        let prompt = tasks[task].view().prompt.as_str();
        let is_filtered = self.has("filtered_resps") && !(samples.extract && self.has("resps"));
        let name = if is_filtered {
            "filtered_resps"
        } else {
            "resps"
        };
        let mut texts = Vec::new();
        if !leaves(self.get(name).unwrap_or(&Value::Null), &mut texts) {
            return Err(self.invalid(format!("`{name}` is not a list of texts")));
        }
        if texts.is_empty() {
            samples.count(EMPTY_LIST);
        }
        // A filter of code tasks makes whole programs; without one, an answer continues a prompt that is code.
        let is_raw = !is_filtered || self.get("filter").and_then(Value::as_str) == Some("none");
        let continues = is_raw
            && self
                .get("doc")
                .is_some_and(|doc| doc["entry_point"].is_string());
        for text in texts {
            let Some(text) = text else {
                samples.push_null(task, task_id.to_owned());
                continue;
            };
            let form = if !continues || text.trim_start().starts_with(prompt.trim()) {
                Form::Whole
            } else {
                Form::RestOf(prompt)
            };
            let fault = self.fault(name, text);
            samples.push(task, task_id.to_owned(), (text, form), fault);
        }
        Ok(())
    }
}

/// Collects the texts and nulls of nested lists; false if there is anything else.
fn leaves<'v>(value: &'v Value, texts: &mut Vec<Option<&'v str>>) -> bool {
    match value {
        Value::Array(items) => items.iter().all(|item| match item {
            Value::String(text) => {
                texts.push(Some(text));
                true
            }
            Value::Null => {
                texts.push(None);
                true
            }
            Value::Array(_) => leaves(item, texts),
            _ => false,
        }),
        _ => false,
    }
}

fn names(fields: &serde_json::Map<String, Value>) -> String {
    let mut names: Vec<String> = fields.keys().map(|name| format!("`{name}`")).collect();
    // A reader may keep the file's order or not.
    names.sort_unstable();
    if names.is_empty() {
        "no field".to_owned()
    } else {
        names.join(", ")
    }
}
