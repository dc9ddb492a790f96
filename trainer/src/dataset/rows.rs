//! Rows of data files as samples: what each format expects of a row, and what it says about one that is otherwise.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cli::{Fetched, UserMistake};
use config::{Dataset, DatasetFormat};
use model::{Message, Role};
use serde_json::Value;
use table::{ENDINGS, Row, TableError};

use super::sample::{Content, Sample};

/// A data set's files on this machine.
#[derive(Debug)]
pub(crate) struct Located {
    /// In the order in which they are read.
    pub(crate) files: Vec<PathBuf>,
    /// What the hub says they are, for a data set from there.
    pub(crate) fetched: Option<Fetched>,
}

/// The files of a data set: the one named, those of the folder by name, or those that come from the hub.
///
/// # Errors
/// Nothing is there, the folder holds no data file, or the hub does not give them.
pub(crate) fn locate(dataset: &Dataset) -> Result<Located> {
    if dataset.format == DatasetFormat::PythonSource {
        return Ok(Located {
            files: Vec::new(),
            fetched: None,
        });
    }
    let fetched = cli::fetch_dataset(&dataset.path, &ENDINGS)?;
    let files = match &fetched {
        Some(fetched) => fetched.paths(),
        None => local_files(&dataset.path)?,
    };
    Ok(Located { files, fetched })
}

fn local_files(path: &str) -> Result<Vec<PathBuf>> {
    let path = PathBuf::from(path);
    if !path.is_dir() {
        return Ok(vec![path]);
    }
    let unreadable = || format!("cannot read {}", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&path).with_context(unreadable)? {
        let file = entry.with_context(unreadable)?.path();
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        let text = format!(
            "{}: no data file in this folder\nhint: known are {}",
            path.display(),
            ENDINGS.join(", ")
        );
        return Err(UserMistake(text).into());
    }
    Ok(files)
}

/// The samples of a file, read as they are asked for; `None` for a row that the recipe does not want.
///
/// # Errors
/// The file cannot be opened. The iterator gives an error for a row that is broken or not as the format expects; it
/// names the row and the column.
pub(super) fn samples<'a>(
    file: &Path,
    dataset: &'a Dataset,
    index: usize,
) -> Result<impl Iterator<Item = Result<Option<Sample>>> + use<'a>> {
    let rows = table::open(file).map_err(readable)?;
    Ok(rows.map(move |row| {
        let row = row.map_err(readable)?;
        let reader = Reader {
            row: &row,
            dataset,
            index,
        };
        if reader.is_wanted()? {
            sample(&reader).map(Some)
        } else {
            Ok(None)
        }
    }))
}

/// A file that is not there or of an unknown kind is the user's mistake; a broken one is not.
fn readable(error: TableError) -> anyhow::Error {
    match error {
        TableError::NotFound { .. } | TableError::UnknownFormat { .. } => {
            UserMistake(error.to_string()).into()
        }
        error => error.into(),
    }
}

/// One row, and the names of its columns.
struct Reader<'a> {
    row: &'a Row,
    dataset: &'a Dataset,
    /// Place of the data set in the recipe.
    index: usize,
}

/// What a row of the data set says.
fn sample(reader: &Reader) -> Result<Sample> {
    let content = match reader.dataset.format {
        DatasetFormat::Alpaca => {
            let mut messages = Vec::new();
            let system = reader
                .optional_text("system")?
                .filter(|text| !text.is_empty());
            messages.extend(system.map(|text| Message::new(Role::System, text)));
            let instruction = reader.text("instruction")?;
            let request = match reader
                .optional_text("input")?
                .filter(|text| !text.is_empty())
            {
                Some(input) => format!("{instruction}\n\n{input}"),
                None => instruction.to_owned(),
            };
            messages.push(Message::new(Role::User, request));
            messages.push(Message::new(Role::Assistant, reader.text("output")?));
            Content::Conversation(messages)
        }
        DatasetFormat::Messages => {
            Content::Conversation(reader.conversation("messages", "role", "content", None)?)
        }
        DatasetFormat::Sharegpt => {
            let system = reader.optional_text("system")?;
            Content::Conversation(reader.conversation("conversations", "from", "value", system)?)
        }
        DatasetFormat::PromptCompletion => reader.prompt_and_completion()?,
        DatasetFormat::Text => Content::Plain {
            prompt: String::new(),
            completion: reader.text("text")?.to_owned(),
        },
        DatasetFormat::PythonSource => unreachable!("Python files have no rows"),
    };
    Ok(Sample {
        content,
        origin: reader.row.place.to_string(),
        group: None,
    })
}

impl<'a> Reader<'a> {
    fn mistake(&self, problem: &str, hint: &str) -> anyhow::Error {
        UserMistake(format!("{}: {problem}\nhint: {hint}", self.row.place)).into()
    }

    /// Whether the row is one of those that the recipe's `where` names.
    ///
    /// # Errors
    /// It has no such column: a misspelt one would leave out everything. Or there is no text to compare.
    fn is_wanted(&self) -> Result<bool> {
        for (column, allowed) in &self.dataset.only {
            let found = match self.row.fields.get(column) {
                Some(Value::Null) => return Ok(false),
                Some(Value::String(text)) => text.clone(),
                Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
                Some(value) => {
                    return Err(self.mistake(
                        &format!(
                            "`{column}` is {}, expected text, a number or a truth value",
                            kind(value)
                        ),
                        "choose another column for `where`",
                    ));
                }
                None => {
                    let problem = format!("no column `{column}`; the row has {}", self.columns());
                    let key = format!("data.datasets.{}.where", self.index);
                    return Err(
                        self.mistake(&problem, &format!("`{key}` names the file's columns"))
                    );
                }
            };
            if !allowed.0.contains(&found) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The names of the row's columns.
    fn columns(&self) -> String {
        let names = self.row.fields.keys().map(|key| format!("`{key}`"));
        names.collect::<Vec<_>>().join(", ")
    }

    /// The value of a column that every row must have.
    fn value(&self, own: &str) -> Result<&'a Value> {
        let name = self.dataset.columns.name_of(own);
        match self.row.fields.get(name) {
            Some(Value::Null) => Err(self.mistake(
                &format!("`{name}` is null"),
                "fill the field, or take the row out",
            )),
            Some(value) => Ok(value),
            None => {
                let hint = format!(
                    "name the file's column: --set data.datasets.{}.columns.{own}=NAME",
                    self.index
                );
                let problem = format!("no column `{name}`; the row has {}", self.columns());
                Err(self.mistake(&problem, &hint))
            }
        }
    }

    fn text(&self, own: &str) -> Result<&'a str> {
        let value = self.value(own)?;
        value.as_str().ok_or_else(|| {
            let name = self.dataset.columns.name_of(own);
            self.mistake(
                &format!("`{name}` is {}, expected text", kind(value)),
                "choose another format or column",
            )
        })
    }

    /// The text of a column that a row may leave out or set to null, unless the recipe names the column.
    fn optional_text(&self, own: &'static str) -> Result<Option<&'a str>> {
        let name = self.dataset.columns.name_of(own);
        match self.row.fields.get(name) {
            Some(Value::Null) => Ok(None),
            None if self
                .dataset
                .columns
                .given()
                .iter()
                .all(|(given, _)| *given != own) =>
            {
                Ok(None)
            }
            _ => self.text(own).map(Some),
        }
    }

    fn conversation(
        &self,
        own: &str,
        role_key: &str,
        text_key: &str,
        system: Option<&str>,
    ) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        let system = system.filter(|text| !text.is_empty());
        messages.extend(system.map(|text| Message::new(Role::System, text)));
        messages.extend(self.messages(own, role_key, text_key)?);
        self.check_turns(&messages, own)?;
        Ok(messages)
    }

    /// The list of messages in a column.
    fn messages(&self, own: &str, role_key: &str, text_key: &str) -> Result<Vec<Message>> {
        let name = self.dataset.columns.name_of(own);
        let value = self.value(own)?;
        let expected = format!("expected a list of messages with `{role_key}` and `{text_key}`");
        let wrong = |at: &str, found: &str| {
            self.mistake(
                &format!("`{name}{at}` is {found}, {expected}"),
                "choose another format or column",
            )
        };
        let list = value.as_array().ok_or_else(|| wrong("", kind(value)))?;
        let mut messages = Vec::with_capacity(list.len());
        for (i, item) in list.iter().enumerate() {
            let fields = item
                .as_object()
                .ok_or_else(|| wrong(&format!("[{i}]"), kind(item)))?;
            let get = |key: &str| {
                let value = fields.get(key).unwrap_or(&Value::Null);
                let at = format!("[{i}].{key}");
                value.as_str().ok_or_else(|| wrong(&at, kind(value)))
            };
            let role = get(role_key)?;
            let role = role_of(role, self.dataset.format).ok_or_else(|| {
                self.mistake(
                    &format!(
                        "`{name}[{i}].{role_key}` is \"{role}\", expected system, user or assistant"
                    ),
                    "take the row out, or rename the role",
                )
            })?;
            messages.push(Message::new(role, get(text_key)?));
        }
        Ok(messages)
    }

    /// The order that every chat template takes: perhaps a system message, then user and assistant in turn.
    fn check_turns(&self, messages: &[Message], own: &str) -> Result<()> {
        let name = self.dataset.columns.name_of(own);
        let spoken = match messages {
            [first, rest @ ..] if first.role == Role::System => rest,
            all => all,
        };
        let expected = [Role::User, Role::Assistant].into_iter().cycle();
        let wrong = spoken
            .iter()
            .zip(expected)
            .position(|(message, role)| message.role != role);
        if let Some(at) = wrong {
            let role = spoken[at].role.name();
            let number = at + 1 + messages.len() - spoken.len();
            return Err(self.mistake(
                &format!("message {number} of `{name}` is of {role}, but user and assistant must alternate, user first"),
                "join or remove messages of one role in a row",
            ));
        }
        if spoken.len() % 2 == 1 || spoken.is_empty() {
            return Err(self.mistake(
                &format!("`{name}` does not end with a message of the assistant: there is nothing to learn"),
                "take the row out",
            ));
        }
        Ok(())
    }

    fn prompt_and_completion(&self) -> Result<Content> {
        if self.value("prompt")?.is_array() {
            let mut messages = self.messages("prompt", "role", "content")?;
            messages.extend(match self.value("completion")? {
                Value::String(text) => vec![Message::new(Role::Assistant, text.as_str())],
                _ => self.messages("completion", "role", "content")?,
            });
            self.check_turns(&messages, "prompt")?;
            return Ok(Content::Conversation(messages));
        }
        Ok(Content::Plain {
            prompt: self.text("prompt")?.to_owned(),
            completion: self.text("completion")?.to_owned(),
        })
    }
}

/// The role that a file calls `name`.
fn role_of(name: &str, format: DatasetFormat) -> Option<Role> {
    match (name, format) {
        ("system", _) => Some(Role::System),
        ("user", _) | ("human", DatasetFormat::Sharegpt) => Some(Role::User),
        ("assistant", _) | ("gpt" | "chatgpt" | "model", DatasetFormat::Sharegpt) => {
            Some(Role::Assistant)
        }
        _ => None,
    }
}

/// What kind of value was found.
fn kind(value: &Value) -> &'static str {
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
    use config::Recipe;

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
        let line =
            r#"{"text": "a", "lang": "python", "stars": 5, "ok": true, "note": null, "tags": []}"#;
        for (wanted, is_wanted) in [
            ("{lang: python}", true),
            ("{lang: rust}", false),
            ("{lang: [rust, python]}", true),
            ("{lang: python, stars: '5', ok: 'true'}", true),
            ("{lang: python, stars: '6'}", false),
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
            "`messages[0].content` is null, expected a list of messages",
        );
        check(
            messages,
            r#"{"messages": [{"role": "tool", "content": "a"}]}"#,
            "`messages[0].role` is \"tool\", expected system, user or assistant",
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
