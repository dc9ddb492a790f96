//! When a model that chooses each action stops acting.

use slm_artifacts::{FormatFailure, StopReason};
use slm_config::{Strategy, Workflow};

use super::{
    SECRET, acts, asked_for_actions, is_action, kinds, n_observed, react, runs, text, whole, world,
    wrong,
};
use crate::backend::Query;
use crate::backend::scripted::{Line, Scripted};
use crate::workflow::tests::{RIGHT, ZERO, calls};

#[test]
fn a_model_that_asks_for_the_right_symbol_solves_what_it_cannot_solve_blindly() {
    let script = |query: &Query| {
        let text = text(query);
        if text.contains(SECRET) {
            Line::from(whole(RIGHT))
        } else if text.contains("symbol NAME") && n_observed(query) == 0 {
            Line::from("Action: symbol twice_of")
        } else if is_action(query) {
            Line::from(whole(ZERO))
        } else {
            wrong(query)
        }
    };
    for (workflow, stop, n_lookups) in [
        (Workflow::Tools, StopReason::TestsPassed, 1),
        (Workflow::ToolsBlind, StopReason::RoundsSpent, 0),
    ] {
        let world = world(Strategy::React).with_tasks(3);
        let finished = world
            .try_run(workflow, &Scripted::new(script))
            .expect("ends");
        for finished in finished {
            assert_eq!(finished.stop, stop, "{workflow}");
            assert_eq!(finished.spent.lookups, n_lookups, "{workflow}");
        }
    }
}

#[test]
fn acting_ends_with_a_program_that_passes() {
    let program = whole(RIGHT);
    let (finished, events, _) = react(&["Action: docs pilots", &program]);
    assert_eq!(finished.stop, StopReason::TestsPassed);
    assert_eq!((finished.spent.calls, finished.spent.executions), (2, 1));
    assert!(finished.chosen.expect("a program").text.contains("2 * x"));
    assert_eq!(
        calls(&events)[1].code_sha256.as_deref(),
        Some(runs(&events)[0].code_sha256.as_str())
    );
    // The function alone, without a code block.
    let (finished, ..) = react(&[&program.replace("```python\n", "").replace("```", "")]);
    assert_eq!(finished.stop, StopReason::TestsPassed);
}

#[test]
fn acting_ends_after_two_equal_actions_and_not_if_another_is_between() {
    let (finished, events, _) = react(&["Action: docs pilots", "Action: docs  `pilots`"]);
    assert_eq!(kinds(&events), (2, 1, 2));
    assert_eq!(finished.spent.lookups, 1, "the second is not done");
    assert_eq!(finished.stop, StopReason::RoundsSpent);
    let (_, events, _) = react(&[
        "Action: check",
        "Action: run",
        "Action: check",
        "Action: check",
    ]);
    assert_eq!(kinds(&events), (4, 1, 2));
}

#[test]
fn acting_ends_with_a_program_that_repeats_an_earlier_one() {
    let (first, second) = (whole(ZERO), whole("    # as before\n    return (-1)\n"));
    let (finished, events, _) = react(&[&first, "Action: run", &second]);
    // The program that there is is revised; it was run when it was written.
    assert_eq!(kinds(&events), (3, 0, 2));
    assert_eq!(finished.spent.executions, 3);
    assert_eq!(finished.stop, StopReason::RoundsSpent);
}

#[test]
fn acting_ends_after_two_answers_in_a_wrong_format() {
    let (finished, events, observed) = react(&["Perhaps.", "Action: run", "Action: search moons"]);
    assert_eq!(kinds(&events), (3, 1, 2));
    assert_eq!(finished.format_failures, [FormatFailure::NoAction; 2]);
    let tools = "docs WORDS, code WORDS, symbol NAME, read FILE:FROM-TO, check, run, try";
    assert_eq!(
        observed,
        [
            format!("there is no action and no code block; tools: {tools}"),
            "there is no program yet".to_owned()
        ]
    );
}

#[test]
fn acting_ends_after_eight_actions_and_the_draft_sees_what_they_found() {
    let actions: Vec<String> = (0..20)
        .map(|n| format!("Action: docs pilots {n}"))
        .collect();
    let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
    let (finished, events, observed) = react(&actions);
    assert_eq!(kinds(&events), (8, 1, 2));
    assert_eq!((finished.spent.lookups, observed.len()), (8, 7));
    let draft = &calls(&events)[8].messages[0].content;
    assert!(
        draft.starts_with("## Reference\n\nAction: docs pilots 0\nObservation: ###"),
        "{draft}"
    );
    assert_eq!(draft.matches("Observation: ").count(), 8);
}

#[test]
fn the_last_call_of_the_budget_is_kept_for_a_program() {
    let run = |n_calls| {
        let world = world(Strategy::React).with(|evaluate| evaluate.budget.calls = n_calls);
        let (finished, events) = world.run(Workflow::Tools, |query| {
            if is_action(query) {
                Line::from(format!("Action: docs {}", query.seed))
            } else {
                wrong(query)
            }
        });
        assert!(finished.chosen.is_some());
        (kinds(&events), finished.stop)
    };
    assert_eq!(run(1), ((0, 1, 0), StopReason::CallsSpent));
    assert_eq!(run(3), ((2, 1, 0), StopReason::CallsSpent));
    assert_eq!(run(10), ((8, 1, 1), StopReason::CallsSpent));
}

#[test]
fn tokens_for_a_draft_are_kept() {
    let world = world(Strategy::React).with(|evaluate| {
        evaluate.max_new_tokens = 40;
        evaluate.budget.completion_tokens = 100;
    });
    let (finished, events) = world.run(Workflow::Tools, |query| {
        if is_action(query) {
            Line::of_tokens(format!("Action: docs {}", query.seed), 35)
        } else {
            Line::of_tokens(ZERO, 5)
        }
    });
    assert_eq!(kinds(&events).0, 2, "a third action would leave too little");
    assert!(finished.chosen.is_some());
}

#[test]
fn a_lookup_after_the_last_one_of_the_budget_ends_nothing() {
    let world = world(Strategy::React).with(|evaluate| evaluate.budget.lookups = 1);
    let actions = [
        "Action: docs pilots",
        "Action: code twice_of",
        "Action: symbol Twin",
    ];
    let (finished, events) = world.run(Workflow::Tools, acts(&actions));
    assert_eq!((finished.spent.lookups, finished.left.lookups), (1, 0));
    assert_eq!(finished.format_failures, []);
    let asked = asked_for_actions(&events);
    assert!(
        asked[3].contains("Action: symbol Twin\nObservation: no lookups left"),
        "{}",
        asked[3]
    );
}

#[test]
fn blindly_no_lookup_is_offered_or_done() {
    let actions = [
        "Action: docs pilots",
        "Action: check",
        "Action: symbol twice_of",
    ];
    let (finished, events) = world(Strategy::React).run(Workflow::ToolsBlind, acts(&actions));
    assert_eq!(finished.spent.lookups, 0);
    assert_eq!(finished.format_failures, [FormatFailure::NoAction; 2]);
    assert_eq!(kinds(&events), (3, 1, 2));
    for call in calls(&events) {
        for message in &call.messages {
            let text = &message.content;
            assert!(!text.contains("WORDS") && !text.contains("FILE:"), "{text}");
        }
    }
    let observed = &asked_for_actions(&events)[1];
    assert!(
        observed.contains("there is no tool `docs`; tools: check, run, try"),
        "{observed}"
    );
}
