//! Access to a row's fields by name and type, with errors that contain the place.

use std::path::Path;

use serde_json::Value;
use slm_table::{Exact, Place, Reading, Row};

use crate::BenchmarkError;

/// Size limit of a task's row in bytes: a publisher's tests may take hundreds of megabytes.
const MAX_TASK_BYTES: usize = 1 << 30;

/// A row with access to its fields.
pub(crate) struct Fields<'a> {
    place: &'a Place,
    fields: &'a serde_json::Map<String, Value>,
}

/// Reads a file with one task per row.
pub(crate) fn tasks_of_rows<T>(
    path: &Path,
    task: impl Fn(&Fields<'_>) -> Result<T, BenchmarkError>,
) -> Result<Vec<T>, BenchmarkError> {
    Reading::all()
        .with_max_row_bytes(MAX_TASK_BYTES)
        .open(path)?
        .map(|row| task(&Fields::of(&row?)))
        .collect()
}

impl<'a> Fields<'a> {
    pub(crate) fn of(row: &'a Row) -> Self {
        Self {
            place: &row.place,
            fields: &row.fields,
        }
    }

    /// Returns the error for a malformed row.
    pub(crate) fn malformed(&self, problem: impl Into<String>) -> BenchmarkError {
        BenchmarkError::Malformed {
            place: self.place.to_string(),
            problem: problem.into(),
        }
    }

    /// Returns the number of the line or row, from 1.
    pub(crate) fn number(&self) -> usize {
        self.place.number()
    }

    /// Returns a field that may be absent or null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn need(&self, name: &str) -> Result<&'a Value, BenchmarkError> {
        self.get(name).ok_or_else(|| {
            if self.fields.contains_key(name) {
                return self.malformed(format!("field `{name}` is null"));
            }
            let present: Vec<&str> = self.fields.keys().map(String::as_str).collect();
            self.malformed(format!(
                "no field `{name}`, found {}\nhint: is this the data file of another benchmark?",
                present.join(", ")
            ))
        })
    }

    fn mistyped(&self, name: &str, expected: &str) -> BenchmarkError {
        self.malformed(format!("field `{name}` is not {expected}"))
    }

    /// Returns a required string.
    pub(crate) fn text(&self, name: &str) -> Result<&'a str, BenchmarkError> {
        self.need(name)?
            .as_str()
            .ok_or_else(|| self.mistyped(name, "a string"))
    }

    /// Returns a string that may be absent or null.
    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<&'a str>, BenchmarkError> {
        match self.get(name) {
            None => Ok(None),
            Some(_) => self.text(name).map(Some),
        }
    }

    /// Returns a required list of strings.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, BenchmarkError> {
        texts(self.need(name)?).ok_or_else(|| self.mistyped(name, "a list of strings"))
    }

    /// Returns a required string or number as text; ids are either.
    pub(crate) fn id(&self, name: &str) -> Result<String, BenchmarkError> {
        match self.need(name)? {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(self.mistyped(name, "a string or a number")),
        }
    }

    /// Returns a field that is JSON or a string of JSON, with all digits of its numbers; `None` if it is empty or
    /// missing.
    pub(crate) fn exact(&self, name: &str) -> Result<Option<Exact>, BenchmarkError> {
        let text = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        if text.trim().is_empty() {
            return Ok(None);
        }
        Exact::parse(&text)
            .map(Some)
            .map_err(|problem| self.malformed(format!("field `{name}` is not JSON: {problem}")))
    }

    /// Returns a field that is JSON or a string of JSON; `None` if it is empty or missing.
    pub(crate) fn json(&self, name: &str) -> Result<Option<Value>, BenchmarkError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|error| self.malformed(format!("field `{name}` is not JSON: {error}"))),
            Some(value) => Ok(Some(value.clone())),
        }
    }
}

/// Returns the strings of a list; `None` for other values.
pub(crate) fn texts(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}
