//! Snippets that are tried after a program.

use slm_artifacts::StopReason;
use slm_config::{Strategy, Workflow};

use super::{acts, asked_for_actions, kinds, react, runs, whole, world};
use crate::backend::scripted::Scripted;
use crate::workflow::event::ExecutionResult;
use crate::workflow::tests::{RIGHT, SQUARE};

#[test]
fn a_snippet_runs_after_the_last_program_and_leaves_its_result_as_it_is() {
    let program = whole(SQUARE);
    let snippet = "Action: try\n```python\nprint(double(3))\n```";
    let (finished, events, observed) = react(&[
        snippet,
        &program,
        snippet,
        "Action: run",
        snippet,
        "Action: check",
    ]);
    let runs = runs(&events);
    let tried: Vec<&ExecutionResult> = runs
        .iter()
        .copied()
        .filter(|run| run.tried.is_some())
        .collect();
    assert_eq!(tried.len(), 3);
    assert_eq!(finished.spent.executions, runs.len());
    assert_eq!(observed[0], "the output of print(double(3)) after \"\"");
    assert!(
        observed[2].contains("after \"def double(x):"),
        "{}",
        observed[2]
    );
    assert!(
        observed[3].starts_with("0 of 1 tests passed."),
        "{}",
        observed[3]
    );
    assert_eq!(tried[1].code_sha256, runs[1].code_sha256);
    assert_eq!(kinds(&events).1, 0, "the program is not drafted again");
}

#[test]
fn a_snippet_without_an_execution_left_ends_nothing() {
    let world = world(Strategy::React).with(|evaluate| evaluate.budget.executions = 0);
    let actions = ["Action: try print(1)", "Action: docs pilots", "Action: run"];
    let (finished, events) = world.run(Workflow::Tools, acts(&actions));
    let asked = asked_for_actions(&events);
    assert!(
        asked[1].contains("Observation: no executions left"),
        "{}",
        asked[1]
    );
    assert_eq!((runs(&events).len(), finished.spent.executions), (0, 0));
    assert!(
        finished.chosen.is_some(),
        "a program is drafted all the same"
    );
    assert_eq!(finished.stop, StopReason::ExecutionsSpent);
}

#[test]
fn snippets_of_functions_of_a_repository_are_refused_and_cost_nothing() {
    let mut world = world(Strategy::React);
    world.tasks[0].repository = Some(
        serde_json::from_value(serde_json::json!({
            "root": "/nowhere", "sha256": "", "file": "a.py", "qualified_name": "double", "first_line": 1,
        }))
        .expect("a function of a repository"),
    );
    let program = whole(RIGHT);
    let actions = ["Action: try print(1)", &program];
    let (finished, events) = world.run(Workflow::Tools, acts(&actions));
    let asked = asked_for_actions(&events);
    assert!(
        asked[1].contains("Observation: try is not available for functions of a repository"),
        "{}",
        asked[1]
    );
    assert_eq!(finished.spent.executions, 1);
}

#[test]
fn a_log_with_another_snippet_is_refused() {
    let world = world(Strategy::React);
    let actions = ["Action: try print(1)", "Action: run"];
    let run = || world.try_run(Workflow::Tools, &Scripted::new(acts(&actions)));
    run().expect("an end");
    let log = std::fs::read_to_string(world.log()).expect("a log");
    let changed = log.replace("\"snippet\":\"print(1)\"", "\"snippet\":\"print(2)\"");
    assert_ne!(changed, log);
    std::fs::write(world.log(), changed).expect("a log");
    let error = run().expect_err("must be refused").to_string();
    assert!(error.contains("does not fit: step 1"), "{error}");
}
