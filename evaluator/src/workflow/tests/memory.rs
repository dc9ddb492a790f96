//! The workflows with a memory, on a scripted model.

use std::rc::Rc;

use slm_artifacts::{MemoryEntry, StopReason};
use slm_config::{MemoryMode, Workflow};

use super::{RIGHT, World, ZERO, body, calls, continues_to_the_same};
use crate::backend::Query;
use crate::backend::scripted::{Line, Scripted};
use crate::knowledge::Knowledge;
use crate::knowledge::memory_for_tests::entry;
use crate::workflow::event::{CallResult, Event, LookupResult, LookupTool, What};

/// A line that only the entry which is nearest to the task has.
const MARKER: &str = "Use the marker DUPLEX.";

const MODES: [MemoryMode; 3] = [
    MemoryMode::Examples,
    MemoryMode::Dynamic,
    MemoryMode::Static,
];
const BOTH: [Workflow; 2] = [Workflow::Memory, Workflow::MemoryRandom];

/// Nine entries, of which the first is nearest to the task.
fn entries() -> Vec<MemoryEntry> {
    let mut all: Vec<MemoryEntry> = (1..=9).map(|n| entry(n, 0.5)).collect();
    "Twice a number twice_of y".clone_into(&mut all[0].words);
    all[0].plan = Some(MARKER.to_owned());
    for other in &mut all[2..] {
        other.importance = 0.0;
    }
    all
}

fn world(mode: MemoryMode) -> World {
    let mut world = World::new();
    let general = ["Check the edges."];
    world.knowledge = Rc::new(Knowledge::of_memory(&entries(), &general, mode));
    world
}

fn text(query: &Query) -> String {
    let contents = query.messages.iter().map(|of| of.content.as_str());
    contents.collect::<Vec<_>>().join("\n")
}

/// Copies the solution if the marker is in the prompt, and hands it on in an instruction.
fn copies(query: &Query) -> Line {
    let has_marker = text(query).contains("DUPLEX");
    if text(query).contains("Write an instruction") {
        Line::from(if has_marker {
            "DUPLEX\n\n2\n3\n4\n5\nsixth"
        } else {
            "Think."
        })
    } else {
        Line::from(if has_marker { RIGHT } else { ZERO })
    }
}

fn lookup(events: &[Event]) -> &LookupResult {
    let mut found = events.iter().filter_map(|event| match &event.what {
        What::Lookup(found) => Some(found),
        _ => None,
    });
    let first = found.next().expect("a lookup");
    assert!(found.next().is_none(), "one lookup");
    first
}

fn content(call: &CallResult) -> &str {
    &call.messages.last().expect("a message").content
}

#[test]
fn the_nearest_entries_help_and_others_do_not() {
    for (workflow, expected) in [(Workflow::Memory, RIGHT), (Workflow::MemoryRandom, ZERO)] {
        let (finished, events) = world(MemoryMode::Examples).run(workflow, copies);
        assert_eq!(body(&finished), expected, "{workflow}");
        let found = lookup(&events);
        assert_eq!(found.tool, LookupTool::Memory);
        assert_eq!(found.index_sha256.len(), 64);
        assert_eq!((found.masked, finished.spent.lookups), (0, 1));
        let draft = content(calls(&events)[0]);
        assert!(
            draft.starts_with("## Lessons from earlier tasks\n\n- Check the edges.\n"),
            "{draft}"
        );
        assert!(
            draft.contains("\n## Similar tasks that were solved\n\n### `"),
            "{draft}"
        );
    }
}

#[test]
fn the_control_differs_in_the_entries_alone_and_has_as_many_words() {
    let run = |workflow| {
        let (_, events) = world(MemoryMode::Examples).run(workflow, |_| Line::from(ZERO));
        let found = lookup(&events).clone();
        let draft = calls(&events)[0].clone();
        (found, draft)
    };
    let (nearest, draft) = run(Workflow::Memory);
    let (random, of_control) = run(Workflow::MemoryRandom);
    assert_ne!(nearest.shown, random.shown);
    assert_eq!(
        content(&draft).replace(nearest.shown.trim_end(), ""),
        content(&of_control).replace(random.shown.trim_end(), "")
    );
    let words = |found: &LookupResult| found.shown.split_whitespace().count();
    assert_eq!(words(&nearest), words(&random));
    let names = |found: &LookupResult| -> Vec<String> {
        found.hits.iter().map(|hit| hit.source.clone()).collect()
    };
    assert_eq!(names(&nearest), ["own/1", "own/2"]);
    let drawn = names(&random);
    assert!(
        !drawn.is_empty() && !drawn.contains(&"own/1".to_owned()),
        "{drawn:?}"
    );
    let (_, events) = world(MemoryMode::Examples)
        .with(|evaluate| evaluate.sampling.seed += 1)
        .run(Workflow::MemoryRandom, |_| Line::from(ZERO));
    assert_ne!(names(lookup(&events)), drawn, "the seed draws");
    let rest = |call: &CallResult| (call.begun.clone(), call.max_new_tokens, call.seed);
    // The lookup precedes the draft in both.
    assert_eq!(rest(&draft), rest(&of_control));
}

#[test]
fn an_instruction_has_at_most_five_lines_and_replaces_the_entries() {
    let (finished, events) = world(MemoryMode::Dynamic).run(Workflow::Memory, copies);
    assert_eq!(body(&finished), RIGHT);
    assert_eq!((finished.spent.calls, finished.spent.lookups), (2, 1));
    let calls = calls(&events);
    assert!(content(calls[0]).contains(MARKER), "{}", content(calls[0]));
    let draft = content(calls[1]);
    assert!(
        draft.contains("## Instruction\n\nDUPLEX\n2\n3\n4\n5\n\n"),
        "{draft}"
    );
    assert!(
        !draft.contains("sixth") && !draft.contains("add_1"),
        "{draft}"
    );
}

#[test]
fn the_static_mode_has_the_general_lines_and_no_lookup() {
    let (finished, events) = world(MemoryMode::Static).run(Workflow::Memory, copies);
    assert_eq!(finished.spent.lookups, 0);
    let draft = content(calls(&events)[0]);
    assert!(draft.starts_with("## Lessons from earlier tasks\n\n- Check the edges.\n\n"));
    assert!(!draft.contains("add_1"), "{draft}");
}

#[test]
fn a_failed_program_is_revised_once_with_the_memory() {
    let (finished, _) = world(MemoryMode::Examples).run(Workflow::Memory, |query| {
        let text = text(query);
        if text.contains("Test report") {
            assert!(
                text.contains(MARKER) && text.contains("Check the edges."),
                "{text}"
            );
            Line::from(RIGHT)
        } else {
            Line::from(ZERO)
        }
    });
    assert_eq!(body(&finished), RIGHT);
    assert_eq!(finished.stop, StopReason::TestsPassed);
    assert_eq!((finished.spent.calls, finished.spent.executions), (2, 2));
    let (finished, _) = world(MemoryMode::Examples).run(Workflow::Memory, |_| Line::from(ZERO));
    assert_eq!(finished.stop, StopReason::Unchanged);
}

#[test]
fn an_empty_memory_and_one_without_a_lookup_left_give_the_request_of_a_single_answer() {
    let single = World::new().run(Workflow::Single, copies).1;
    let expected = calls(&single)[0].clone();
    let with = |knowledge, lookups| {
        let mut world = World::new().with(|evaluate| evaluate.budget.lookups = lookups);
        world.knowledge = Rc::new(knowledge);
        world
    };
    for mode in MODES {
        for workflow in BOTH {
            for world in [
                with(Knowledge::none(), 16),
                with(Knowledge::of_memory(&[], &[], mode), 16),
                with(Knowledge::of_memory(&entries(), &[], mode), 0),
            ] {
                let (finished, events) = world.run(workflow, copies);
                let draft = calls(&events)[0];
                assert_eq!(
                    (&draft.messages, &draft.begun, &draft.messages_sha256),
                    (
                        &expected.messages,
                        &expected.begun,
                        &expected.messages_sha256
                    ),
                    "{workflow}"
                );
                assert_eq!(finished.chosen.map(|of| of.text).as_deref(), Some(ZERO));
            }
        }
    }
}

#[test]
fn entries_that_share_text_with_the_solution_are_in_no_message() {
    // The programs of two tasks with one solution under other names.
    let secret = "    total = x\n    for step in range(x):\n        total = total + 1 - step + step\n    return total\n";
    let mut all = entries();
    all[0].program = format!("def add_1(x):\n    \"\"\"Add 1 to x.\"\"\"\n{secret}");
    for mode in MODES {
        for workflow in BOTH {
            let mut world = World::new();
            let general = ["Check the edges."];
            let knowledge = Knowledge::of_memory(&all, &general, mode);
            world.knowledge = Rc::new(knowledge.forgetting("test/double", secret));
            let (finished, events) = world.run(workflow, copies);
            assert_eq!(body(&finished), ZERO, "{workflow}");
            for call in calls(&events) {
                assert!(!content(call).contains("total = total + 1"), "{workflow}");
                assert!(!content(call).contains(MARKER), "{workflow}");
            }
            if mode != MemoryMode::Static {
                assert_eq!((lookup(&events).masked, finished.looked_up.masked), (1, 1));
            }
        }
    }
}

#[test]
fn a_run_killed_anywhere_continues_to_the_same_trajectory() {
    for mode in MODES {
        for workflow in BOTH {
            continues_to_the_same(workflow, || world(mode), copies);
        }
    }
}

#[test]
fn another_memory_than_that_of_the_log_is_refused() {
    let mut world = world(MemoryMode::Examples);
    let _ = world.try_run(Workflow::Memory, &Scripted::new(copies).dying_after(0));
    let other = Knowledge::of_memory(&entries()[1..], &[], MemoryMode::Examples);
    world.knowledge = Rc::new(other);
    let error = world
        .try_run(Workflow::Memory, &Scripted::new(copies))
        .expect_err("another memory");
    assert!(error.to_string().contains("does not fit"), "{error}");
}

#[test]
fn a_small_budget_ends_the_workflow_with_its_first_program() {
    for (calls, executions) in [(1, 16), (16, 1)] {
        let world = world(MemoryMode::Examples).with(|evaluate| {
            evaluate.budget.calls = calls;
            evaluate.budget.executions = executions;
        });
        let (finished, _) = world.run(Workflow::Memory, |_| Line::from(ZERO));
        assert_eq!(body(&finished), ZERO);
        assert!(finished.spent.calls <= calls && finished.spent.executions <= executions);
    }
    // No program is left of the calls, and the instruction is not made for nothing.
    let world = world(MemoryMode::Dynamic).with(|evaluate| evaluate.budget.calls = 1);
    let (finished, _) = world.run(Workflow::Memory, copies);
    assert_eq!(
        (finished.stop, finished.chosen),
        (StopReason::CallsSpent, None)
    );
}
