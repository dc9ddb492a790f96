//! `evaluator metrics` from the outside: radon's numbers as JSON, the table, and files that cannot be counted.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Finished, Project, finish, says};

/// Relative error allowed to floats; the goldens come from another C library's `log` and `sin`.
const TOLERANCE: f64 = 1e-9;

const PLAIN: &str = "x = 1\n";
const BROKEN: &str = "x = 1\ny = )\n";

/// A project with these files under `code/`.
fn project(files: &[(&str, &str)]) -> Project {
    let project = Project::new();
    for (path, text) in files {
        project.write(&format!("code/{path}"), text);
    }
    project
}

fn run(project: &Project, words: &[&str]) -> Finished {
    let words = [&["metrics"], words].concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
}

fn document(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).expect("one JSON document")
}

/// The files of a table, without its first and last line.
fn files(table: &str) -> Vec<&str> {
    let lines: Vec<&str> = table.lines().collect();
    let rows = &lines[1..lines.len() - 1];
    rows.iter()
        .map(|row| row.split_whitespace().last().expect("a path"))
        .collect()
}

#[test]
fn the_document_holds_the_numbers_that_radon_gives() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/slm-metrics/tests/it/golden/radon/pep701.jsonl");
    let golden = fs::read_to_string(golden).expect("the metrics crate's golden");
    let cases: Vec<Value> = golden
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .filter(|case: &Value| case["metrics"].get("error").is_none())
        .collect();
    assert!(cases.len() > 200, "only {} programs", cases.len());
    let project = Project::new();
    for (at, case) in cases.iter().enumerate() {
        let source = case["source"].as_str().expect("a source");
        project.write(&format!("code/{at:03}.py"), source);
    }
    let mut found: Value =
        serde_json::from_str(&run(&project, &["--json", "code"]).result()).expect("one document");
    let found = found.as_object_mut().expect("an object");
    assert_eq!(found.len(), cases.len());
    for (at, case) in cases.iter().enumerate() {
        let name = format!("code/{at:03}.py");
        // radon has no cognitive complexity; the metrics crate compares it with other tools.
        let cognitive = found[&name]
            .as_object_mut()
            .and_then(|metrics| metrics.remove("cognitive"));
        assert!(cognitive.is_some_and(|number| number.is_u64()), "{name}");
        assert!(
            is_close(&case["metrics"], &found[&name]),
            "{}: expected {}, found {}",
            case["name"],
            case["metrics"],
            found[&name]
        );
    }
}

fn is_close(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .all(|(key, value)| found.get(key).is_some_and(|it| is_close(value, it)))
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len() && expected.iter().zip(found).all(|(a, b)| is_close(a, b))
        }
        (Value::Number(a), Value::Number(b)) => {
            let [a, b] = [a, b].map(|number| number.as_f64().expect("a number"));
            (a - b).abs() <= TOLERANCE * a.abs().max(1.0)
        }
        _ => expected == found,
    }
}

#[test]
fn what_cannot_be_counted_is_told_and_the_rest_is_counted() {
    let project = project(&[("a.py", PLAIN), ("broken.py", BROKEN), ("c.py", PLAIN)]);
    project.write("code/koi8.py", b"x = 1\n'\xc1'\n");
    let finished = run(&project, &["code"]);
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    assert_eq!(files(&finished.stdout), ["code/a.py", "code/c.py"]);
    let errors: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(errors.len(), 3, "{}", finished.stderr);
    assert!(
        errors[0].starts_with("error: code/broken.py:2:5: "),
        "{}",
        errors[0]
    );
    assert!(
        errors[1].starts_with("error: code/koi8.py:2:2: byte 0xc1"),
        "{}",
        errors[1]
    );
    assert_eq!(errors[2], "error: 2 of 4 files could not be counted");

    let finished = run(&project, &["--json", "code"]);
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    let document = document(&finished);
    assert_eq!(document["code/c.py"]["raw"]["loc"], 1);
    let error = document["code/broken.py"]["error"]
        .as_str()
        .expect("an error");
    assert!(error.contains("line 2, column 5"), "{error}");
}

#[test]
fn files_are_sorted_and_chosen_as_asked() {
    let branchy = "if a and b:\n    c = a + b * 2\n";
    let lines: Vec<String> = (0..400)
        .map(|n| format!("x{n} = x{n} + y * {n}\n"))
        .collect();
    let project = project(&[
        ("branchy.py", &branchy.repeat(20)),
        ("long.py", &lines.concat()),
        ("plain.py", PLAIN),
    ]);
    let shown = |words: &[&str]| {
        let table = run(&project, &[words, &["code"]].concat()).result();
        let files = files(&table).join(" ");
        files.replace("code/", "")
    };
    assert_eq!(shown(&[]), "branchy.py long.py plain.py");
    assert_eq!(shown(&["--sort", "mi"]), "long.py branchy.py plain.py");
    assert_eq!(shown(&["--sort", "cc"]), "branchy.py long.py plain.py");
    assert_eq!(shown(&["--min", "A"]), "branchy.py long.py plain.py");
    assert_eq!(shown(&["--min", "b"]), "long.py");
    let none = run(&project, &["--min", "C", "code/plain.py"]).result();
    assert!(none.contains("0 of 1 file"), "{none}");
    let document = document(&run(
        &project,
        &["--json", "--sort", "mi", "--min", "B", "code"],
    ));
    let keys: Vec<&String> = document.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["code/long.py"]);
}

#[test]
fn fstrings_count_as_the_chosen_python_reads_them() {
    let project = project(&[("a.py", "print(f'{x:.2f}')\n")]);
    for (words, lloc) in [(&["--json"][..], 2), (&["--json", "--legacy-fstrings"], 1)] {
        let finished = run(&project, &[words, &["code"]].concat());
        assert_eq!(document(&finished)["code/a.py"]["raw"]["lloc"], lloc);
    }
}

#[test]
fn a_named_file_is_counted_whatever_it_is_called_and_a_byte_order_mark_is_no_mistake() {
    let project = project(&[("tool", PLAIN), ("mark.py", "\u{feff}x = 1\n")]);
    let table = run(&project, &["code/tool", "code"]).result();
    assert_eq!(files(&table), ["code/mark.py", "code/tool"]);
}

#[test]
fn a_path_that_leads_to_no_python_file_is_a_mistake() {
    let project = project(&[("notes.md", "")]);
    let check = |words: &[&str], parts: &[&str]| {
        says(&run(&project, words).error(2), parts);
    };
    check(
        &["code", "nowhere"],
        &["nowhere: no such file or folder", "hint: "],
    );
    check(&["src/stock"], &["hint: did you mean src/stock.py?"]);
    check(&["code"], &["no Python file in code", "hint: "]);
    check(&["--min", "D", "src"], &["'D'", "ranks A, B and C"]);
}

#[test]
fn a_declared_encoding_of_python_is_read() {
    let project = project(&[]);
    project.write("code/euro.py", b"# coding: cp1252\nx = '\x80'\n");
    let found = document(&run(&project, &["--json", "code"]));
    assert_eq!(found["code/euro.py"]["raw"]["loc"], 2, "{found}");
}

#[test]
fn a_hostile_tree_costs_its_own_files_alone() {
    let project = project(&[("a.py", PLAIN)]);
    // A sparse file of 4 GiB, a null byte, brackets without end, and a deep folder.
    let huge = fs::File::create(project.path("code/huge.py")).expect("a file");
    huge.set_len(4 << 30).expect("a sparse file");
    project.write("code/null.py", b"x = 1\0\n");
    project.write("code/deep.py", "(".repeat(100_000));
    let deep = "d/".repeat(500);
    project.write(&format!("code/{deep}b.py"), PLAIN);
    let finished = run(&project, &["--json", "code"]);
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    let found = document(&finished);
    let error = |name: &str| found[name]["error"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        error("code/huge.py"),
        "cannot read: larger than the limit of 32 MiB"
    );
    assert!(error("code/null.py").contains("null byte"), "{found}");
    assert!(
        error("code/deep.py").contains("too many nested parentheses"),
        "{found}"
    );
    for counted in ["code/a.py".to_owned(), format!("code/{deep}b.py")] {
        assert_eq!(found[&counted]["raw"]["loc"], 1, "{counted}");
    }
}
