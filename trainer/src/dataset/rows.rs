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
    use slm_model::{Message, Role};

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

    fn messages(keys: &str, line: &str) -> Vec<Message> {
        match read(keys, line).expect("a sample").content {
            Content::Conversation(messages) | Content::WithTools { messages, .. } => messages,
            other => panic!("{other:?} is no conversation"),
        }
    }

    /// OpenAI's format and that of LLaMA-Factory give the same conversation.
    #[test]
    fn tools_their_calls_and_their_results_are_read_in_every_spelling() {
        let openai = r#"{"tools": [{"type": "function", "function": {"name": "f"}}], "messages": [
            {"role": "user", "content": "2+2?"},
            {"role": "assistant", "content": null, "tool_calls":
                [{"type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": 2}}}]},
            {"role": "tool", "content": "4"}, {"role": "assistant", "content": "4"}]}"#;
        let sharegpt = r#"{"tools": "[{\"name\": \"f\"}]", "conversations": [
            {"from": "human", "value": "2+2?"},
            {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"b\": 1, \"a\": 2}}"},
            {"from": "observation", "value": "4"}, {"from": "gpt", "value": "4"}]}"#;
        let openai = read("format: messages", &openai.replace('\n', " ")).expect("a sample");
        let sharegpt = read("format: sharegpt", &sharegpt.replace('\n', " ")).expect("a sample");
        assert_eq!(openai.content, sharegpt.content);
        let Content::WithTools { messages, tools } = openai.content else {
            panic!("{:?} has no tools", openai.content);
        };
        assert_eq!(tools[0]["function"]["name"], "f");
        let roles: Vec<Role> = messages.iter().map(|message| message.role).collect();
        assert_eq!(
            roles,
            [Role::User, Role::Assistant, Role::Tool, Role::Assistant]
        );
        assert!(messages[1].is_null);
        let arguments = &messages[1].tool_calls[0]["function"]["arguments"];
        assert_eq!(arguments.to_string(), r#"{"b":1,"a":2}"#);
    }

    #[test]
    fn a_message_with_weight_0_in_any_spelling_is_context() {
        for (field, is_learned) in [
            (r#""weight": 0"#, false),
            (r#""weight": 1"#, true),
            (r#""weight": null"#, true),
            (r#""train": false"#, false),
            (r#""loss_mask": 0.0"#, false),
            (r#""weight": 1, "training": false"#, false),
        ] {
            let line = format!(
                r#"{{"messages": [{{"role": "user", "content": "q", "weight": 0}}, {{"role": "assistant", "content": "a", {field}}}]}}"#
            );
            let messages = messages("format: messages", &line);
            assert_eq!(messages[1].is_learned, is_learned, "{field}");
        }
    }

    #[test]
    fn a_thought_in_a_field_of_its_own_is_kept_apart() {
        for field in ["reasoning_content", "reasoning", "thinking"] {
            let line = format!(
                r#"{{"messages": [{{"role": "user", "content": "q"}}, {{"role": "assistant", "content": "a", "{field}": "hm"}}]}}"#
            );
            let messages = messages("format: messages", &line);
            assert_eq!(messages[1].reasoning.as_deref(), Some("hm"), "{field}");
            assert_eq!(messages[1].content, "a");
        }
    }

    #[test]
    fn messages_of_one_role_in_a_row_are_joined_if_the_recipe_asks_for_it() {
        let line = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c"}, {"role": "assistant", "content": "d"}]}"#;
        let line = line.replace('\n', " ");
        check(
            "format: messages, join_turns: true",
            &line,
            &[(Role::User, "a\n\nb"), (Role::Assistant, "c\n\nd")],
        );
        let error = read("format: messages", &line)
            .expect_err("not joined")
            .to_string();
        assert!(
            error.contains("hint: `data.datasets[].join_turns: true`"),
            "{error}"
        );
    }

    #[test]
    fn earlier_turns_of_alpaca_are_before_the_question() {
        check(
            "format: alpaca",
            r#"{"system": "s", "instruction": "r", "output": "b", "history": [["q", "a"]]}"#,
            &[
                (Role::System, "s"),
                (Role::User, "q"),
                (Role::Assistant, "a"),
                (Role::User, "r"),
                (Role::Assistant, "b"),
            ],
        );
        let line = r#"{"instruction": "r", "output": "b", "history": []}"#;
        check(
            "format: alpaca",
            line,
            &[(Role::User, "r"), (Role::Assistant, "b")],
        );
    }

    #[test]
    fn tokenised_rows_and_segments_are_learned_where_they_are_marked() {
        let content = |keys: &str, line: &str| read(keys, line).expect("a sample").content;
        let tokens = |ids: &[u32], supervised: &[bool]| Content::Tokens {
            ids: ids.to_vec(),
            supervised: supervised.to_vec(),
        };
        for (line, expected) in [
            (r#"{"input_ids": [5, 6]}"#, tokens(&[5, 6], &[true, true])),
            (
                r#"{"input_ids": [0, 5, 6, 0], "labels": [-100, -100, 6, -100], "attention_mask": [0, 1, 1, 0]}"#,
                tokens(&[5, 6], &[false, true]),
            ),
            (r#"{"input_ids": [], "labels": []}"#, tokens(&[], &[])),
        ] {
            assert_eq!(content("format: tokens", line), expected, "{line}");
        }
        let line = r#"{"segments": [{"label": false, "text": "a"}, {"label": true, "text": "b"}]}"#;
        assert_eq!(
            content("format: segments", line),
            Content::Segments(vec![(false, "a".to_owned()), (true, "b".to_owned())])
        );
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

    /// Checks that a line is refused by its place and this text.
    fn check_refused(keys: &str, line: &str, expected: &str) {
        let error = read(keys, line).expect_err("refused");
        assert!(error.is::<UserMistake>(), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("rows.jsonl:1: {expected}")),
            "{text}"
        );
    }

    #[test]
    fn tools_weights_and_tokens_that_are_not_as_expected_are_named_with_what_was_found() {
        let (check, messages) = (check_refused, "format: messages");
        check(
            messages,
            r#"{"messages": [{"role": "tool", "content": "a"}, {"role": "assistant", "content": "a"}]}"#,
            "message 1 of `messages` has role tool, but it follows no tool call",
        );
        check(
            messages,
            r#"{"messages": [{"role": "assistant", "content": null, "tool_calls": [{"arguments": {}}]}]}"#,
            "`messages[0].tool_calls` has an item without the name of a function",
        );
        check(
            messages,
            r#"{"messages": [{"role": "assistant", "content": "a", "weight": 0.5}]}"#,
            "`messages[0].weight` is neither 0, 1 nor a boolean",
        );
        check(
            messages,
            r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "tools": "x"}"#,
            "`tools` is text, but no JSON",
        );
        check(
            "format: alpaca",
            r#"{"instruction": "a", "output": "b", "history": [["q"]]}"#,
            "`history[0]` is a list, expected a list of pairs of question and answer",
        );
        check(
            "format: segments",
            r#"{"segments": [{"label": 2, "text": "a"}]}"#,
            "`segments[0].label` is a number, expected a boolean",
        );
        for (line, expected) in [
            (
                r#"{"input_ids": "a"}"#,
                "`input_ids` is text, expected a list of whole numbers",
            ),
            (
                r#"{"input_ids": [1, 2.5]}"#,
                "`input_ids[1]` is a number, expected a list of whole",
            ),
            (
                r#"{"input_ids": [-1]}"#,
                "input_ids[0] is -1, which is no token",
            ),
            (
                r#"{"input_ids": [1], "labels": []}"#,
                "`labels` has 0 values, but `input_ids` has 1",
            ),
            (
                r#"{"input_ids": [1], "labels": [2]}"#,
                "labels[0] is 2, expected -100 or the token, 1",
            ),
            (
                r#"{"input_ids": [1, 2, 3], "attention_mask": [1, 0, 1]}"#,
                "`attention_mask` has a 0 between ones",
            ),
        ] {
            check("format: tokens", line, expected);
        }
    }

    #[test]
    fn a_row_that_is_not_as_expected_is_named_with_what_was_found() {
        let check = check_refused;
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
            r#"{"messages": [{"role": "developer", "content": "a"}]}"#,
            "`messages[0].role` is \"developer\", expected system, user, assistant or tool",
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
