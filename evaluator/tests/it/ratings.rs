//! `evaluator ratings` from the outside: what raters see of a run, and whose ratings are whose.

use std::fs;

use serde_json::{Value, json};

use crate::answer_tasks;
use crate::dataset::project;
use crate::endpoint::{json_of, lines, run_of};
use crate::support::{Finished, Project, finish, says};

fn ratings(project: &Project, words: &[&str]) -> Finished {
    let words = [&["ratings"], words].concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
}

/// A run of two workflows with different programs: `double` in `single`, `twice` in `reflection`; the last task has the same
/// program in both.
fn rated() -> Project {
    let project = project();
    let settings = [
        "evaluate.workflows=[single, reflection]",
        "evaluate.rounds=1",
    ];
    let run = run_of(&project, &answer_tasks(&project, &settings).result());
    let mut records = lines(&run.join("records.jsonl"));
    for record in &mut records {
        let is_last = record["task_id"] == "own/3";
        let name = if is_last || record["workflow"] == "single" {
            "double"
        } else {
            "twice"
        };
        record["program"] = format!("def {name}(x):\n    return x\n").into();
        record["completion"] = format!("    return {name}").into();
    }
    let text: Vec<String> = records.iter().map(Value::to_string).collect();
    fs::write(run.join("records.jsonl"), text.join("\n") + "\n").expect("records");
    project
}

#[test]
fn raters_see_programs_alone_and_their_ratings_return_to_arm_and_workflow() {
    let project = rated();
    let printed = ratings(&project, &["export", "latest", "-o", "out", "--json"]).result();
    assert!(serde_json::from_str::<Value>(&printed).is_ok(), "{printed}");
    let table = project.read("out/ratings.csv");
    let key = json_of(&project.path("out/key.json"));
    for hidden in ["single", "reflection", "own/", "\"base\"", "tiny-"] {
        assert!(!table.contains(hidden), "{hidden} in {table}");
    }
    assert_eq!(
        key["items"].as_array().map(Vec::len),
        Some(5),
        "equal programs are one row"
    );

    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let head = reader.headers().expect("a head").clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 5);
    // Ada likes what `double` does, Grace a little less.
    for (rater, liked) in [("ada", 5), ("grace", 4)] {
        let mut filled = csv::Writer::from_writer(Vec::new());
        filled.write_record(&head).expect("a row");
        for row in &rows {
            let is_double = row.iter().any(|cell| cell.contains("def double"));
            let rating = if is_double { liked } else { liked - 3 }.to_string();
            let cells = head.iter().zip(row).map(|(name, cell)| {
                let is_rating = key["columns"]
                    .as_array()
                    .expect("columns")
                    .contains(&json!(name));
                if is_rating { rating.as_str() } else { cell }
            });
            filled.write_record(cells).expect("a row");
        }
        project.write(&format!("{rater}.csv"), filled.into_inner().expect("text"));
    }
    let words = ["import", "out", "ada.csv", "grace.csv", "--json"];
    let found: Value = serde_json::from_str(&ratings(&project, &words).result()).expect("JSON");
    let text = found.to_string();
    says(&text, &["single", "reflection"]);
    let means = means(&found, "overall_quality");
    // Two tasks of three have another program in `reflection`: (1.5 + 1.5 + 4.5) / 3.
    assert_eq!(
        means,
        [("single".to_owned(), 4.5), ("reflection".to_owned(), 2.5)],
        "{found:#}"
    );

    let again = ratings(&project, &["export", "latest", "-o", "out"]);
    says(&again.error(2), &["already holds an export", "hint: "]);
}

/// The means of a column by workflow, in the order of the sides.
fn means(found: &Value, column: &str) -> Vec<(String, f64)> {
    let columns = found["columns"].as_array().expect("columns");
    let of = columns.iter().find(|of| of["column"] == column);
    let sides = of.expect("the column")["sides"].as_array().expect("sides");
    sides
        .iter()
        .map(|side| {
            let workflow = side["workflow"].as_str().expect("a name").to_owned();
            (workflow, side["mean"].as_f64().expect("a mean"))
        })
        .collect()
}
