//! One row of a data file: its columns by the format's names, and what is wrong with them.

use serde_json::Value;
use slm_config::Dataset;
use slm_table::Row;

use super::counts::{BadRow, Reason, shown};

/// One row, and the names of its columns.
pub(super) struct Reader<'a> {
    pub(super) row: &'a Row,
    pub(super) dataset: &'a Dataset,
    /// Place of the data set in the recipe.
    pub(super) index: usize,
}

impl<'a> Reader<'a> {
    /// The error for this row.
    pub(super) fn bad(&self, reason: Reason, problem: &str, hint: &str) -> BadRow {
        BadRow {
            reason,
            problem: format!("{}: {problem}", self.row.place),
            hint: Some(hint.to_owned()),
        }
    }

    /// Half of a surrogate pair is no text: the character is lost.
    pub(super) fn check_surrogates(&self) -> Result<(), BadRow> {
        match &self.row.lone_surrogate {
            None => Ok(()),
            Some(name) => Err(self.bad(
                Reason::LoneSurrogate,
                &format!(
                    "{} holds half of a surrogate pair, which is no character",
                    quoted(name)
                ),
                "take the row out, or write the file with whole characters",
            )),
        }
    }

    /// Whether the row is one of those that the recipe's `where` names.
    ///
    /// # Errors
    /// It has no such column: a misspelt one would leave out everything. Or there is no text to compare.
    pub(super) fn is_wanted(&self) -> Result<bool, BadRow> {
        for (column, allowed) in &self.dataset.only {
            let is_allowed = match self.row.fields.get(column) {
                Some(Value::Null) => false,
                Some(Value::String(text)) => allowed.0.contains(text),
                Some(Value::Bool(value)) => allowed.0.contains(&value.to_string()),
                Some(Value::Number(number)) => {
                    let is_same = |text: &String| {
                        *text == number.to_string() || text.parse::<f64>().ok() == number.as_f64()
                    };
                    allowed.0.iter().any(is_same)
                }
                Some(value) => {
                    return Err(self.bad(
                        Reason::WrongType,
                        &format!(
                            "{} is {}, expected text, a number or a truth value",
                            quoted(column),
                            kind(value)
                        ),
                        "choose another column for `where`",
                    ));
                }
                None => {
                    let key = format!("data.datasets.{}.where", self.index);
                    return Err(
                        self.no_column(column, &format!("`{key}` names the file's columns"))
                    );
                }
            };
            if !is_allowed {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn no_column(&self, name: &str, hint: &str) -> BadRow {
        let names: Vec<String> = self.row.columns.iter().map(|name| quoted(name)).collect();
        let problem = if names.is_empty() {
            format!("no column {}; the row has none", quoted(name))
        } else {
            format!(
                "no column {}; the row has {}",
                quoted(name),
                names.join(", ")
            )
        };
        self.bad(Reason::EmptyField, &problem, hint)
    }

    /// The file's name of a column.
    pub(super) fn name_of(&self, own: &'a str) -> &'a str {
        self.dataset.columns.name_of(own)
    }

    /// The value of a column that every row must have.
    pub(super) fn value(&self, own: &str) -> Result<&'a Value, BadRow> {
        let name = self.dataset.columns.name_of(own);
        match self.row.fields.get(name) {
            Some(Value::Null) => Err(self.bad(
                Reason::EmptyField,
                &format!("{} is null", quoted(name)),
                "fill the field, or take the row out",
            )),
            Some(value) => Ok(value),
            None => {
                let hint = format!(
                    "name the file's column: --set data.datasets.{}.columns.{own}=NAME",
                    self.index
                );
                Err(self.no_column(name, &hint))
            }
        }
    }

    pub(super) fn text(&self, own: &str) -> Result<&'a str, BadRow> {
        let value = self.value(own)?;
        value.as_str().ok_or_else(|| {
            let name = self.dataset.columns.name_of(own);
            self.bad(
                Reason::WrongType,
                &format!("{} is {}, expected text", quoted(name), kind(value)),
                "choose another format or column",
            )
        })
    }

    /// The text of a column that a row may leave out or set to null, unless the recipe names the column.
    pub(super) fn optional_text(&self, own: &'static str) -> Result<Option<&'a str>, BadRow> {
        let is_given = || self.dataset.columns.given().any(|(given, _)| given == own);
        match self.row.fields.get(self.dataset.columns.name_of(own)) {
            Some(Value::Null) => Ok(None),
            None if !is_given() => Ok(None),
            _ => self.text(own).map(Some),
        }
    }
}

/// A name out of a file, for a message.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", shown(name))
}

/// What kind of value was found.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
