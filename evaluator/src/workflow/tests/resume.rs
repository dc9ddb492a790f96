//! A run that is interrupted at any point reaches the same end, and no logged step is repeated.

use std::fs;

use serde_json::Value;
use slm_config::Workflow;

use super::{Question, TESTS, World, ZERO, calls, question, sorted};
use crate::backend::Query;
use crate::backend::scripted::{Line, Scripted};
use crate::workflow::event::{LOG_VERSION, OLDEST_LOG};

/// Returns an answer that depends on every part of the query.
fn script(query: &Query) -> Line {
    match question(query) {
        Question::Review | Question::Plan => Line::from(format!("Think of {}.", query.seed)),
        Question::Revision => Line::from(format!("    return -{}\n", query.seed % 1000)),
        Question::Tests => Line::from(TESTS),
        Question::Draft | Question::Code => Line::from(ZERO),
        Question::Split => Line::from("once(x): x itself\nagain(x): the same"),
        Question::Function => Line::from(format!("    return x + {}\n", query.seed % 1000)),
        Question::Assemble => Line::from(format!("    return once(x) - {}\n", query.seed % 1000)),
    }
}

fn world() -> World {
    World::new().with_tasks(2).with(|evaluate| {
        evaluate.rounds = 2;
        evaluate.samples = 3;
    })
}

#[test]
fn a_log_that_ends_anywhere_is_completed_without_a_step_made_twice() {
    for &workflow in Workflow::ALL {
        let whole = world();
        let finished = whole
            .try_run(workflow, &Scripted::new(script).with_batch_size(3))
            .expect("an end");
        let text = fs::read_to_string(whole.log()).expect("a log");
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for kept in 0..=lines.len() {
            // The next line is cut in the middle, as by a power failure.
            let cut = lines.get(kept).map_or("", |line| &line[..line.len() / 2]);
            let resumed = world();
            fs::write(resumed.log(), format!("{}{cut}", lines[..kept].concat())).expect("a log");
            let logged = calls(&resumed.events()).len();
            let model = Scripted::new(script).with_batch_size(2);
            let again = resumed.try_run(workflow, &model).expect("an end");
            assert_eq!(again, finished, "{workflow}, {kept} lines");
            assert_eq!(
                sorted(resumed.events()),
                sorted(whole.events()),
                "{workflow}, {kept} lines"
            );
            let all = calls(&whole.events()).len();
            assert_eq!(
                model.asked().len(),
                all - logged,
                "{workflow}, {kept} lines"
            );
        }
    }
}

#[test]
fn a_model_that_dies_again_and_again_gets_to_the_end() {
    for &workflow in Workflow::ALL {
        let (whole, halting) = (world(), world());
        whole
            .try_run(workflow, &Scripted::new(script))
            .expect("an end");
        let mut starts = 1;
        while let Err(error) = halting.try_run(
            workflow,
            &Scripted::new(script).with_batch_size(4).dying_after(1),
        ) {
            assert_eq!(error.to_string(), "the power went out");
            starts += 1;
            assert!(starts < 200, "{workflow} gets nowhere");
        }
        assert_eq!(
            sorted(halting.events()),
            sorted(whole.events()),
            "{workflow}"
        );
    }
}

#[test]
fn a_log_of_another_configuration_or_of_other_steps_is_refused() {
    let world = world();
    let run = || world.try_run(Workflow::Reflection, &Scripted::new(script));
    run().expect("an end");
    let text = fs::read_to_string(world.log()).expect("a log");
    for (from, to, problem) in [
        (
            "\"config_sha256\":\"config\"",
            "\"config_sha256\":\"other\"",
            "another configuration",
        ),
        (
            "\"messages_sha256\":\"",
            "\"messages_sha256\":\"0",
            "does not fit: step 0 of base, reflection",
        ),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        fs::write(world.log(), changed).expect("a log");
        let error = run().expect_err("must be refused").to_string();
        assert!(error.contains(problem), "{error}");
        assert!(error.contains("move the run's folder"), "{error}");
    }
}

#[test]
fn a_line_of_another_version_is_refused_with_its_number() {
    let world = world();
    world
        .try_run(Workflow::Single, &Scripted::new(script))
        .expect("an end");
    let text = fs::read_to_string(world.log()).expect("a log");
    let changed = text.replacen("{\"version\":5", "{\"version\":9", 1);
    assert_ne!(changed, text);
    fs::write(world.log(), changed).expect("a log");
    let error = world
        .try_run(Workflow::Single, &Scripted::new(script))
        .expect_err("must be refused")
        .to_string();
    assert!(
        error.contains("trajectory.jsonl:1: version 9, but this program reads 2 to 5"),
        "{error}"
    );
}

#[test]
fn a_decision_of_an_earlier_version_has_no_lookups_in_its_budget() {
    let with_version = |version: u32| {
        let world = world();
        world
            .try_run(Workflow::Single, &Scripted::new(script))
            .expect("an end");
        let text = fs::read_to_string(world.log()).expect("a log");
        let earlier = format!("{{\"version\":{version}");
        let changed = text
            .replace("{\"version\":5", &earlier)
            .replace(",\"lookups\":16", "");
        assert_ne!(changed, text);
        fs::write(world.log(), changed).expect("a log");
        world.try_run(Workflow::Single, &Scripted::new(script))
    };
    let finished = with_version(3).expect("the same answers");
    assert_eq!(finished.len(), 2);
    with_version(LOG_VERSION).expect_err("a budget without lookups");
}

#[test]
fn a_decision_of_an_earlier_version_may_name_another_program_of_the_same_answer() {
    let with_version = |version: u32| {
        let world = world();
        world
            .try_run(Workflow::Single, &Scripted::new(script))
            .expect("an end");
        let text = fs::read_to_string(world.log()).expect("a log");
        let changed: String = text
            .lines()
            .flat_map(|line| {
                let mut event: Value = serde_json::from_str(line).expect("a line of JSON");
                event["version"] = version.into();
                if let Some(decision) = event["what"].get_mut("decision") {
                    decision["code_sha256"] = "of another program".into();
                }
                [event.to_string(), "\n".to_owned()]
            })
            .collect();
        fs::write(world.log(), changed).expect("a log");
        world.try_run(Workflow::Single, &Scripted::new(script))
    };
    let finished = with_version(OLDEST_LOG).expect("the same answers");
    assert_eq!(finished.len(), 2);
    let error = with_version(OLDEST_LOG + 1)
        .expect_err("must be refused")
        .to_string();
    assert!(error.contains("does not fit"), "{error}");
    assert!(
        error.contains("hint: if an earlier version of this program began the run"),
        "{error}"
    );
}
