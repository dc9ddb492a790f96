//! Rows of data files as samples: what each format expects of a row, and why a row that is otherwise is bad.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;
use slm_cli::UserMistake;
use slm_config::{Dataset, DatasetFormat};
use slm_model::{Message, Role};
use slm_table::{Reading, Row, RowFault, TableError};

use super::conversation::{self, Keys};
use super::counts::{BadRow, Reason, shown};
use super::sample::{Content, Sample};

/// Why a row gives no sample.
#[derive(Debug)]
pub(super) enum RowError {
    /// The row is bad; the next may be good.
    Bad(BadRow),
    /// The file cannot be read any further.
    File(anyhow::Error),
}

impl From<RowError> for anyhow::Error {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Bad(bad) => bad.into_error(),
            RowError::File(error) => error,
        }
    }
}

impl From<BadRow> for RowError {
    fn from(bad: BadRow) -> Self {
        Self::Bad(bad)
    }
}

impl From<TableError> for RowError {
    fn from(error: TableError) -> Self {
        let problem = error.to_string();
        let reason = match error {
            TableError::BadRow { fault, .. } => match fault {
                RowFault::Broken => Reason::BrokenRow,
                RowFault::NotUtf8 => Reason::NotUtf8,
                RowFault::TooLarge => Reason::TooLarge,
            },
            other => return Self::File(readable(other)),
        };
        Self::Bad(BadRow {
            reason,
            problem,
            hint: None,
        })
    }
}

/// The samples of a file, read as they are asked for; `None` for a row that the recipe does not want.
///
/// Only the columns that the format and `where` name are read. `index` is the data set's place in the recipe.
///
/// # Errors
/// The file cannot be opened. The iterator gives an error for a row that is broken or not as the format expects; it
/// names the row and the column.
pub(super) fn samples<'a>(
    file: &Path,
    dataset: &'a Dataset,
    index: usize,
) -> Result<impl Iterator<Item = Result<Option<Sample>, RowError>> + use<'a>> {
    let own = dataset.format.columns().iter();
    let columns = own
        .map(|own| dataset.columns.name_of(own))
        .chain(dataset.only.keys().map(String::as_str));
    let rows = Reading::columns(columns.map(str::to_owned))
        .open(file)
        .map_err(readable)?;
    Ok(rows.map(move |row| -> Result<Option<Sample>, RowError> {
        let row = row?;
        let reader = Reader {
            row: &row,
            dataset,
            index,
        };
        reader.check_surrogates()?;
        if reader.is_wanted()? {
            Ok(Some(reader.sample()?))
        } else {
            Ok(None)
        }
    }))
}

/// A file that is not there or of an unknown kind is the user's mistake; a broken one is not.
fn readable(error: TableError) -> anyhow::Error {
    match error {
        TableError::NotFound { .. }
        | TableError::UnknownFormat { .. }
        | TableError::LfsPointer { .. } => UserMistake(error.to_string()).into(),
        error => error.into(),
    }
}

/// One row, and the names of its columns.
pub(super) struct Reader<'a> {
    row: &'a Row,
    dataset: &'a Dataset,
    /// Place of the data set in the recipe.
    index: usize,
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

    /// What the row says.
    fn sample(&self) -> Result<Sample, BadRow> {
        let content = match self.dataset.format {
            DatasetFormat::Alpaca => self.instruction()?,
            DatasetFormat::Messages => self.conversation("messages", Keys::OPENAI, None)?,
            DatasetFormat::Sharegpt => {
                let system = self.optional_text("system")?;
                self.conversation("conversations", Keys::SHAREGPT, system)?
            }
            DatasetFormat::PromptCompletion => self.prompt_and_completion()?,
            DatasetFormat::Text => Content::Plain {
                prompt: String::new(),
                completion: self.text("text")?.to_owned(),
            },
            DatasetFormat::PythonSource => unreachable!("Python files have no rows"),
        };
        Ok(Sample {
            content,
            origin: self.row.place.to_string(),
            group: None,
        })
    }

    /// Half of a surrogate pair is no text: the character is lost.
    fn check_surrogates(&self) -> Result<(), BadRow> {
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
    fn is_wanted(&self) -> Result<bool, BadRow> {
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

    fn text(&self, own: &str) -> Result<&'a str, BadRow> {
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
    fn optional_text(&self, own: &'static str) -> Result<Option<&'a str>, BadRow> {
        let is_given = || {
            let given = self.dataset.columns.given();
            given.iter().any(|(given, _)| *given == own)
        };
        match self.row.fields.get(self.dataset.columns.name_of(own)) {
            Some(Value::Null) => Ok(None),
            None if !is_given() => Ok(None),
            _ => self.text(own).map(Some),
        }
    }

    /// An instruction, its input and the output.
    fn instruction(&self) -> Result<Content, BadRow> {
        let optional = |own: &'static str| -> Result<Option<&'a str>, BadRow> {
            Ok(self.optional_text(own)?.filter(|text| !text.is_empty()))
        };
        let mut messages = Vec::new();
        messages.extend(optional("system")?.map(|text| Message::new(Role::System, text)));
        let instruction = self.text("instruction")?;
        let request = match optional("input")? {
            Some(input) => format!("{instruction}\n\n{input}"),
            None => instruction.to_owned(),
        };
        messages.push(Message::new(Role::User, request));
        messages.push(Message::new(Role::Assistant, self.text("output")?));
        Ok(Content::Conversation(messages))
    }

    fn conversation(
        &self,
        own: &'static str,
        keys: Keys,
        system: Option<&str>,
    ) -> Result<Content, BadRow> {
        let mut messages = Vec::new();
        let system = system.filter(|text| !text.is_empty());
        messages.extend(system.map(|text| Message::new(Role::System, text)));
        messages.extend(conversation::messages(self, own, keys)?);
        conversation::check_turns(self, own, &messages)?;
        Ok(Content::Conversation(messages))
    }

    fn prompt_and_completion(&self) -> Result<Content, BadRow> {
        if !self.value("prompt")?.is_array() {
            return Ok(Content::Plain {
                prompt: self.text("prompt")?.to_owned(),
                completion: self.text("completion")?.to_owned(),
            });
        }
        let mut messages = conversation::messages(self, "prompt", Keys::OPENAI)?;
        messages.extend(match self.value("completion")? {
            Value::String(text) => vec![Message::new(Role::Assistant, text.as_str())],
            _ => conversation::messages(self, "completion", Keys::OPENAI)?,
        });
        conversation::check_turns(self, "prompt", &messages)?;
        Ok(Content::Conversation(messages))
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

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use slm_config::Recipe;

    /// What a file of one line gives under these keys of a data set.
    fn read(keys: &str, line: &str) -> Result<Sample> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("rows.jsonl");
        std::fs::write(&file, line).expect("a file");
        let text = format!(
            "model: {{name_or_path: x.gguf}}\ndata: {{datasets: [{{path: '{}', {keys}}}]}}",
            file.display()
        );
        let recipe = Recipe::parse(&text, Path::new("r.yaml"), &[]).expect("recipe");
        let mut samples = samples(&file, &recipe.data.datasets[0], 0)?;
        samples.next().expect("a row")?.context("left out")
    }

    fn conversation(keys: &str, line: &str) -> Vec<(Role, String)> {
        match read(keys, line).expect("a sample").content {
            Content::Conversation(messages) => {
                messages.into_iter().map(|m| (m.role, m.content)).collect()
            }
            other => panic!("{other:?} is no conversation"),
        }
    }

    fn check(keys: &str, line: &str, expected: &[(Role, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(role, text)| (*role, (*text).to_owned()))
            .collect();
        assert_eq!(conversation(keys, line), expected, "{line}");
    }

    #[test]
    fn each_format_reads_its_own_columns() {
        let (system, user, assistant) = (Role::System, Role::User, Role::Assistant);
        check(
            "format: alpaca",
            r#"{"instruction": "Add.", "input": "1 2", "output": "3"}"#,
            &[(user, "Add.\n\n1 2"), (assistant, "3")],
        );
        check(
            "format: alpaca",
            r#"{"instruction": "Add.", "input": "", "output": "3", "system": "Be brief."}"#,
            &[(system, "Be brief."), (user, "Add."), (assistant, "3")],
        );
        check(
            "format: messages",
            r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#,
            &[(user, "a"), (assistant, "b")],
        );
        check(
            "format: sharegpt",
            r#"{"system": "s", "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}"#,
            &[(system, "s"), (user, "a"), (assistant, "b")],
        );
        check(
            "format: prompt_completion",
            r#"{"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]}"#,
            &[(user, "a"), (assistant, "b")],
        );
        let plain = |keys, line: &str| read(keys, line).expect("a sample").content;
        let expected = |prompt: &str, completion: &str| Content::Plain {
            prompt: prompt.to_owned(),
            completion: completion.to_owned(),
        };
        let line = r#"{"prompt": "a", "completion": "b", "text": "c"}"#;
        assert_eq!(plain("format: prompt_completion", line), expected("a", "b"));
        assert_eq!(plain("format: text", line), expected("", "c"));
    }

    #[test]
    fn columns_may_have_other_names() {
        check(
            "format: alpaca, columns: {instruction: question, output: answer}",
            r#"{"question": "a", "answer": "b", "output": 1}"#,
            &[(Role::User, "a"), (Role::Assistant, "b")],
        );
    }

    #[test]
    fn only_rows_that_are_wanted_are_read() {
        let line = r#"{"text": "a", "lang": "python", "stars": 5, "mean": 5.0, "ok": true, "note": null, "tags": []}"#;
        for (wanted, is_wanted) in [
            ("{lang: python}", true),
            ("{lang: rust}", false),
            ("{lang: [rust, python]}", true),
            ("{lang: python, stars: '5', ok: 'true'}", true),
            ("{lang: python, stars: '6'}", false),
            // pandas makes doubles of whole numbers with gaps.
            ("{mean: '5'}", true),
            ("{mean: '5.0', stars: '5.0'}", true),
            ("{mean: '5.1'}", false),
            ("{mean: five}", false),
            ("{note: 'null'}", false),
            ("{lang: Python}", false),
        ] {
            let found = read(&format!("format: text, where: {wanted}"), line);
            match found {
                Ok(_) => assert!(is_wanted, "{wanted}"),
                Err(error) => {
                    assert_eq!((error.to_string().as_str(), is_wanted), ("left out", false));
                }
            }
        }
        for (wanted, expected) in [
            (
                "{language: python}",
                "no column `language`; the row has `text`, `lang`",
            ),
            (
                "{tags: x}",
                "`tags` is a list, expected text, a number or a truth value",
            ),
        ] {
            let error = read(&format!("format: text, where: {wanted}"), line).expect_err(wanted);
            assert!(error.is::<UserMistake>(), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_row_that_is_not_as_expected_is_named_with_what_was_found() {
        let check = |keys: &str, line: &str, expected: &str| {
            let error = read(keys, line).expect_err("refused");
            assert!(error.is::<UserMistake>(), "{error}");
            let text = error.to_string();
            assert!(
                text.contains(&format!("rows.jsonl:1: {expected}")),
                "{text}"
            );
        };
        let alpaca = "format: alpaca";
        check(
            alpaca,
            r#"{"prompt": "a", "output": "b"}"#,
            "no column `instruction`; the row has `prompt`, `output`\n\
             hint: name the file's column: --set data.datasets.0.columns.instruction=NAME",
        );
        check(
            alpaca,
            r#"{"instruction": null, "output": "b"}"#,
            "`instruction` is null",
        );
        check(
            alpaca,
            r#"{"instruction": "a", "output": 7}"#,
            "`output` is a number, expected text",
        );
        check(
            "format: alpaca, columns: {input: context}",
            r#"{"instruction": "a", "output": "b"}"#,
            "no column `context`",
        );
        let messages = "format: messages";
        check(
            messages,
            r#"{"messages": "hi"}"#,
            "`messages` is text, expected a list of messages",
        );
        check(
            messages,
            r#"{"messages": [{"role": "user", "content": null}]}"#,
            "`messages[0].content` is null",
        );
        check(
            messages,
            r#"{"messages": [{"role": "tool", "content": "a"}]}"#,
            "`messages[0].role` belongs to a call of a tool",
        );
        check(
            messages,
            r#"{"messages": [{"role": "developer", "content": "a"}]}"#,
            "`messages[0].role` is \"developer\", expected system, user or assistant",
        );
        check(
            messages,
            r#"{"messages": [{"role": "user"}]}"#,
            "`messages[0].content` is missing",
        );
        check(
            messages,
            r#"{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}"#,
            "`messages[0].content[0]` is of type \"image_url\", expected a part of type \"text\"",
        );
        let turn = |role: &str| format!(r#"{{"role": "{role}", "content": "x"}}"#);
        let line = |roles: &[&str]| {
            let turns: Vec<String> = roles.iter().map(|role| turn(role)).collect();
            format!(r#"{{"messages": [{}]}}"#, turns.join(","))
        };
        check(
            messages,
            &line(&["system", "user", "user", "assistant"]),
            "message 3 of `messages` is of user, but user and assistant must alternate",
        );
        check(
            messages,
            &line(&["assistant"]),
            "message 1 of `messages` is of assistant",
        );
        check(
            messages,
            &line(&["user", "assistant", "user"]),
            "`messages` does not end with a message of the assistant",
        );
        check(messages, &line(&[]), "`messages` does not end with");
    }
}
