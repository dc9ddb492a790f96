//! `evaluator quality` from the outside: files, SARIF, runs and mistakes.

use std::fs;

use serde_json::Value;

use crate::support::{Finished, Project, finish, says};
use crate::{compare, trained_project};

fn run(project: &Project, words: &[&str]) -> Finished {
    let words = [&["quality"], words].concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON document")
}

const WEAK: &str =
    "import os\n\n\ndef run(command, seen=[]):\n    seen.append(command)\n    os.system(command)\n";

#[test]
fn findings_of_files_are_lines_that_editors_understand_and_a_table() {
    let project = Project::new();
    project.write("code/weak.py", WEAK);
    project.write("code/plain.py", "x = 1\n");
    let page = run(&project, &["code"]).result();
    says(
        &page,
        &[
            "code/weak.py:4:",
            "medium mutable-default",
            "code/weak.py:6:5: high ",
            "2 files: sums, means of MI and mi_code",
        ],
    );
    let json = document(&run(&project, &["code", "--json"]).result());
    let files = json["files"].as_array().expect("files");
    assert_eq!(files.len(), 2);
    let weak = files.iter().find(|file| file["path"] == "code/weak.py");
    let weak = weak.expect("the file");
    let found = weak["findings"].as_array().expect("findings");
    assert!(
        found
            .iter()
            .any(|finding| finding["category"] == "security"),
        "{weak}"
    );
    let minutes: f64 = found
        .iter()
        .filter_map(|finding| finding["minutes"].as_f64())
        .sum();
    assert_eq!(weak["debt_minutes"].as_f64(), Some(minutes));
    assert_eq!(weak["cognitive_complexity"], 0);
}

#[test]
fn a_pipe_is_named_and_never_waited_for() {
    let project = Project::new();
    project.write("plain.py", "x = 1\n");
    let made = std::process::Command::new("mkfifo")
        .arg(project.path("pipe.py"))
        .status();
    assert!(made.expect("mkfifo runs").success());
    let words = ["pipe.py", "plain.py"];
    let named = "pipe.py: cannot read: a pipe, a socket or a device, expected a regular file";
    let finished = run(&project, &words);
    says(&finished.stderr, &[named, "1 of 2 files could not be"]);
    let review = [&["review"], &words[..]].concat();
    let review = finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &review));
    says(&review.stderr, &[named, "1 of 2 files could not be"]);
}

#[test]
fn sarif_names_rules_places_and_files_that_cannot_be_measured() {
    let project = Project::new();
    project.write("a b.py", WEAK);
    project.write("broken.py", "def f(:\n");
    let finished = run(&project, &["a b.py", "broken.py", "--sarif"]);
    assert_eq!(finished.code, Some(3));
    let sarif = document(&finished.stdout);
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().expect("results");
    assert!(results.len() >= 2, "{results:?}");
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    for result in results {
        let id = &result["ruleId"];
        assert!(rules.iter().any(|rule| &rule["id"] == id), "{id}");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b.py");
        assert!(place["region"]["startLine"].as_u64() >= Some(1));
    }
    let note = &run["invocations"][0]["toolExecutionNotifications"][0];
    assert!(
        note["message"]["text"]
            .as_str()
            .is_some_and(|text| text.contains("invalid syntax"))
    );
}

#[test]
fn the_rules_are_printed_with_their_minutes() {
    let project = Project::new();
    let page = run(&project, &["--rules"]).result();
    says(
        &page,
        &[
            "mutable-default",
            "reliability",
            "bandit B307",
            "per unit above 15",
        ],
    );
    let rules = document(&run(&project, &["--rules", "--json"]).result());
    assert!(rules.as_array().is_some_and(|rules| rules.len() > 60));
}

#[test]
fn the_cells_of_a_run_are_compared_with_intervals() {
    let project = trained_project();
    let _ = compare(&project, &["--set", "evaluate.max_tasks=8"]).result();
    let page = run(&project, &["latest"]).result();
    says(
        &page,
        &[
            "base single greedy",
            "tiny single greedy less base",
            "PassRatio %",
            "debt min",
        ],
    );
    let cells = document(&run(&project, &["latest", "--json"]).result());
    let cells = cells.as_array().expect("cells");
    assert_eq!(cells.len(), 2);
    assert_eq!(cells[0]["tasks"], 8);
    assert_eq!(cells[1]["less_base"]["valid"]["n"], 8);
    // Recomputed from the records.
    let run = fs::read_dir(project.path("reports")).expect("runs").next();
    let records = run
        .expect("a run")
        .expect("a run")
        .path()
        .join("records.jsonl");
    let text = fs::read_to_string(records).expect("records");
    let valid: Vec<f64> = text
        .lines()
        .map(document)
        .filter(|record| record["arm"] == "base")
        .map(|record| f64::from(u8::from(record["parsable"] == true)))
        .collect();
    let mean = 100.0 * valid.iter().sum::<f64>() / valid.len() as f64;
    let found = cells[0]["means"]["valid"].as_f64().expect("a number");
    assert!((found - mean).abs() < 1e-9, "{found} {mean}");
}

#[test]
fn runs_and_files_are_not_mixed_and_mistakes_are_named() {
    let project = trained_project();
    project.write("a.py", "x = 1\n");
    says(
        &run(&project, &["nowhere.py"]).error(2),
        &["nowhere.py: no such file, folder or run"],
    );

    let mixed = run(&project, &["a.py", "latest"]).error(2);
    says(&mixed, &["cannot be measured together"]);
    says(&run(&project, &[]).error(2), &["RUN|PATH"]);
}
