//! Tasks from a repository's own functions and tests, as `evaluator tasks` writes them.
//!
//! | field | |
//! |---|---|
//! | `version` | 1 |
//! | `task_id` | `FILE::NAME` |
//! | `prompt` | imports used, class header, signature and docstring |
//! | `entry_point` | name of the function, or of the method's class |
//! | `kind` | `tested`, or `measured` for a task without tests |
//! | `tests` | list of `kind` (`unittest`, `plain`, `pytest`, `doctest`), `id` and, for a doctest, `text` |
//! | `public_examples` | list with the first block of examples of the docstring, or empty |
//! | `canonical_solution` | the body in the repository |
//! | `why_untested` | why a measured task has no tests |
//! | `split` | `train` or `eval`; missing without a split |
//! | `repo` | `root` (relative to the file's folder, or absolute), `sha256` (of the path, length and content of each Python file, `.py` and `.pyi`; other files may change), `files` (their number) |
//! | `target` | `file`, `qualified_name`, `first_line`, `body_first_line`, `last_line` |
//!
//! The benchmark contains the rows whose `split` is `eval` or missing; [`training_tasks`] returns the others.

use std::path::{Component, Path};

use serde_json::{Map, Value};

use crate::error::OWN_REPOSITORY;
use crate::fields::{Fields, tasks_of_rows};
use crate::format::{Data, Format, LeftOut, Reader};
use crate::repository_tests::{
    RepositoryTarget, RepositoryTest, RepositoryTestKind, RepositoryTests,
};
use crate::split::Split;
use crate::{BenchmarkError, Task, TaskView, Tests};

/// The version of the rows.
pub const VERSION: u64 = 1;

const TRAIN: &str = "train";
const EVAL: &str = "eval";

/// The name of the benchmark in recipes.
pub const NAME: &str = "repository";

pub(crate) const FORMAT: Format = Format {
    name: NAME,
    data: Data {
        file: "own.jsonl",
        publisher: OWN_REPOSITORY,
    },
    read: Reader::Part(|path, split| Ok((tasks_of(path, split)?, LeftOut::new()))),
};

/// Reads the tasks of the training split, in the order of the file. May be empty.
///
/// # Errors
/// The file is missing or cannot be parsed.
pub fn training_tasks(path: &Path) -> Result<Vec<Task>, BenchmarkError> {
    tasks_of(path, Split::Train)
}

fn tasks_of(path: &Path, split: Split) -> Result<Vec<Task>, BenchmarkError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let tasks = tasks_of_rows(path, |row| {
        let is_wanted = part_of(row)? == split;
        Ok(is_wanted.then_some(task(row, folder)?.in_split(split)))
    })?;
    Ok(tasks.into_iter().flatten().collect())
}

fn part_of(row: &Fields<'_>) -> Result<Split, BenchmarkError> {
    match row.optional_text("split")? {
        None | Some(EVAL) => Ok(Split::Test),
        Some(TRAIN) => Ok(Split::Train),
        Some(other) => {
            Err(row.malformed(format!("`split` is `{other}`, expected `train` or `eval`")))
        }
    }
}

fn task(row: &Fields<'_>, folder: &Path) -> Result<Task, BenchmarkError> {
    match row.need("version")? {
        Value::Number(number) if number.as_u64() == Some(VERSION) => {}
        other => {
            return Err(row.malformed(format!(
                "`version` is {other}, expected {VERSION}\nhint: write the tasks again with `evaluator tasks`"
            )));
        }
    }
    let (repo, target) = (Object::of(row, "repo")?, Object::of(row, "target")?);
    let file = target.text("file")?;
    // A program replaces this file in a copy of the repository: it must not lead out of the copy.
    let is_inside = |part: Component| matches!(part, Component::Normal(_));
    if !Path::new(file).components().all(is_inside) {
        return Err(row.malformed(format!(
            "`target.file` is `{file}`, expected a path inside the repository"
        )));
    }
    let repository = RepositoryTarget {
        root: folder.join(repo.text("root")?),
        sha256: repo.text("sha256")?.to_owned(),
        file: file.to_owned(),
        qualified_name: target.text("qualified_name")?.to_owned(),
        first_line: target.number("first_line")?,
    };
    let tests = tests(row)?;
    let tests = match row.text("kind")? {
        "tested" if tests.is_empty() => {
            return Err(row.malformed("`tests` is empty, but `kind` is `tested`"));
        }
        "tested" => Tests::Repository(RepositoryTests {
            tests,
            repository_sha256: repository.sha256.clone(),
        }),
        "measured" if tests.is_empty() => Tests::Measured,
        "measured" => return Err(row.malformed("`tests` is not empty, but `kind` is `measured`")),
        other => {
            return Err(row.malformed(format!(
                "`kind` is `{other}`, expected `tested` or `measured`"
            )));
        }
    };
    let method = repository.qualified_name.split_once('.');
    let view = TaskView {
        public_examples: row.texts("public_examples")?,
        method: method.map(|(_, name)| name.to_owned()),
        repository: Some(repository.clone()),
        ..TaskView::new(
            row.id("task_id")?,
            row.text("prompt")?.to_owned(),
            row.text("entry_point")?,
        )
    };
    let solution = row.text("canonical_solution")?.to_owned();
    Ok(Task::new(view, tests, solution))
}

fn tests(row: &Fields<'_>) -> Result<Vec<RepositoryTest>, BenchmarkError> {
    let Value::Array(items) = row.need("tests")? else {
        return Err(row.malformed("field `tests` is not a list"));
    };
    items
        .iter()
        .map(|item| {
            let Value::Object(fields) = item else {
                return Err(row.malformed("field `tests` is not a list of objects"));
            };
            let test = Object {
                row,
                name: "tests",
                fields,
            };
            let word = test.text("kind")?;
            let kind = RepositoryTestKind::of_word(word).ok_or_else(|| {
                row.malformed(format!(
                    "`tests.kind` is `{word}`, expected `unittest`, `plain`, `pytest` or `doctest`"
                ))
            })?;
            let text = match fields.get("text") {
                None => String::new(),
                Some(_) => test.text("text")?.to_owned(),
            };
            Ok(RepositoryTest {
                kind,
                id: test.text("id")?.to_owned(),
                text,
            })
        })
        .collect()
}

/// A field that is an object, with access to its own fields.
struct Object<'a> {
    row: &'a Fields<'a>,
    name: &'static str,
    fields: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    fn of(row: &'a Fields<'a>, name: &'static str) -> Result<Self, BenchmarkError> {
        match row.need(name)? {
            Value::Object(fields) => Ok(Self { row, name, fields }),
            _ => Err(row.malformed(format!("field `{name}` is not an object"))),
        }
    }

    fn text(&self, key: &str) -> Result<&'a str, BenchmarkError> {
        let value = self.fields.get(key).and_then(Value::as_str);
        value.ok_or_else(|| {
            self.row
                .malformed(format!("field `{}.{key}` is not a string", self.name))
        })
    }

    fn number(&self, key: &str) -> Result<usize, BenchmarkError> {
        let value = self.fields.get(key).and_then(Value::as_u64);
        value
            .and_then(|value| usize::try_from(value).ok())
            .ok_or_else(|| {
                self.row
                    .malformed(format!("field `{}.{key}` is not a number", self.name))
            })
    }
}

#[cfg(test)]
mod tests_of_rows {
    use serde_json::json;

    use super::*;

    fn row() -> Value {
        json!({
            "version": 1, "task_id": "a.py::C.f", "prompt": "class C:\n    def f(self):\n        \"\"\"F.\"\"\"\n",
            "entry_point": "C", "kind": "tested", "tests": [{"kind": "plain", "id": "test_a.py::test_f"}],
            "public_examples": [], "canonical_solution": "        return 1\n",
            "repo": {"root": "../r", "sha256": "ab", "files": 2},
            "target": {"file": "a.py", "qualified_name": "C.f", "first_line": 2, "body_first_line": 4, "last_line": 4},
        })
    }

    fn read(rows: &[Value]) -> Result<Vec<Task>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("own.jsonl");
        let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
        std::fs::write(&path, lines.join("\n")).expect("a file");
        let tasks = crate::open("repository", Some(&path))
            .and_then(|benchmark| benchmark.tasks())
            .map_err(|error| error.to_string());
        let shown = folder.path().join("../r");
        for task in tasks.iter().flatten() {
            let repository = task.view().repository.as_ref().expect("a repository");
            assert_eq!(repository.root, shown);
        }
        tasks
    }

    #[test]
    fn a_row_is_a_task_whose_tests_can_be_forged() {
        let tasks = read(&[row()]).expect("tasks");
        assert!(tasks[0].is_forgeable());
        let view = tasks[0].view();
        assert_eq!(
            (&*view.entry_point, view.method.as_deref()),
            ("C", Some("f"))
        );
        let mut measured = row();
        measured["kind"] = json!("measured");
        measured["tests"] = json!([]);
        let tasks = read(&[measured]).expect("tasks");
        assert!(!tasks[0].is_forgeable());
    }

    #[test]
    fn training_rows_are_not_part_of_the_benchmark() {
        let mut training = row();
        training["split"] = json!("train");
        training["task_id"] = json!("other");
        let mut eval = row();
        eval["split"] = json!("eval");
        assert_eq!(read(&[training, eval]).expect("tasks").len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (field, value, problem) in [
            ("version", json!(2), "`version` is 2, expected 1"),
            ("kind", json!("other"), "`kind` is `other`"),
            ("tests", json!([]), "`tests` is empty"),
            ("tests", json!({}), "field `tests` is not a list"),
            (
                "target",
                json!({"file": "../a.py", "qualified_name": "f", "first_line": 1}),
                "`target.file` is `../a.py`",
            ),
            (
                "target",
                json!({"file": "/a.py", "qualified_name": "f", "first_line": 1}),
                "`target.file` is `/a.py`",
            ),
            (
                "tests",
                json!([{"kind": "x", "id": "y"}]),
                "`tests.kind` is `x`",
            ),
            (
                "tests",
                json!([{"kind": "plain"}]),
                "field `tests.id` is not a string",
            ),
            (
                "repo",
                json!({"root": 1}),
                "field `repo.root` is not a string",
            ),
            ("target", json!("a"), "field `target` is not an object"),
            ("split", json!("dev"), "`split` is `dev`"),
        ] {
            let mut row = row();
            row[field] = value;
            let error = read(&[row]).expect_err("a problem");
            assert!(error.contains(problem), "{error}");
        }
    }
}
