//! `evaluator dataset --to decompositions` from the outside: from the calls of a run to rows with labels.

use serde_json::{Value, json};

use crate::dataset::{dataset, write_lines};
use crate::endpoint::{ask, json_of, lines, server};
use crate::fake_server::{Asked, FakeServer, Say, completion, text_only};
use crate::support::{Project, says};
use crate::trained_project;

/// Tasks 1 to 4, add 1 to 4, each with an example that the first program fails.
fn project() -> Project {
    let project = trained_project();
    let tasks = (1..=4).map(|n| {
        json!({
            "task_id": format!("own/{n}"),
            "prompt": format!("def add_{n}(x):\n    \"\"\"Add {n} to x.\"\"\"\n"),
            "entry_point": format!("add_{n}"),
            "tests": [format!("assert add_{n}(1) == {}", 1 + n), format!("assert add_{n}(5) == {}", 5 + n)],
            "public_examples": [format!("assert add_{n}(1) == {}", 1 + n)],
            "canonical_solution": format!("    return x + {n}\n"),
        })
    });
    write_lines(&project, "tasks.jsonl", tasks);
    project
}

/// Splits each task into `one` and `more`. The program over them is right for task 1, passes the example alone for task 2,
/// is wrong for task 3; for task 4 no function is written, and the draft is repaired as in `reflection`.
fn decomposing() -> FakeServer {
    server(|asked: &Asked| {
        text_only(asked).unwrap_or_else(|| {
            let (n, prompt) = (asked.task(), &asked.prompt);
            let text = if prompt.contains("Reply with one line for each") {
                "one(x): x itself\nmore(x): x and some".to_owned()
            } else if prompt.contains("Complete the function `one`") && n != 4 {
                "    return x".to_owned()
            } else if prompt.contains("Complete the function `") {
                match n {
                    4 => "    # later".to_owned(),
                    _ => format!("    return x + {n}"),
                }
            } else if prompt.contains("by calling these functions") {
                match n {
                    1 => "    return more(one(x))".to_owned(),
                    2 => "    return more(x) if one(x) == 1 else 0".to_owned(),
                    _ => "    return one(x) * 0".to_owned(),
                }
            } else if prompt.contains("Write the function again") {
                if n == 4 {
                    format!("    return x + {n}")
                } else {
                    "    return None".to_owned()
                }
            } else if prompt.contains("APPROVED") {
                "Add the number.".to_owned()
            } else {
                "    return x".to_owned()
            };
            Say::Json(200, completion(asked, &text, "stop"))
        })
    })
}

#[test]
fn splits_are_wanted_if_the_program_over_their_functions_passes_the_hidden_tests() {
    let project = project();
    let words = ["--set", "evaluate.workflows=[decompose_self]"];
    ask(&project, &decomposing(), &words).result();
    let words = ["latest", "--to", "decompositions", "-o", "splits"];
    let page = dataset(&project, &words).result();
    says(&page, &["4 rows of 4 tasks"]);
    let rows = lines(&project.path("splits/rows.jsonl"));
    let mut found: Vec<(String, Value)> = rows
        .iter()
        .map(|row| {
            let text = row["completion"][0]["content"].as_str().expect("a text");
            // What was asked for as functions, as the lines that propose them.
            assert_eq!(text.lines().count(), 2, "{row}");
            assert!(text.starts_with("one(x): x itself"), "{row}");
            let question = row["prompt"].to_string();
            assert!(
                question.contains("return x") && question.contains("Test report"),
                "{row}"
            );
            (
                row["task_id"].as_str().expect("a name").to_owned(),
                row["label"].clone(),
            )
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("own/1", true),
        ("own/2", false),
        ("own/3", false),
        ("own/4", false),
    ];
    let expected = expected.map(|(task, label)| (task.to_owned(), json!(label)));
    assert_eq!(found, expected);
    let info = json_of(&project.path("splits/dataset.json"));
    assert_eq!(info["kind"], "decompositions");
}
