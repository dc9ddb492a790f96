//! `adaptive` and `evaluator dataset --to routes` from the outside: routes of a run choose for other tasks.

use serde_json::{Value, json};

use crate::dataset::{dataset, write_lines};
use crate::endpoint::{ask, json_of, lines, run_of, server};
use crate::fake_server::{FakeServer, right, text_only};
use crate::support::{Project, finish, says};
use crate::trained_project;

fn task(id: &str, n: usize) -> Value {
    json!({
        "task_id": format!("{id}/{n}"),
        "prompt": format!("def add_{n}(x):\n    \"\"\"Add {n} to x.\"\"\"\n"),
        "entry_point": format!("add_{n}"),
        "tests": [format!("assert add_{n}(1) == {}", 1 + n)],
        "canonical_solution": format!("    return x + {n}\n"),
    })
}

fn right_server() -> FakeServer {
    server(|asked| text_only(asked).unwrap_or_else(|| right(asked)))
}

/// A project whose run `latest` solved two tasks in two workflows.
fn project() -> Project {
    let project = trained_project();
    write_lines(&project, "tasks.jsonl", [task("own", 1), task("own", 2)]);
    let words = ["--set", "evaluate.workflows=[single, reflection]"];
    ask(&project, &right_server(), &words).result();
    project
}

const ROUTED: [&str; 4] = [
    "--set",
    "evaluate.workflows=[adaptive]",
    "--set",
    "evaluate.adaptive={choices: [single, reflection], routes: data/routes}",
];

#[test]
fn routes_of_a_run_choose_for_other_tasks_and_never_for_their_own() {
    let project = project();
    let words = ["latest", "--to", "routes", "-o", "data/routes", "--json"];
    let printed = dataset(&project, &words).result();
    let printed: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(
        (&printed["kind"], &printed["rows"]),
        (&json!("routes"), &json!(4))
    );
    assert_eq!(printed["rules"]["choices"], json!(["single", "reflection"]));
    let again = ["latest", "--to", "routes", "-o", "data/again"];
    let page = dataset(&project, &again).result();
    says(&page, &["4 rows of 2 tasks", "mean characters"]);
    assert!(!page.contains("LLOC"), "{page}");
    let folder = project.path("data/routes");
    let rows: Vec<Value> = lines(&folder.join("rows.jsonl"))
        .iter()
        .map(|row| {
            json!([
                row["task_id"],
                row["completion"][0]["content"],
                row["label"]
            ])
        })
        .collect();
    let expected = json!([
        ["own/1", "reflection", false],
        ["own/1", "single", true],
        ["own/2", "reflection", false],
        ["own/2", "single", true],
    ]);
    assert_eq!(json!(rows), expected);
    let routes = lines(&folder.join("routes.jsonl"));
    assert_eq!(
        (&routes[0]["kind"], &routes[0]["tasks_counted"]),
        (&json!("routes"), &json!(2))
    );
    assert_eq!(routes[1]["label"], "single");
    // The same run gives the same bytes, and replaces them.
    let first = project.bytes("data/routes/routes.jsonl");
    dataset(&project, &words).result();
    assert_eq!(project.bytes("data/routes/routes.jsonl"), first);

    let refused = ask(&project, &right_server(), &ROUTED).error(2);
    says(
        &refused,
        &[
            "2 of the tasks of the routes are to be evaluated",
            "own/1",
            "hint:",
        ],
    );
    write_lines(&project, "tasks.jsonl", [task("new", 7)]);
    let run = run_of(&project, &ask(&project, &right_server(), &ROUTED).result());
    let records = lines(&run.join("records.jsonl"));
    assert_eq!(
        (&records[0]["routed_to"], &records[0]["calls"]),
        (&json!("single"), &json!(1))
    );
    let info = json_of(&run.join("run.json"));
    assert_eq!(info["routes"]["tasks"], 2);
    assert_eq!(info["offline"][0]["what"], "routes");
    assert_eq!(info["offline"][0]["calls"], routes[0]["offline"]["calls"]);
    let words = ["show", &run.to_string_lossy(), "7"];
    let shown = finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words)).result();
    says(&shown, &["routed to: single"]);
}

#[test]
fn what_cannot_route_is_refused_with_its_file() {
    let project = project();
    let key = "`evaluate.adaptive.routes` names ";
    let hint = "--to routes -o FOLDER";
    let error = ask(&project, &right_server(), &ROUTED).error(2);
    says(&error, &[key, "data/routes: no such file or folder", hint]);
    std::fs::create_dir_all(project.path("data/routes")).expect("a folder");
    let error = ask(&project, &right_server(), &ROUTED).error(2);
    says(
        &error,
        &[key, "data/routes: a folder without routes.jsonl", hint],
    );
    std::fs::remove_dir(project.path("data/routes")).expect("removed");
    project.write("data/routes", "");
    let error = ask(&project, &right_server(), &ROUTED).error(2);
    says(
        &error,
        &[
            "data/routes: an empty file, expected routes",
            "hint: make the routes again",
        ],
    );
    let unknown = [
        "--set",
        "evaluate.workflows=[adaptive]",
        "--set",
        "evaluate.adaptive={choices: [singel]}",
    ];
    says(
        &ask(&project, &right_server(), &unknown).error(2),
        &["did you mean `single`"],
    );
    let words = [
        "latest",
        "--to",
        "routes",
        "-o",
        "data/other",
        "--per-task",
        "1",
    ];
    says(
        &dataset(&project, &words).error(2),
        &["--per-task and --max-rows limit answers"],
    );
}
