//! The tables of docs/praxis.md are those of the published run, `reports/praxis-0.5b`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::endpoint::json_of;
use crate::support::documents::check_part;

const PAGE: &str = "docs/praxis.md";

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn published(file: &str) -> Value {
    json_of(&repository("reports/praxis-0.5b").join(file))
}

/// A number with its sign, in the page's typography; a dash if it is unknown.
fn signed(value: &Value, decimals: usize) -> String {
    let number = value.as_f64().map(|of| format!("{of:+.decimals$}"));
    number.map_or_else(|| "–".to_owned(), |text| text.replace('-', "−"))
}

/// The page's name of a metric, and its decimals.
fn metric(key: &str) -> (&'static str, usize) {
    match key {
        "maintainability_index" => ("MI", 1),
        "mi_code" => ("`mi_code`", 1),
        "cognitive_complexity" => ("cognitive complexity", 2),
        "cyclomatic_complexity_of_solved" => ("complexity of solved programs", 2),
        "pass_rate" => ("pass rate, points", 1),
        other => panic!("a name for {other}"),
    }
}

fn contrasts(summary: &Value) -> String {
    let mut table = "| | contrast | metric | required | estimate | 95 % interval | tasks, of which differ | verdict |\n\
                     |---|---|---|---:|---:|---|---:|---|\n"
        .to_owned();
    for claim in summary["claims"].as_array().expect("claims") {
        let (name, decimals) = metric(claim["metric"].as_str().expect("a metric"));
        let _ = writeln!(
            table,
            "| {} | {} | {name} | {} | {} |",
            claim["hypothesis"].as_str().expect("a name").to_uppercase(),
            claim["contrast"].as_str().expect("a text"),
            signed(&claim["effect"], 1),
            found(claim, decimals),
        );
    }
    let h1 = &summary["findings"]["h1"];
    let adapter = &h1["adapters"][0];
    let elsewhere = h1["elsewhere"].as_array().expect("a list");
    for part in [adapter].into_iter().chain(elsewhere) {
        let gate = &part["gate"];
        let workflow = part["workflow"].as_str();
        let _ = writeln!(
            table,
            "| H1 | maintainable less base{} | pass rate, points: gate | above −{:.1} | {} |",
            workflow.map_or_else(String::new, |name| format!(", {name}")),
            gate["margin"].as_f64().expect("a margin"),
            found(gate, 1),
        );
    }
    table
}

/// The cells of a row with the estimate of a contrast.
fn found(of: &Value, decimals: usize) -> String {
    let interval = &of["interval"];
    let interval = if interval.is_null() {
        "none".to_owned()
    } else {
        let ends = ["low", "high"].map(|end| signed(&interval[end], decimals));
        ends.join(" to ")
    };
    let outcome = of["outcome"].as_str().expect("an outcome");
    format!(
        "{} | {interval} | {}, {} | {}",
        signed(&of["estimate"], decimals),
        of["n"],
        of["differing"],
        outcome.replace('_', " "),
    )
}

fn cells(summary: &Value) -> String {
    let mut table = "| arm | workflow | solved | calls | prompt tokens a task | completion tokens a task | the same a solved task |\n\
                     |---|---|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for cell in summary["cells"].as_array().expect("cells") {
        let text = |key: &str| cell[key].as_str().expect("a text");
        let number = |key: &str| cell[key].as_f64();
        let (temperature, top_p) = (
            cell["decoding"]["temperature"].as_f64().expect("a number"),
            cell["decoding"]["top_p"].as_f64().expect("a number"),
        );
        let mut workflow = text("workflow").to_owned();
        if temperature > 0.0 {
            let _ = write!(workflow, ", temperature {temperature}, top-p {top_p}");
        }
        let per_solved = number("completion_tokens_per_passed");
        let _ = writeln!(
            table,
            "| {} | {workflow} | {} of {} | {:.1} | {:.0} | {:.0} | {} |",
            text("arm"),
            cell["passed"],
            cell["tested"],
            number("calls").expect("a number"),
            number("prompt_tokens").expect("a number"),
            number("completion_tokens").expect("a number"),
            per_solved.map_or_else(|| "–".to_owned(), |of| format!("{of:.0}")),
        );
    }
    table
}

fn state(run: &Value) -> String {
    let all: u64 = run["benchmarks"]
        .as_array()
        .expect("benchmarks")
        .iter()
        .map(|of| of["tasks"].as_u64().expect("a number"))
        .sum();
    let interim = &run["interim"];
    if interim.is_null() {
        return format!("All {all} tasks are answered.");
    }
    format!(
        "**State: interim.** {} of {} shards are answered, {} of {all} tasks. No hypothesis has a verdict before all shards are \
         there, and the numbers below only show what the method measures. Do not act on them.",
        interim["shards"].as_array().expect("shards").len(),
        interim["of"],
        interim["tasks"],
    )
}

#[test]
fn the_page_of_the_experiment_has_the_numbers_of_its_report() {
    let (run, summary) = (published("run.json"), published("summary.json"));
    check_part(PAGE, "state", &state(&run));
    check_part(PAGE, "contrasts", &contrasts(&summary));
    check_part(PAGE, "cells", &cells(&summary));
}

#[test]
fn the_readme_has_the_number_of_answered_tasks() {
    let run = published("run.json");
    let readme = fs::read_to_string(repository("README.md")).expect("the file");
    let tasks = &run["interim"]["tasks"];
    if tasks.is_null() {
        assert!(!readme.contains("so no verdict is given"));
    } else {
        assert!(readme.contains(&format!("{tasks} of 434 tasks")), "{tasks}");
    }
}
