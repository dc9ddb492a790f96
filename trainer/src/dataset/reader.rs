//! A row of a data file: its columns by the format's names, and the errors about them.

use serde_json::Value;
use slm_config::Dataset;
use slm_table::Row;

use super::counts::{BadRow, Reason, shown};

/// A row, with the data set that names its columns.
pub(super) struct Reader<'a> {
    pub(super) row: &'a Row,
    pub(super) dataset: &'a Dataset,
    /// Index of the data set in the recipe.
    pub(super) index: usize,
}

impl<'a> Reader<'a> {
    /// Makes an error for this row.
    pub(super) fn bad(&self, reason: Reason, problem: &str, hint: &str) -> BadRow {
        BadRow {
            reason,
            problem: format!("{}: {problem}", self.row.place),
            hint: Some(hint.to_owned()),
        }
    }

    /// Refuses a row with half of a surrogate pair, whose character is lost.
    pub(super) fn check_surrogates(&self) -> Result<(), BadRow> {
        match &self.row.lone_surrogate {
            None => Ok(()),
            Some(name) => Err(self.bad(
                Reason::LoneSurrogate,
                &format!(
                    "{} holds half of a surrogate pair, which is not a character",
                    quoted(name)
                ),
                "remove the row, or rewrite the file with complete surrogate pairs",
            )),
        }
    }

    /// Whether the recipe's `where` selects the row.
    ///
    /// # Errors
    /// A column of `where` is missing, since a misspelt name would leave out everything, or its value cannot be
    /// compared.
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
                            "{} is {}, expected text, a number or a boolean",
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

    /// Returns the name that a column of the format has in the file.
    pub(super) fn name_of(&self, own: &'a str) -> &'a str {
        self.dataset.columns.name_of(own)
    }

    /// Returns the value of a required column.
    pub(super) fn value(&self, own: &str) -> Result<&'a Value, BadRow> {
        let name = self.dataset.columns.name_of(own);
        match self.row.fields.get(name) {
            Some(Value::Null) => Err(self.bad(
                Reason::EmptyField,
                &format!("{} is null", quoted(name)),
                "fill the field, or remove the row",
            )),
            Some(value) => Ok(value),
            None => {
                let hint = format!(
                    "name the file's column: --set data.datasets.{}.columns.{own}=NAME; in a file of --data, rename it",
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

    /// Returns the value of a column that a row may omit or set to null, unless the recipe names the column.
    pub(super) fn optional(&self, own: &'static str) -> Result<Option<&'a Value>, BadRow> {
        let is_given = || self.dataset.columns.given().any(|(given, _)| given == own);
        match self.row.fields.get(self.dataset.columns.name_of(own)) {
            Some(Value::Null) => Ok(None),
            None if !is_given() => Ok(None),
            _ => self.value(own).map(Some),
        }
    }

    /// Returns the text of a column that a row may omit or set to null, unless the recipe names the column.
    pub(super) fn optional_text(&self, own: &'static str) -> Result<Option<&'a str>, BadRow> {
        match self.optional(own)? {
            Some(_) => self.text(own).map(Some),
            None => Ok(None),
        }
    }
}

/// Quotes a name from a file for a message.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", shown(name))
}

/// Names the type of a value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
