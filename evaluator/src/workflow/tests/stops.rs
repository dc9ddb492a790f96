//! When workflows stop.

use slm_config::Workflow;

use super::{
    Question, RIGHT, SQUARE, SQUARE_PLUS_1, TESTS, World, ZERO, body, calls, question, writer,
};
use crate::backend::Query;
use crate::backend::scripted::Line;
use crate::workflow::event::What;
use slm_artifacts::StopReason;

const REVIEWED: [Workflow; 2] = [Workflow::Reflection, Workflow::MultiAgent];
const BLIND: [Workflow; 2] = [Workflow::ReflectionBlind, Workflow::MultiAgentBlind];

fn check(workflow: Workflow, script: impl Fn(&Query) -> Line, stop: StopReason, kept: &str) {
    let (finished, _) = World::new().run(workflow, script);
    assert_eq!((finished.stop, body(&finished)), (stop, kept), "{workflow}");
}

#[test]
fn single_is_one_call_and_nothing_is_run() {
    let (finished, events) = World::new().run(Workflow::Single, writer(ZERO, RIGHT));
    assert_eq!(finished.stop, StopReason::Finished);
    assert_eq!(body(&finished), ZERO);
    assert_eq!((finished.spent.calls, finished.spent.executions), (1, 0));
    assert_eq!(events.len(), 2, "a call and the decision");
}

#[test]
fn a_first_program_that_passes_its_visible_tests_is_not_reviewed() {
    for workflow in REVIEWED {
        let (finished, events) = World::new().run(workflow, writer(RIGHT, ZERO));
        assert_eq!(finished.stop, StopReason::TestsPassed, "{workflow}");
        assert_eq!(finished.rounds, 0);
        assert!(
            calls(&events)
                .iter()
                .all(|call| call.text != "Think again." || call.role == slm_config::Role::Planner)
        );
    }
}

#[test]
fn a_revision_that_passes_ends_the_rounds() {
    for workflow in REVIEWED {
        check(
            workflow,
            writer(ZERO, RIGHT),
            StopReason::TestsPassed,
            RIGHT,
        );
    }
}

#[test]
fn approval_ends_the_rounds_with_feedback_and_without() {
    let script = |query: &Query| match question(query) {
        Question::Review => Line::from("Verdict: APPROVED"),
        _ => writer(SQUARE_PLUS_1, RIGHT)(query),
    };
    // The program passes the task's example and fails a self-written test, which may be wrong.
    for workflow in REVIEWED.into_iter().chain(BLIND) {
        check(workflow, script, StopReason::Approved, SQUARE_PLUS_1);
    }
}

#[test]
fn a_program_that_fails_an_example_of_the_task_is_not_approved() {
    let script = |query: &Query| match question(query) {
        Question::Review => Line::from("APPROVED"),
        _ => writer(SQUARE, RIGHT)(query),
    };
    for workflow in REVIEWED {
        let (finished, events) = World::new().run(workflow, script);
        assert_eq!(
            (finished.stop, body(&finished)),
            (StopReason::TestsPassed, RIGHT)
        );
        let revision = calls(&events)
            .into_iter()
            .rfind(|call| call.role == slm_config::Role::Coder);
        let asked = &revision
            .expect("a revision")
            .messages
            .last()
            .expect("a message")
            .content;
        assert!(
            asked.contains("does not give the result that an example"),
            "{asked}"
        );
        assert!(!asked.contains("APPROVED"), "{asked}");
    }
    // Without running it, nothing is known.
    for workflow in BLIND {
        check(workflow, script, StopReason::Approved, SQUARE);
    }
}

#[test]
fn a_revision_that_changes_nothing_but_layout_ends_the_rounds() {
    for workflow in REVIEWED.into_iter().chain(BLIND) {
        let revised = "    # as before\n    return (x*x)\n";
        check(
            workflow,
            writer(SQUARE, revised),
            StopReason::Unchanged,
            SQUARE,
        );
    }
}

#[test]
fn a_revision_that_goes_back_to_an_earlier_program_ends_the_rounds() {
    let script = |query: &Query| {
        let asked = &query.messages.last().expect("a message").content;
        match question(query) {
            Question::Revision if asked.contains("return x * x\n") => Line::from(ZERO),
            Question::Revision => Line::from(SQUARE),
            _ => writer(SQUARE, "")(query),
        }
    };
    for workflow in REVIEWED {
        check(workflow, script, StopReason::Unchanged, SQUARE);
    }
}

#[test]
fn the_rounds_are_spent_when_revisions_stay_wrong() {
    let script = |query: &Query| match question(query) {
        Question::Revision => Line::from(format!("    return -{}\n", query.seed)),
        _ => writer(ZERO, "")(query),
    };
    for workflow in REVIEWED.into_iter().chain(BLIND) {
        for rounds in [0, 1, 3] {
            let world = World::new().with(|evaluate| evaluate.rounds = rounds);
            let (finished, events) = world.run(workflow, script);
            assert_eq!(finished.stop, StopReason::RoundsSpent, "{workflow}");
            assert_eq!(finished.rounds as usize, rounds);
            let revisions = events.iter().filter(|event| {
                matches!(&event.what, What::Call(call) if call.role == slm_config::Role::Coder)
                    && event.round > 0
            });
            assert_eq!(revisions.count(), rounds, "{workflow}");
        }
    }
}

#[test]
fn without_feedback_nothing_is_run_and_the_latest_sound_program_is_kept() {
    for workflow in BLIND {
        let broken_at_last = |query: &Query| {
            let asked = &query.messages.last().expect("a message").content;
            match question(query) {
                Question::Revision if asked.contains("return x * x - x") => {
                    Line::from("    return (")
                }
                Question::Revision => Line::from(SQUARE_PLUS_1),
                _ => writer(SQUARE, "")(query),
            }
        };
        let world = World::new().with(|evaluate| evaluate.rounds = 2);
        let (finished, events) = world.run(workflow, broken_at_last);
        assert_eq!(finished.spent.executions, 0);
        assert_eq!(body(&finished), SQUARE_PLUS_1, "{workflow}");
        let reviews: Vec<_> = calls(&events)
            .into_iter()
            .filter(|call| call.role == slm_config::Role::Reviewer)
            .collect();
        let shown = &reviews[0].messages.last().expect("a message").content;
        assert!(
            shown.contains("The code was not run. Tests that it should pass"),
            "{shown}"
        );
        assert!(shown.contains("assert double(3) == 6"), "{shown}");
    }
}

#[test]
fn the_tester_sees_the_task_and_not_the_code() {
    let (_, events) = World::new().run(Workflow::MultiAgent, writer(ZERO, RIGHT));
    let tester = calls(&events)
        .into_iter()
        .find(|call| call.role == slm_config::Role::Tester)
        .expect("a tester");
    for said in &tester.messages {
        assert!(!said.content.contains("return"), "{}", said.content);
    }
}

#[test]
fn roles_of_many_have_system_messages_and_one_role_has_none() {
    for (workflow, expected) in [(Workflow::MultiAgent, true), (Workflow::Reflection, false)] {
        let (_, events) = World::new().run(workflow, writer(ZERO, RIGHT));
        for call in calls(&events) {
            assert_eq!(
                call.messages.len() == 2,
                expected,
                "{workflow} {}",
                call.role
            );
        }
    }
}

#[test]
fn reports_name_failed_tests_and_say_which_may_be_wrong() {
    let (_, events) = World::new().run(Workflow::Reflection, writer(ZERO, RIGHT));
    let review = calls(&events)
        .into_iter()
        .find(|call| call.role == slm_config::Role::Reviewer)
        .expect("a review");
    let text = &review.messages[0].content;
    for part in [
        "0 of 3 tests passed.",
        "Example of the task, failed:\nassert double(1) == 2\nAssertionError",
        "Own test, failed (the test may be wrong):\nassert double(2) == 4",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_prompt_without_room_ends_the_trajectory_and_not_the_run() {
    let script = |query: &Query| match question(query) {
        Question::Review => Line::without_room(),
        _ => writer(SQUARE, RIGHT)(query),
    };
    check(
        Workflow::Reflection,
        script,
        StopReason::ContextFull,
        SQUARE,
    );
}

#[test]
fn each_way_to_miss_a_format_is_counted_and_survived() {
    let script = |query: &Query| match question(query) {
        Question::Draft => Line::from("    return ("),
        Question::Tests => Line::from("no tests today"),
        Question::Review => Line::from(""),
        _ => writer("", RIGHT)(query),
    };
    let (finished, events) = World::new().run(Workflow::Reflection, script);
    assert_eq!(finished.stop, StopReason::TestsPassed);
    assert_eq!(body(&finished), RIGHT);
    let failures: Vec<_> = calls(&events)
        .iter()
        .filter_map(|call| call.format_failure)
        .collect();
    assert_eq!(failures, finished.format_failures);
    assert_eq!(failures.len(), 3, "{failures:?}");
    // The answer without a program cost no execution.
    assert_eq!(finished.spent.executions, 1);
}

#[test]
fn a_model_that_never_ends_comes_to_an_end_in_every_workflow() {
    for &workflow in Workflow::ALL {
        for text in [
            "    return (1,\n".repeat(500),
            "```\n".repeat(500),
            "x ".repeat(2000),
        ] {
            let (finished, events) =
                World::new().run(workflow, |_: &Query| Line::endless(text.clone()));
            let calls = calls(&events).len();
            assert!(!finished.format_failures.is_empty(), "{workflow}");
            assert!(calls <= finished.spent.calls, "{workflow}");
            assert!(finished.spent.completion_tokens <= 4096);
        }
    }
}

#[test]
fn tests_that_only_repeat_the_example_leave_the_example() {
    let script = |query: &Query| match question(query) {
        Question::Tests => Line::from("1) == 2"),
        _ => writer(RIGHT, "")(query),
    };
    let (_, events) = World::new().run(Workflow::Reflection, script);
    let What::Execution(run) = &events[2].what else {
        panic!("{:?}", events[2].what)
    };
    assert_eq!((run.tests.len(), run.public), (1, 1));
    assert!(TESTS.contains("double(3)"));
}
