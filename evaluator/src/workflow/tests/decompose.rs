//! `decompose`: its edges, its parts, and the speakers of its roles.

use slm_config::{Role, RoleSpeaker, Workflow};

use super::{
    Question, RIGHT, SQUARE, World, ZERO, body, calls, continues_to_the_same, question, writer,
};
use crate::backend::scripted::{Line, Scripted};
use crate::backend::{Query, Speaker};
use crate::workflow::event::{Event, What};
use crate::workflow::rounds::FAILS_AN_EXAMPLE;
use crate::workflow::trajectory::SpeakingAdapter;
use slm_artifacts::{Expects, FormatFailure, StopReason};

const SPLIT: &str = "once(x): x itself\nsum_of(x): x twice, by once\ntwo(): unused";
const BOTH: [Workflow; 2] = [Workflow::Decompose, Workflow::DecomposeSelf];

/// Splits into three functions of which two can be read; the program over them is `built`, then `revised`.
fn splitter(built: &'static str, revised: &'static str) -> impl Fn(&Query) -> Line + Copy {
    move |query| match question(query) {
        Question::Split => Line::from(SPLIT),
        Question::Function if query.begun.contains("def two") => Line::from("    return ("),
        Question::Assemble => Line::from(built),
        _ => writer(ZERO, revised)(query),
    }
}

fn expected(events: &[Event]) -> Vec<Expects> {
    calls(events).iter().map(|call| call.expects).collect()
}

#[test]
fn a_draft_that_passes_is_not_split() {
    for workflow in BOTH {
        let (finished, events) = World::new().run(workflow, writer(RIGHT, ZERO));
        assert_eq!(finished.stop, StopReason::TestsPassed, "{workflow}");
        assert_eq!(expected(&events), [Expects::Program]);
    }
}

#[test]
fn without_visible_tests_a_draft_that_can_be_run_is_the_answer() {
    let mut world = World::new();
    world.tasks[0].public_examples.clear();
    let (finished, events) = world.run(Workflow::Decompose, splitter(RIGHT, ZERO));
    assert_eq!(finished.stop, StopReason::Finished);
    assert_eq!(expected(&events), [Expects::Program]);
}

#[test]
fn the_program_is_written_over_the_functions_that_it_reaches() {
    let built = "    first = sum_of(x)\n    return 2 * x\n";
    let (finished, events) = World::new().run(Workflow::Decompose, splitter(built, ZERO));
    assert_eq!(finished.stop, StopReason::TestsPassed);
    assert_eq!((finished.spent.calls, finished.spent.executions), (6, 2));
    assert_eq!(finished.format_failures, [FormatFailure::NoProgram]);
    let function = Expects::Function;
    assert_eq!(
        expected(&events),
        [
            Expects::Program,
            Expects::Signatures,
            function,
            function,
            function,
            Expects::Program
        ]
    );
    let chosen = finished.chosen.expect("a program");
    let program = &chosen.program.text;
    // `sum_of` is reached, and does not reach `once`; the third function has no body.
    assert!(program.contains("def sum_of(x):"), "{program}");
    assert!(
        !program.contains("def once") && !program.contains("def two"),
        "{program}"
    );
    let prompts = calls(&events);
    let second = &prompts[3].messages[0].content;
    assert!(
        second.contains("def once(x):\n    \"\"\"x itself\"\"\"\n    return x + x"),
        "{second}"
    );
    assert!(prompts[5].begun.contains("def once") && prompts[5].begun.contains("def sum_of"));
}

#[test]
fn a_program_over_functions_that_fails_is_revised_once() {
    for (revised, stop, kept) in [
        (RIGHT, StopReason::TestsPassed, RIGHT),
        (SQUARE, StopReason::RoundsSpent, ZERO),
        ("    return x - 1 - x\n", StopReason::Unchanged, ZERO),
    ] {
        let built = "    return x - 1 - x\n";
        let (finished, _) = World::new().run(Workflow::Decompose, splitter(built, revised));
        assert_eq!((finished.stop, body(&finished)), (stop, kept));
        assert_eq!(finished.rounds, 2);
        let runs = if stop == StopReason::Unchanged { 2 } else { 3 };
        assert_eq!((finished.spent.calls, finished.spent.executions), (7, runs));
    }
}

#[test]
fn four_functions_are_the_largest_cost_of_the_table() {
    let many = "f1(x): a\nf2(x): b\nf3(x): c\nf4(x): d\nf5(x): e";
    let script = move |query: &Query| match question(query) {
        Question::Split => Line::from(many),
        _ => splitter(SQUARE, "    return x * 0\n")(query),
    };
    let (finished, _) = World::new().run(Workflow::Decompose, script);
    assert_eq!((finished.spent.calls, finished.spent.executions), (8, 3));
}

#[test]
fn without_functions_the_draft_is_revised_as_in_reflection() {
    let unsplit = |query: &Query| match question(query) {
        Question::Split => Line::from("double(x): the same again\nsum(x): a built-in one"),
        _ => writer(ZERO, RIGHT)(query),
    };
    let (finished, events) = World::new().run(Workflow::Decompose, unsplit);
    assert_eq!(
        (finished.stop, body(&finished)),
        (StopReason::TestsPassed, RIGHT)
    );
    assert_eq!(finished.format_failures, [FormatFailure::NoSignature]);
    let roles: Vec<Role> = calls(&events).iter().map(|call| call.role).collect();
    assert_eq!(
        roles,
        [Role::Coder, Role::Decomposer, Role::Reviewer, Role::Coder]
    );
    let approved = |query: &Query| match question(query) {
        Question::Review => Line::from("APPROVED"),
        _ => unsplit(query),
    };
    // An approval of a program that fails an example of the task is a review that names this.
    let (finished, events) = World::new().run(Workflow::Decompose, approved);
    assert_eq!(
        (finished.stop, body(&finished)),
        (StopReason::TestsPassed, RIGHT)
    );
    let request = &calls(&events)[3].messages;
    let request = &request.last().expect("a message").content;
    assert!(request.contains(FAILS_AN_EXAMPLE), "{request}");
    let cannot_run = |query: &Query| match question(query) {
        Question::Draft => Line::from("    return ("),
        _ => approved(query),
    };
    let (finished, _) = World::new().run(Workflow::Decompose, cannot_run);
    assert_eq!(finished.stop, StopReason::Approved);
    let without_bodies = |query: &Query| match question(query) {
        Question::Function => Line::from("    # later"),
        _ => splitter(ZERO, RIGHT)(query),
    };
    let (finished, _) = World::new().run(Workflow::Decompose, without_bodies);
    assert_eq!(
        (finished.stop, body(&finished)),
        (StopReason::TestsPassed, RIGHT)
    );
}

#[test]
fn the_budget_ends_it_with_the_best_program() {
    for calls in 1..7 {
        let world = World::new().with(|evaluate| evaluate.budget.calls = calls);
        let (finished, _) = world.run(Workflow::Decompose, splitter(SQUARE, RIGHT));
        assert_eq!(finished.stop, StopReason::CallsSpent, "{calls}");
        assert_eq!(finished.spent.calls, calls);
        assert!(finished.chosen.is_some());
    }
}

#[test]
fn a_run_that_is_killed_continues_to_the_same_trajectory() {
    for workflow in BOTH {
        continues_to_the_same(workflow, World::new, splitter(SQUARE, RIGHT));
    }
}

#[test]
fn each_role_is_spoken_as_the_recipe_names_it() {
    let mut world = World::new().with(|evaluate| {
        let speakers = [
            (
                Role::Decomposer,
                RoleSpeaker::Adapter("splitter".to_owned()),
            ),
            (Role::Reviewer, RoleSpeaker::Base),
        ];
        evaluate.speakers = speakers.into();
    });
    world.adapter = Some("tuned");
    let named = |name: &str| SpeakingAdapter {
        name: name.to_owned(),
        sha256: format!("hash of {name}"),
    };
    world.speakers = vec![named("other"), named("splitter")];
    let model = Scripted::new(splitter(SQUARE, RIGHT));
    world.try_run(Workflow::Decompose, &model).expect("an end");
    for query in model.asked() {
        let speaker = match question(&query) {
            Question::Split => Speaker::Adapter(1),
            Question::Review => Speaker::Base,
            _ => Speaker::Arm,
        };
        assert_eq!(query.speaker, speaker, "{:?}", question(&query));
    }
    for call in calls(&world.events()) {
        let (adapter, speaker) = match call.role {
            Role::Decomposer => (Some("hash of splitter"), Some("splitter")),
            Role::Reviewer => (None, None),
            _ => (Some("tuned"), None),
        };
        assert_eq!(call.adapter_sha256.as_deref(), adapter, "{}", call.role);
        assert_eq!(call.speaker.as_deref(), speaker, "{}", call.role);
    }
}

#[test]
fn in_the_control_whoever_speaks_the_coder_splits_the_task() {
    for (workflow, expected) in [
        (Workflow::Decompose, Speaker::Teacher),
        (Workflow::DecomposeSelf, Speaker::Base),
    ] {
        let world = World::new().with(|evaluate| {
            evaluate.speakers = [(Role::Decomposer, RoleSpeaker::Teacher)].into();
        });
        let model = Scripted::new(splitter(SQUARE, RIGHT));
        world.try_run(workflow, &model).expect("an end");
        let splits = model
            .asked()
            .into_iter()
            .filter(|of| question(of) == Question::Split);
        let speakers: Vec<Speaker> = splits.map(|of| of.speaker).collect();
        assert_eq!(speakers, [expected], "{workflow}");
        let events = world.events();
        let split = calls(&events)
            .into_iter()
            .find(|of| of.role == Role::Decomposer);
        let split = split.expect("a split");
        let model = if expected == Speaker::Teacher {
            "teacher"
        } else {
            "model"
        };
        assert_eq!(split.model_sha256, model, "{workflow}");
        assert!(
            events
                .iter()
                .any(|event| matches!(event.what, What::Decision(_)))
        );
    }
}
