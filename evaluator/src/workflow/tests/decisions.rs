//! Which program is kept, which model answers, and that no trajectory depends on the others.

use slm_config::{AdapterRoles, Role, Workflow};

use super::{
    Question, RIGHT, SQUARE, SQUARE_PLUS_1, World, ZERO, body, calls, question, sorted, writer,
};
use crate::backend::Query;
use crate::backend::scripted::{Line, Scripted};
use crate::workflow::event::What;
use slm_artifacts::StopReason;

/// Answers drafts by their position: the first query is greedy, the others have distinct seeds.
fn drafts(bodies: &'static [&'static str]) -> impl Fn(&Query) -> Line {
    let seen = std::cell::RefCell::new(Vec::<u64>::new());
    move |query| match question(query) {
        Question::Draft => {
            let mut seen = seen.borrow_mut();
            seen.push(query.seed);
            Line::from(bodies[seen.len() - 1])
        }
        _ => writer("", "")(query),
    }
}

#[test]
fn the_best_program_is_kept_and_not_the_last() {
    for workflow in [Workflow::Reflection, Workflow::MultiAgent] {
        // Passes the example and a self-written test; its revision passes nothing.
        let (finished, _) = World::new().run(workflow, writer(SQUARE_PLUS_1, ZERO));
        assert_eq!(body(&finished), SQUARE_PLUS_1, "{workflow}");
        // In the opposite case the revision is better.
        let (finished, _) = World::new().run(workflow, writer(ZERO, SQUARE_PLUS_1));
        assert_eq!(body(&finished), SQUARE_PLUS_1, "{workflow}");
    }
}

#[test]
fn public_examples_count_more_than_tests_of_its_own() {
    let example_only = "    return 2 if x == 1 else -1\n";
    let script = |query: &Query| match question(query) {
        Question::Tests => Line::from("(2) == 4\nassert double(0) == 0"),
        _ => writer("    return x * x\n", "    return x * x - x + 2\n")(query),
    };
    // x * x passes both own tests and not the example; x * x - x + 2 the example and one test.
    let (finished, _) = World::new().run(Workflow::Reflection, script);
    assert_eq!(body(&finished), SQUARE_PLUS_1);
    assert_ne!(body(&finished), example_only);
}

#[test]
fn the_earliest_of_equals_is_kept() {
    let (finished, _) = World::new().run(Workflow::Reflection, writer(ZERO, "    return -2\n"));
    assert_eq!(body(&finished), ZERO);
}

#[test]
fn a_program_that_cannot_be_run_loses_against_one_that_passes_nothing() {
    let (finished, _) = World::new().run(Workflow::Reflection, writer("    return (", ZERO));
    assert_eq!(body(&finished), ZERO);
}

#[test]
fn best_of_n_keeps_the_earliest_that_passes_the_examples() {
    let script = drafts(&[ZERO, SQUARE, SQUARE_PLUS_1, RIGHT, ZERO]);
    let (finished, events) = World::new().run(Workflow::BestOfN, script);
    assert_eq!(finished.stop, StopReason::Finished);
    assert_eq!(body(&finished), SQUARE_PLUS_1);
    assert_eq!((finished.spent.calls, finished.spent.executions), (5, 5));
    for event in &events {
        if let What::Execution(run) = &event.what {
            assert_eq!(run.tests.len(), 1, "only the example");
        }
    }
}

/// Asserts the number of the kept program, and the tokens until it against the log.
fn check_attempt(workflow: Workflow, script: impl Fn(&Query) -> Line, number: u32) {
    let (finished, events) = World::new().run(workflow, script);
    let attempt = finished.chosen.as_ref().expect("a program").attempt;
    assert_eq!(attempt.number, number, "{workflow}");
    let kept = events.iter().find_map(|event| match &event.what {
        What::Decision(decision) => decision.chosen,
        _ => None,
    });
    let kept = kept.expect("a kept program");
    let until = events.iter().filter(|event| event.step <= kept);
    let tokens = until.filter_map(|event| match &event.what {
        What::Call(call) => Some(call.completion_tokens),
        _ => None,
    });
    assert_eq!(
        attempt.completion_tokens,
        tokens.sum::<usize>(),
        "{workflow}"
    );
    assert!(
        attempt.completion_tokens > 0
            && attempt.completion_tokens <= finished.spent.completion_tokens
    );
    assert!(attempt.generation_s <= finished.generation_s + 1e-9);
    // Of revisions it is 1 + the round; drafts are all of round 0.
    let round = events
        .iter()
        .find(|event| event.step == kept)
        .expect("its step")
        .round;
    if workflow != Workflow::BestOfN {
        assert_eq!(number, 1 + round, "{workflow}");
    }
}

#[test]
fn attempts_count_the_programs_until_the_kept_one() {
    check_attempt(Workflow::Single, writer(ZERO, ZERO), 1);
    for workflow in [Workflow::Reflection, Workflow::MultiAgent] {
        check_attempt(workflow, writer(RIGHT, ZERO), 1);
        check_attempt(workflow, writer(SQUARE_PLUS_1, ZERO), 1);
        check_attempt(workflow, writer(ZERO, SQUARE_PLUS_1), 2);
        check_attempt(workflow, writer(ZERO, RIGHT), 2);
    }
    let script = drafts(&[ZERO, SQUARE, SQUARE_PLUS_1, RIGHT, ZERO]);
    check_attempt(Workflow::BestOfN, script, 3);
}

#[test]
fn codet_keeps_the_largest_agreement() {
    // Two programs pass one test each, the same; one passes all three: 2 x 1 < 1 x 3.
    let script = drafts(&[SQUARE, "    return x * x\n    # again", ZERO, RIGHT, ZERO]);
    let (finished, _) = World::new().run(Workflow::Codet, script);
    assert_eq!(body(&finished), RIGHT);
    // Two programs that pass two of three outweigh one that passes all: 2 x 2 > 1 x 3.
    let script = drafts(&[ZERO, RIGHT, SQUARE_PLUS_1, SQUARE_PLUS_1, ZERO]);
    let (finished, _) = World::new().run(Workflow::Codet, script);
    assert_eq!(body(&finished), SQUARE_PLUS_1);
}

#[test]
fn codet_without_any_passed_test_keeps_the_earliest() {
    let script = drafts(&[ZERO, "    return -2\n", ZERO, ZERO, ZERO]);
    let (finished, _) = World::new().run(Workflow::Codet, script);
    assert_eq!(body(&finished), ZERO);
}

#[test]
fn drafts_after_the_first_are_drawn_at_their_own_temperature_and_each_call_has_its_own_seed() {
    let (_, events) = World::new().run(Workflow::BestOfN, writer(ZERO, ""));
    let calls = calls(&events);
    let temperatures: Vec<f64> = calls.iter().map(|call| call.temperature).collect();
    assert_eq!(temperatures, [0.0, 0.8, 0.8, 0.8, 0.8]);
    for (i, call) in calls.iter().enumerate() {
        assert!(calls[..i].iter().all(|earlier| earlier.seed != call.seed));
    }
}

#[test]
fn the_first_call_is_the_same_in_every_workflow_that_begins_with_a_draft() {
    let first = |workflow| {
        let (_, events) = World::new().run(workflow, writer(RIGHT, RIGHT));
        let calls = calls(&events);
        (calls[0].messages_sha256.clone(), calls[0].seed)
    };
    let single = first(Workflow::Single);
    for workflow in [
        Workflow::Reflection,
        Workflow::ReflectionBlind,
        Workflow::BestOfN,
        Workflow::Codet,
    ] {
        assert_eq!(first(workflow), single, "{workflow}");
    }
}

#[test]
fn the_adapter_answers_for_its_roles_alone() {
    let roles = AdapterRoles::Listed(vec![Role::Coder, Role::Tester]);
    for (adapter, roles, expected) in [
        (None, AdapterRoles::All, vec![]),
        (
            Some("adapter"),
            AdapterRoles::All,
            vec![Role::Planner, Role::Coder, Role::Tester, Role::Reviewer],
        ),
        (Some("adapter"), roles, vec![Role::Coder, Role::Tester]),
    ] {
        let mut world = World::new().with(|evaluate| evaluate.adapter_roles = roles);
        world.adapter = adapter;
        let (_, events) = world.run(Workflow::MultiAgent, writer(ZERO, RIGHT));
        for call in calls(&events) {
            assert_eq!(
                call.adapter_sha256.is_some(),
                expected.contains(&call.role),
                "{}",
                call.role
            );
        }
    }
}

#[test]
fn no_trajectory_depends_on_what_runs_beside_it() {
    // Answers depend on every part of the query.
    let script = |query: &Query| match question(query) {
        Question::Review | Question::Plan => Line::from(format!("Think of {}.", query.seed)),
        Question::Revision => Line::from(format!("    return -{}\n", query.seed % 1000)),
        _ => writer(ZERO, "")(query),
    };
    for &workflow in Workflow::ALL {
        let outcome = |batch_size| {
            let world = World::new().with_tasks(7).with(|evaluate| {
                evaluate.samples_per_task = 2;
                evaluate.sampling.temperature = 0.5;
            });
            let model = Scripted::new(script).with_batch_size(batch_size);
            let finished = world.try_run(workflow, &model).expect("an end");
            (finished, sorted(world.events()))
        };
        let alone = outcome(1);
        assert_eq!(alone.0.len(), 14);
        for batch_size in [2, 5, 100] {
            assert_eq!(
                outcome(batch_size),
                alone,
                "{workflow}, {batch_size} at a time"
            );
        }
    }
}
