//! `CodeSearchNet`, Python: documented functions of public repositories, without tests.
//!
//! | field | | |
//! |---|---|---|
//! | `original_string` | this | the function as in its file, with its docstring |
//! | `code` | or this | the same |
//! | `docstring` | required | its docstring |
//! | `partition` | optional | `train`, `valid` or `test`; rows without it belong to `test` |
//! | `repo`, `path`, `func_name` | optional | with all three, `CodeSearchNet/REPO/PATH::FUNC_NAME` is the task's id |
//! | `language` | optional | rows of other languages than `python` are left out |
//!
//! The prompt is the signature with the docstring, the canonical solution the rest of the function. `url`, `sha`,
//! `code_tokens`, `docstring_tokens` and other fields are ignored. A task has no tests: its programs are only measured.
//! Rows with the same text of a function are one task, the first of them.
//!
//! # Source
//! Husain et al. 2019, arXiv:1909.09436; github.com/github/CodeSearchNet.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use slm_artifacts::sha256;
use slm_metrics::syntax::{
    FunctionSource, OutlineKind, Uncut, body_tokens, outline, survey_functions,
};

use crate::fields::{Fields, tasks_of_rows};
use crate::format::{Data, Format, LeftOut, Reader};
use crate::split::Split;
use crate::{BenchmarkError, Task, TaskView, Tests};

pub(crate) const FORMAT: Format = Format {
    name: "codesearchnet",
    data: Data {
        file: "python_test_0.jsonl.gz",
        publisher: "github.com/github/CodeSearchNet",
    },
    read: Reader::Part(read),
};

/// A row: a task with the hash of its function's text, or the reason why it is none.
type Found = Result<(Task, String), &'static str>;

/// Forks and copied files repeat functions.
const SAME_FUNCTION: &str = "with the same function as an earlier row";

fn read(path: &Path, split: Split) -> Result<(Vec<Task>, LeftOut), BenchmarkError> {
    let mut ids: HashMap<String, usize> = HashMap::new();
    let mut known: HashSet<String> = HashSet::new();
    let (mut tasks, mut left_out) = (Vec::new(), LeftOut::new());
    for row in tasks_of_rows(path, |row| found(row, split))? {
        match row {
            Err(reason) => *left_out.entry(reason).or_default() += 1,
            Ok((_, text)) if known.contains(&text) => {
                *left_out.entry(SAME_FUNCTION).or_default() += 1;
            }
            Ok((mut task, text)) => {
                known.insert(text);
                // A file may define a function twice, such as a property's getter and setter.
                let id = &mut task.view_mut().task_id;
                let n = ids.entry(id.clone()).or_default();
                *n += 1;
                if *n > 1 {
                    *id = format!("{id}#{n}");
                }
                tasks.push(task.in_split(split));
            }
        }
    }
    Ok((tasks, left_out))
}

fn found(row: &Fields<'_>, split: Split) -> Result<Found, BenchmarkError> {
    let source = match row.optional_text("original_string")? {
        Some(source) => source,
        None => row.text("code")?,
    };
    let docstring = row.text("docstring")?;
    let language = row.optional_text("language")?.unwrap_or("python");
    if part_of(row)? != split {
        return Ok(Err("of another partition"));
    }
    if !language.eq_ignore_ascii_case("python") {
        return Ok(Err("in another language"));
    }
    if docstring.trim().is_empty() {
        return Ok(Err("without a docstring"));
    }
    let id = id_of(row)?;
    Ok(function_of(source).map(|function| {
        let text = sha256(function.source.trim());
        (task(id, &function), text)
    }))
}

fn part_of(row: &Fields<'_>) -> Result<Split, BenchmarkError> {
    match row.optional_text("partition")? {
        None | Some("test") => Ok(Split::Test),
        Some("valid") => Ok(Split::Validation),
        Some("train") => Ok(Split::Train),
        Some(other) => Err(row.malformed(format!(
            "`partition` is `{other}`, expected `train`, `valid` or `test`"
        ))),
    }
}

fn id_of(row: &Fields<'_>) -> Result<String, BenchmarkError> {
    let place = ["repo", "path", "func_name"].map(|field| row.optional_text(field));
    let [repo, path, name] = place;
    Ok(match (repo?, path?, name?) {
        (Some(repo), Some(path), Some(name)) => format!("CodeSearchNet/{repo}/{path}::{name}"),
        // The number of a row identifies nothing outside its file.
        _ => format!("CodeSearchNet row {}", row.number()),
    })
}

/// Splits the text of a row into signature, docstring and body, or returns why it cannot be.
fn function_of(source: &str) -> Result<FunctionSource, &'static str> {
    let (Ok(survey), Ok(items)) = (survey_functions(source), outline(source)) else {
        return Err("that do not parse as Python 3");
    };
    let [item] = &items[..] else {
        return Err("that are no single function");
    };
    if item.kind != OutlineKind::Function {
        return Err("that are no single function");
    }
    let is_whole = |function: &FunctionSource| Some(function.name.as_str()) == item.name.as_deref();
    let mut functions = survey.functions.into_iter();
    match functions.find(|function| is_whole(function) && function.class_name.is_none()) {
        Some(function) if is_empty(&function) => Err("with an empty body"),
        Some(function) => Ok(function),
        None => Err(match survey.uncut.first().map(|uncut| uncut.reason) {
            None | Some(Uncut::Nested) => "without a docstring",
            Some(Uncut::NoBody) => "with an empty body",
            Some(_) => "whose body cannot be cut off",
        }),
    }
}

/// Whether a body is only a placeholder.
fn is_empty(function: &FunctionSource) -> bool {
    let tokens = body_tokens(&function.source, &function.name).unwrap_or_default();
    let mut code = tokens.iter().filter(|token| !token.starts_with('#'));
    matches!(
        (code.next().map(String::as_str), code.next()),
        (None | Some("pass" | "..."), None)
    )
}

fn task(id: String, function: &FunctionSource) -> Task {
    let view = TaskView::new(id, function.prompt(), &function.name);
    Task::new(view, Tests::Measured, function.body.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ScoringPhase, Selection, TaskSet};

    fn sample(split: Option<Split>) -> TaskSet {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/golden/codesearchnet/python_test_0.jsonl.gz");
        let selection = Selection {
            split,
            task_ids: None,
        };
        crate::load_selected(FORMAT.name, Some(&path), &selection).expect("tasks")
    }

    #[test]
    fn functions_become_tasks_without_tests_whose_parts_are_the_function() {
        let set = sample(None);
        assert!(set.tasks.len() >= 20, "{}", set.tasks.len());
        let phase = ScoringPhase::begin();
        for task in &set.tasks {
            let view = task.view();
            assert_eq!(*task.hidden().open(&phase), Tests::Measured);
            assert_eq!(task.split(), Some(Split::Test));
            assert!(
                view.task_id
                    .starts_with("CodeSearchNet/python/cpython/Lib/"),
                "{}",
                view.task_id
            );
            let body = task.canonical_solution(&phase);
            let whole = format!("{}{body}", view.prompt);
            assert!(slm_metrics::syntax::parses(&whole), "{whole}");
            assert!(
                !view.prompt.contains(body)
                    && view.prompt.contains(&format!("def {}(", view.entry_point))
            );
            assert!(body_tokens(&whole, &view.entry_point).is_some());
        }
    }

    #[test]
    fn rows_that_are_no_task_are_counted_by_their_reason() {
        let expected = [
            ("in another language", 1),
            ("of another partition", 7),
            ("that are no single function", 1),
            ("that do not parse as Python 3", 2),
            ("with an empty body", 3),
            ("without a docstring", 2),
        ];
        assert_eq!(sample(None).left_out, expected.into());
    }

    #[test]
    fn a_partition_is_chosen_by_the_split() {
        let ids = |split| -> Vec<String> {
            let tasks = sample(Some(split)).tasks;
            tasks
                .iter()
                .map(|task| task.view().task_id.clone())
                .collect()
        };
        let [train, validation, test] = [Split::Train, Split::Validation, Split::Test].map(ids);
        assert_eq!((train.len(), validation.len()), (4, 3));
        assert_eq!(test.len(), sample(None).tasks.len());
        assert!(train.iter().chain(&validation).all(|id| !test.contains(id)));
    }

    fn read_rows(rows: &str) -> Result<(Vec<Task>, LeftOut), String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, rows).expect("a file");
        read(&path, Split::Test).map_err(|error| error.to_string())
    }

    #[test]
    fn a_plain_file_with_only_the_required_fields_is_enough() {
        let row =
            r#"{"code": "def f(x):\n        '''One.'''\n        return x\n", "docstring": "One."}"#;
        let other = row.replace("return x", "return -x");
        let (tasks, left_out) = read_rows(&format!("{row}\n{other}\n")).expect("tasks");
        assert!(left_out.is_empty());
        assert_eq!(tasks[0].view().prompt, "def f(x):\n        '''One.'''\n");
        let ids = tasks.iter().map(|task| task.view().task_id.as_str());
        assert_eq!(
            ids.collect::<Vec<_>>(),
            ["CodeSearchNet row 1", "CodeSearchNet row 2"]
        );
    }

    #[test]
    fn repeated_names_and_placeholders_are_told_apart() {
        let row = |body: &str| {
            format!(
                r#"{{"code": "def f(x):\n    '''One.'''\n    {body}\n", "docstring": "One.", "repo": "a/b", "path": "c.py", "func_name": "f"}}"#
            )
        };
        let rows = [
            row("return x"),
            row("return 2"),
            row("pass"),
            row("..."),
            row("# later"),
        ];
        let (tasks, left_out) = read_rows(&rows.join("\n")).expect("tasks");
        let ids = tasks.iter().map(|task| task.view().task_id.as_str());
        assert_eq!(
            ids.collect::<Vec<_>>(),
            ["CodeSearchNet/a/b/c.py::f", "CodeSearchNet/a/b/c.py::f#2"]
        );
        assert_eq!(left_out, [("with an empty body", 3)].into());
    }

    #[test]
    fn rows_with_the_same_function_are_one_task_and_counted() {
        let row = |repo: &str, result: &str, end: &str| {
            format!(
                r#"{{"code": "def f(x):\n    \"One.\"\n    return {result}{end}", "docstring": "One.", "repo": "{repo}", "path": "c.py", "func_name": "f"}}"#
            )
        };
        let rows = [
            row("a/b", "x", r"\n"),
            row("fork/b", "x", ""),
            row("fork/b", "-x", ""),
            row("a/b", "x", r"\n"),
        ];
        let (tasks, left_out) = read_rows(&rows.join("\n")).expect("tasks");
        let ids = tasks.iter().map(|task| task.view().task_id.as_str());
        assert_eq!(
            ids.collect::<Vec<_>>(),
            ["CodeSearchNet/a/b/c.py::f", "CodeSearchNet/fork/b/c.py::f"]
        );
        assert_eq!(left_out, [(SAME_FUNCTION, 2)].into());
    }

    #[test]
    fn what_is_wrong_with_a_row_is_named() {
        for (row, problem) in [
            (r#"{"docstring": "One."}"#, "no field `code`"),
            (r#"{"code": "x"}"#, "no field `docstring`"),
            (
                r#"{"code": "x", "docstring": "One.", "partition": "dev"}"#,
                "`partition` is `dev`, expected `train`, `valid` or `test`",
            ),
            (
                r#"{"code": 1, "docstring": "One."}"#,
                "field `code` is not a string",
            ),
        ] {
            let error = read_rows(row).expect_err("malformed");
            assert!(error.contains(problem), "{error}");
        }
    }
}
