//! What the model sees of its actions: short, and nothing that is hidden.

use std::rc::Rc;

use slm_config::{Strategy, Workflow};

use super::{
    SECRET, acts, asked_for_actions, is_choice, library, lookups, react, whole, with_prompt, world,
};
use crate::backend::scripted::Line;
use crate::knowledge::Knowledge;
use crate::workflow::tests::{SQUARE, calls};

#[test]
fn names_and_files_are_looked_up_and_count_as_hits() {
    let (finished, events, observed) = react(&[
        "Action: symbol twice_of",
        "Action: read twin.py:1-4",
        "Action: read user.py:1-1",
        "Action: symbol nowhere",
        "Action: docs qqq",
        "Action: code result",
    ]);
    let found = lookups(&events);
    let hits = |at: usize| -> Vec<(&str, bool)> {
        let hits = found[at].hits.iter();
        hits.map(|hit| (hit.name.as_str(), hit.shown)).collect()
    };
    assert_eq!(hits(0), [("twice_of", true)]);
    assert!(found[0].hits[0].score.abs() < 1e-9);
    assert!(
        found[0].shown.starts_with("### `twice_of` (twin.py:7-12)"),
        "{}",
        found[0].shown
    );
    assert!(
        found[0]
            .shown
            .contains("Uses:\nuser.py:1: from twin import twice_of\n"),
        "{}",
        found[0].shown
    );
    assert_eq!(hits(1), [("Twin", true)]);
    assert!(observed[1].starts_with("class Twin:\n"), "{}", observed[1]);
    assert_eq!(hits(2), []);
    assert_eq!(observed[2], "from twin import twice_of");
    assert_eq!(observed[3], "no definition or use of `nowhere`");
    assert_eq!(observed[4], "nothing found");
    assert!(observed[5].contains("twice_of"), "{}", observed[5]);
    assert_eq!(finished.spent.lookups, 6);
    assert!(finished.looked_up.copied.is_some());
}

#[test]
fn files_outside_of_the_index_and_lines_that_are_not_there_are_not_shown() {
    let (finished, events, observed) = react(&[
        "Action: read /etc/passwd:1-3",
        "Action: read ../../Cargo.toml:1-3",
        "Action: read twin.py:900-901",
        "Action: read twin.py:3-2",
        "Action: read twin.py:0-2",
    ]);
    assert_eq!(finished.format_failures, []);
    for observed in &observed[..2] {
        assert!(observed.contains("is not in the index"), "{observed}");
    }
    for observed in &observed[2..5] {
        assert!(observed.contains("do not exist"), "{observed}");
    }
    for found in lookups(&events) {
        assert!(found.hits.is_empty() && found.shown.is_empty(), "{found:?}");
    }
}

#[test]
fn observations_are_short() {
    let long = "    y = x + x\n".repeat(400);
    let file = format!("def very_long(x):\n{long}    return y\n\n\nz = very_long(1)  # {long:?}\n");
    let page = format!("# Pilots\n\n{}\n", "pilots sleep ".repeat(400));
    let mut world = world(Strategy::React);
    world.knowledge = Rc::new(Knowledge::of_files(&[
        ("long.py", &file),
        ("page.md", &page),
    ]));
    let words = "pilots ".repeat(300);
    let unknown = format!("Action: read {}:1-2", "a".repeat(3000));
    let actions = [
        "Action: docs pilots",
        "Action: code very_long",
        "Action: symbol very_long",
        "Action: read long.py:1-400",
        "Action: read long.py:405-405",
        &format!("Action: docs {words}"),
        &unknown,
    ];
    let (_, events) = world.run(Workflow::Tools, acts(&actions));
    for found in lookups(&events) {
        let length = found.shown.chars().count();
        assert!(length <= 600, "{length}: {found:?}");
        assert!(
            length > 250 || found.query.starts_with('a'),
            "{length}: {found:?}"
        );
        assert_eq!(found.shown.matches("```").count() % 2, 0, "{found:?}");
    }
    let asked = asked_for_actions(&events);
    for observed in asked[7].split("\nObservation: ").skip(1) {
        let end = observed.find("\n\nAction: ").unwrap_or(observed.len());
        let end = end.min(observed.find("\n\nReply").unwrap_or(observed.len()));
        assert!(observed[..end].chars().count() <= 600, "{observed}");
    }
}

#[test]
fn a_program_is_checked_run_and_reported() {
    let (broken, wrong) = (whole("    return (x\n"), whole(SQUARE));
    let (_, events, observed) = react(&[
        "Action: check",
        &broken,
        "Action: check",
        &wrong,
        "Action: check",
        "Action: run",
    ]);
    assert_eq!(observed[0], "there is no program yet");
    assert!(
        observed[1].starts_with("The code could not be run: "),
        "{}",
        observed[1]
    );
    assert!(observed[2].starts_with("line "), "{}", observed[2]);
    assert!(
        observed[3].starts_with("0 of 1 tests passed."),
        "{}",
        observed[3]
    );
    assert_eq!(observed[4], "it parses");
    assert_eq!(observed[5], observed[3]);
    let of_actions = asked_for_actions(&events);
    let last = of_actions.last().expect("an action");
    assert!(
        last.contains("A program that cannot be run.\nObservation: "),
        "{last}"
    );
    assert!(
        last.contains("    return x * x\n```\nObservation: "),
        "{last}"
    );
}

#[test]
fn nothing_that_is_hidden_for_the_task_reaches_a_message() {
    let solution =
        "    result = y\n    for _ in range(1):\n        result = result + y\n    return result\n";
    let actions = [
        "Action: symbol twice_of",
        "Action: read twin.py:1-12",
        "Action: code result range",
        "Action: docs result range",
        "Action: symbol result",
        "Action: try print('result = result + y')",
    ];
    let plan = actions[..4].join("\n");
    for strategy in [Strategy::Rule, Strategy::Plan, Strategy::React] {
        let mut world = world(strategy);
        world.knowledge = Rc::new(library().hiding("test/double", solution));
        world.tasks = vec![with_prompt(
            "def double(x: twice_of) -> int:\n    \"\"\"Return the result of a range.\"\"\"\n",
        )];
        let (finished, events) = world.run(Workflow::Tools, |query| {
            if is_choice(query) {
                Line::from(plan.as_str())
            } else {
                acts(&actions)(query)
            }
        });
        assert!(finished.spent.lookups >= 3, "{strategy:?}");
        assert!(finished.looked_up.masked > 0, "{strategy:?}");
        for found in lookups(&events) {
            assert!(!found.shown.contains("result + y"), "{found:?}");
            assert!(
                found.hits.iter().all(|hit| hit.name != "twice_of"),
                "{found:?}"
            );
        }
        let last = calls(&events).last().map(|call| call.messages.clone());
        for call in calls(&events) {
            for message in &call.messages {
                // The model's own snippet is its own.
                let text = message.content.replace("print('result = result + y')", "");
                assert!(
                    !text.contains("result + y") && !text.contains(SECRET),
                    "{last:?}"
                );
            }
        }
    }
}
