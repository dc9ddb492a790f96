//! Routers on a scripted model: choices, unknown words, draws, budgets and resumption.

use std::collections::BTreeSet;
use std::rc::Rc;

use slm_artifacts::{FormatFailure, StopReason};
use slm_config::{Role, Workflow};

use super::{RIGHT, TESTS, World, ZERO, body, calls, continues_to_the_same, task};
use crate::backend::Query;
use crate::backend::scripted::{Line, Scripted};
use crate::routing::Routing;
use crate::routing::for_tests::{cell, routes, trained};
use crate::workflow::event::{Event, What};

/// Names `word` as the way to write the program, and solves the task in the workflow `reflection` alone.
fn names(word: &'static str) -> impl Fn(&Query) -> Line + Copy {
    move |query| {
        let text = &query.messages.last().expect("a message").content;
        if text.contains("## Ways to write it") {
            Line::of_tokens(word, 4)
        } else if text.contains("Write at most") {
            Line::of_tokens(TESTS, 10)
        } else if text.contains("APPROVED") {
            Line::of_tokens("Think again.", 10)
        } else if text.contains("Write the function again") {
            Line::of_tokens(RIGHT, 10)
        } else {
            Line::of_tokens(ZERO, 10)
        }
    }
}

fn routed_to(events: &[Event]) -> Option<Workflow> {
    match events.last().map(|event| &event.what) {
        Some(What::Decision(decision)) => decision.routed_to,
        other => panic!("no decision: {other:?}"),
    }
}

/// A world whose router follows the nearest of two training tasks.
fn by_routes() -> World {
    let mut world = World::new();
    let near = trained(
        "near",
        "Twice x double",
        &[cell("single", 0, 10.0), cell("reflection", 1, 90.0)],
    );
    let far = trained(
        "far",
        "sort words",
        &[cell("single", 1, 10.0), cell("reflection", 1, 90.0)],
    );
    let choices = vec![Workflow::Single, Workflow::Reflection];
    world.routing = Rc::new(routes(vec![near, far], choices));
    world
}

#[test]
fn the_model_chooses_in_one_word_and_the_choice_does_the_rest() {
    for (word, chosen, kept) in [
        ("single", Workflow::Single, ZERO),
        (" **Reflection**", Workflow::Reflection, RIGHT),
    ] {
        let (finished, events) = World::new().run(Workflow::Adaptive, names(word));
        assert_eq!((finished.routed_to, body(&finished)), (Some(chosen), kept));
        assert_eq!(routed_to(&events), Some(chosen));
        assert!(finished.format_failures.is_empty());
        let calls = calls(&events);
        let route = calls[0];
        assert_eq!(
            (route.role, route.max_new_tokens, &*route.begun),
            (Role::Router, 4, "")
        );
        let asked = &route.messages[0].content;
        assert!(
            asked.contains("- single: One request, one answer, no feedback.\n"),
            "{asked}"
        );
        assert!(asked.contains("- multi_agent: "), "{asked}");
        assert!(calls[1..].iter().all(|call| call.role != Role::Router));
    }
}

#[test]
fn the_choice_takes_the_steps_that_it_takes_alone() {
    let run = |workflow| {
        let (finished, events) = World::new().run(workflow, names("reflection"));
        let texts: Vec<String> = calls(&events)
            .iter()
            .filter(|call| call.role != Role::Router)
            .map(|call| call.messages_sha256.clone())
            .collect();
        (texts, finished.stop, finished.rounds)
    };
    assert_eq!(run(Workflow::Adaptive), run(Workflow::Reflection));
}

#[test]
fn an_unknown_word_leads_to_reflection_and_is_a_format_failure() {
    for word in ["", "fast", "rag", "adaptive", "use single", "single_agent"] {
        let (finished, events) = World::new().run(Workflow::Adaptive, names(word));
        assert_eq!(finished.routed_to, Some(Workflow::Reflection), "{word:?}");
        assert_eq!(finished.format_failures, [FormatFailure::NoWorkflow]);
        assert_eq!(
            calls(&events)[0].format_failure,
            Some(FormatFailure::NoWorkflow)
        );
    }
    let mut world = World::new();
    world.routing = Rc::new(Routing::by_model(vec![Workflow::BestOfN, Workflow::Single]));
    let (finished, _) = world.run(Workflow::Adaptive, names("reflection"));
    assert_eq!(finished.routed_to, Some(Workflow::BestOfN));
}

#[test]
fn the_nearest_training_tasks_choose_without_a_call() {
    let (finished, events) = by_routes().run(Workflow::Adaptive, names("single"));
    assert_eq!(
        (finished.routed_to, body(&finished)),
        (Some(Workflow::Reflection), RIGHT)
    );
    assert!(calls(&events).iter().all(|call| call.role != Role::Router));
    assert_eq!(finished.spent.lookups, 0);
    // Without a word in common, all training tasks count: the pass rate of reflection is higher.
    let mut other = by_routes();
    other.tasks[0].prompt = "def quux(zyx):\n    \"\"\"Abracadabra.\"\"\"\n".to_owned();
    let (finished, _) = other.run(Workflow::Adaptive, names("single"));
    assert_eq!(finished.routed_to, Some(Workflow::Reflection));
}

#[test]
fn the_control_draws_by_the_seed_with_the_routers_shares() {
    let drawn = |world: World| {
        let finished = world
            .try_run(Workflow::AdaptiveRandom, &Scripted::new(names("single")))
            .expect("an end");
        let drawn = finished.iter().filter_map(|of| of.routed_to);
        drawn.collect::<Vec<_>>()
    };
    let evenly = drawn(World::new().with_tasks(60));
    assert_eq!(evenly, drawn(World::new().with_tasks(60)), "the seed draws");
    assert_eq!(evenly.iter().copied().collect::<BTreeSet<_>>().len(), 3);
    let mut counts = std::collections::BTreeMap::new();
    for workflow in evenly {
        *counts.entry(workflow).or_insert(0_usize) += 1;
    }
    assert!(
        counts.values().all(|&n| (10..=30).contains(&n)),
        "{counts:?}"
    );
    // Each training task is routed by the other: to reflection for `far`, to single for `near`.
    let mut world = by_routes().with_tasks(60);
    world.tasks.push(task("one_more"));
    let singles = drawn(world)
        .into_iter()
        .filter(|of| *of == Workflow::Single);
    let singles = singles.count();
    assert!((18..=43).contains(&singles), "{singles}");
}

#[test]
fn the_choice_has_what_the_router_leaves_of_the_budget() {
    for n_calls in 0..6 {
        let world = World::new().with(|evaluate| evaluate.budget.calls = n_calls);
        let (finished, _) = world.run(Workflow::Adaptive, names("reflection"));
        assert_eq!(finished.spent.calls + finished.left.calls, n_calls);
        // The router, a draft, tests, a review, a revision.
        let expected = if n_calls < 5 {
            StopReason::CallsSpent
        } else {
            StopReason::TestsPassed
        };
        assert_eq!(finished.stop, expected, "{n_calls}");
        assert_eq!(finished.routed_to.is_some(), n_calls > 0);
    }
    let world = World::new().with(|evaluate| {
        evaluate.budget.completion_tokens = 13;
        evaluate.max_new_tokens = 10;
    });
    let (finished, events) = world.run(Workflow::Adaptive, names("reflection"));
    let granted: Vec<usize> = calls(&events)
        .iter()
        .map(|call| call.max_new_tokens)
        .collect();
    assert_eq!(granted, [4, 9]);
    assert_eq!(finished.left.completion_tokens, 0);
}

#[test]
fn an_interrupted_run_continues_to_the_same_choice() {
    for workflow in [Workflow::Adaptive, Workflow::AdaptiveRandom] {
        continues_to_the_same(workflow, World::new, names("multi_agent"));
        continues_to_the_same(workflow, by_routes, names("single"));
    }
}
