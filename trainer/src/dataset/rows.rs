//! Conversion of the rows of data files into samples.

use std::path::Path;

use anyhow::Result;
use slm_cli::UserMistake;
use slm_config::{Dataset, RowFormat};
use slm_table::{Reading, RowFault, TableError};

use super::counts::{BadRow, Reason};
use super::layout;
use super::reader::Reader;
use super::sample::Sample;

/// Why a row gives no sample.
#[derive(Debug)]
pub(super) enum RowError {
    /// The row is bad; the following ones may be good.
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

/// Iterates over the samples of a file, read lazily; `None` for a row that `where` does not select.
///
/// Only the columns that the format and `where` name are read. `index` is the data set's index in the recipe.
///
/// # Errors
/// The file cannot be opened. An item is an error if its row is broken or does not match the format; the error names
/// the row and the column.
pub(super) fn samples<'a>(
    file: &Path,
    dataset: &'a Dataset,
    format: &'static RowFormat,
    index: usize,
) -> Result<impl Iterator<Item = Result<Option<Sample>, RowError>> + use<'a>> {
    let columns = format
        .columns
        .iter()
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
            Ok(Some(Sample {
                content: layout::content(&reader, &format.layout)?,
                origin: reader.row.place.to_string(),
                special_tokens: dataset.special_tokens,
                group: layout::task(&reader, &format.layout)?,
            }))
        } else {
            Ok(None)
        }
    }))
}

/// A missing file or one of an unknown kind is the user's mistake; a broken one is not.
fn readable(error: TableError) -> anyhow::Error {
    match error {
        TableError::NotFound { .. }
        | TableError::UnknownFormat { .. }
        | TableError::LfsPointer { .. } => UserMistake(error.to_string()).into(),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::content::Content;
    use super::*;
    use anyhow::Context;
    use slm_config::{DatasetFormat, Recipe};
    use slm_model::Role;

    /// Reads a file of one line, with these keys of a data set.
    fn read(keys: &str, line: &str) -> Result<Sample> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("rows.jsonl");
        std::fs::write(&file, line).expect("a file");
        let text = format!(
            "model: {{name_or_path: x.gguf}}\ndata: {{datasets: [{{path: '{}', {keys}}}]}}",
            file.display()
        );
        let recipe =
            Recipe::parse(&text, Path::new("r.yaml"), &[], slm_benchmarks::NAMES).expect("recipe");
        let dataset = &recipe.data.datasets[0];
        let DatasetFormat::Rows(format) = dataset.format else {
            panic!("{keys} has no rows");
        };
        let mut samples = samples(&file, dataset, format, 0)?;
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
            // pandas converts integer columns with gaps to doubles.
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
                "`tags` is a list, expected text, a number or a boolean",
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
             hint: name the file's column: --set data.datasets.0.columns.instruction=NAME; in a file of --data, rename it",
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
            "`messages[0].role` belongs to a tool call",
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
            "message 3 of `messages` has role user, but user and assistant must alternate",
        );
        check(
            messages,
            &line(&["assistant"]),
            "message 1 of `messages` has role assistant",
        );
        check(
            messages,
            &line(&["user", "assistant", "user"]),
            "`messages` does not end with an assistant message",
        );
        check(messages, &line(&[]), "`messages` does not end with");
    }
}
