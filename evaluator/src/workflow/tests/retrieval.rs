//! Retrieval, corrective retrieval and sketches on a scripted model and a made-up library.

use std::rc::Rc;

use slm_artifacts::StopReason;
use slm_config::{Grade, Workflow};

use super::{RIGHT, World, ZERO, body, calls, continues_to_the_same};
use crate::backend::Query;
use crate::backend::scripted::{Line, Scripted};
use crate::knowledge::Knowledge;
use crate::workflow::event::{Event, LookupResult, What};

/// A page that gives the solution of `double` away by its marker, and pages that have nothing to do with it.
fn library() -> Knowledge {
    let others: Vec<(String, String)> = (0..12)
        .map(|n| {
            let text = format!(
                "# Topic {n}\n\nQuarrel{n} mosaics gather lichen{n} beneath granite; harbours sleep, pilots argue over \
                 lanterns{n} and ropes{n}.\n"
            );
            (format!("other{n}.md"), text)
        })
        .collect();
    let mut files = vec![
        (
            "doubling.md".to_owned(),
            "# Doubling\n\nTwice a number: use the marker DUPLEX.\n".to_owned(),
        ),
        (
            "twice.py".to_owned(),
            "def twice_of(y):\n    \"\"\"Twice y, by DUPLEX.\"\"\"\n    result = y\n    for _ in range(1):\n        result = result + y\n    return result\n"
                .to_owned(),
        ),
    ];
    files.extend(others);
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    Knowledge::of_files(&files)
}

fn world(knowledge: Knowledge) -> World {
    let mut world = World::new();
    world.knowledge = Rc::new(knowledge);
    world
}

fn text(query: &Query) -> String {
    let contents = query.messages.iter().map(|of| of.content.as_str());
    contents.collect::<Vec<_>>().join("\n")
}

/// Copies the solution from the prompt if the marker is there.
fn copies(query: &Query) -> Line {
    if text(query).contains("DUPLEX") {
        Line::from(RIGHT)
    } else {
        Line::from(ZERO)
    }
}

fn lookups(events: &[Event]) -> Vec<&LookupResult> {
    events
        .iter()
        .filter_map(|event| match &event.what {
            What::Lookup(found) => Some(found),
            _ => None,
        })
        .collect()
}

#[test]
fn a_model_that_copies_solves_with_retrieval_and_not_with_the_placebo() {
    for (workflow, expected) in [
        (Workflow::Single, ZERO),
        (Workflow::Rag, RIGHT),
        (Workflow::RagPlacebo, ZERO),
        (Workflow::Crag, RIGHT),
        (Workflow::SketchCopy, RIGHT),
    ] {
        let (finished, events) = world(library()).run(workflow, copies);
        assert_eq!(body(&finished), expected, "{workflow}");
        let expected = match workflow {
            Workflow::Single => 0,
            // What it finds is ambiguous by the default grades, and it asks again.
            Workflow::Crag => 2,
            _ => 1,
        };
        assert_eq!(lookups(&events).len(), expected, "{workflow}");
        assert_eq!(finished.spent.lookups, expected, "{workflow}");
        assert_eq!(finished.left.lookups, 16 - expected, "{workflow}");
    }
}

#[test]
fn a_placebo_has_the_length_of_the_reference_and_no_word_of_the_query() {
    let prompt_tokens = |workflow| {
        let (finished, events) = world(library()).run(workflow, copies);
        let scores = lookups(&events)[0].hits.iter().map(|hit| hit.score);
        (finished.prompt_tokens, scores.collect::<Vec<_>>())
    };
    let (rag, scores) = prompt_tokens(Workflow::Rag);
    let (placebo, placebo_scores) = prompt_tokens(Workflow::RagPlacebo);
    assert!(scores.iter().all(|&score| score > 0.0), "{scores:?}");
    assert!(placebo_scores.iter().all(|&score| score <= 0.0));
    let difference = rag.abs_diff(placebo) as f64 / rag as f64;
    assert!(difference <= 0.02, "{rag} and {placebo} tokens");
}

#[test]
fn what_shares_text_with_the_solution_is_hidden() {
    let solution =
        "    result = y\n    for _ in range(1):\n        result = result + y\n    return result\n";
    let knowledge = library().hiding("test/double", solution);
    let (finished, events) = world(knowledge).run(Workflow::SketchCopy, copies);
    assert_eq!(body(&finished), ZERO);
    let found = lookups(&events)[0];
    assert!(found.hits.is_empty() && found.shown.is_empty(), "{found:?}");
    assert_eq!((found.masked, finished.looked_up.masked), (1, 1));
}

#[test]
fn without_a_lookup_left_the_request_is_that_of_a_single_answer() {
    let single = World::new().run(Workflow::Single, copies).1;
    let expected = calls(&single)[0].messages_sha256.clone();
    for workflow in [
        Workflow::Rag,
        Workflow::RagPlacebo,
        Workflow::RagOracle,
        Workflow::Crag,
        Workflow::Sketch,
        Workflow::SketchCopy,
    ] {
        let without = |knowledge, lookups| {
            world(knowledge).with(|evaluate| evaluate.budget.lookups = lookups)
        };
        for world in [without(library(), 0), without(Knowledge::none(), 16)] {
            let (finished, events) = world.run(workflow, copies);
            assert_eq!(calls(&events)[0].messages_sha256, expected, "{workflow}");
            assert_eq!(finished.chosen.map(|of| of.text).as_deref(), Some(ZERO));
        }
    }
}

#[test]
fn corrective_retrieval_keeps_doubts_or_drops_by_its_grades() {
    let run = |upper, lower| {
        let mut world = world(library());
        (world.grading.upper, world.grading.lower) = (upper, lower);
        let (finished, _) = world.run(Workflow::Crag, |query| {
            if text(query).contains("documentation be searched") {
                Line::from("DUPLEX marker")
            } else {
                copies(query)
            }
        });
        // What is graded and not used is no part of what was shown.
        let is_used = body(&finished) == RIGHT;
        assert_eq!(finished.looked_up.copied.is_some(), is_used);
        (body(&finished).to_owned(), finished.spent)
    };
    let (correct, spent) = run(0.0, 0.0);
    assert_eq!(
        (correct.as_str(), spent.calls, spent.lookups),
        (RIGHT, 1, 1)
    );
    let (ambiguous, spent) = run(1.0, 0.0);
    assert_eq!(
        (ambiguous.as_str(), spent.calls, spent.lookups),
        (RIGHT, 2, 2)
    );
    let (incorrect, spent) = run(1.0, 1.0);
    assert_eq!(
        (incorrect.as_str(), spent.calls, spent.lookups),
        (ZERO, 1, 1)
    );
}

#[test]
fn a_librarian_drops_the_chunks_that_it_says_no_to() {
    let run = |reply: &'static str| {
        let mut world = world(library());
        world.grading.by = Grade::Model;
        let (finished, events) = world.run(Workflow::Crag, move |query| {
            let text = text(query);
            if text.contains("yes or no") {
                Line::from(reply)
            } else if text.contains("documentation be searched") {
                Line::from("nothing that is there")
            } else {
                copies(query)
            }
        });
        let hits = lookups(&events)[0].hits.len();
        (body(&finished).to_owned(), finished.spent.calls - hits)
    };
    assert_eq!(run("Yes."), (RIGHT.to_owned(), 1));
    assert_eq!(run("no"), (ZERO.to_owned(), 1));
    // Undecided: a second query, worded in one more call, finds nothing more, and what was found is kept.
    assert_eq!(run("Perhaps"), (RIGHT.to_owned(), 2));
}

#[test]
fn a_sketch_is_filled_in_and_revised_once() {
    let (finished, events) = world(library()).run(Workflow::Sketch, |query| {
        let text = text(query);
        if text.contains("Test report") {
            assert!(text.contains("## Sketch"), "{text}");
            Line::from(RIGHT)
        } else {
            assert!(text.contains("## Sketch") && text.contains("..."), "{text}");
            Line::from(ZERO)
        }
    });
    assert_eq!(body(&finished), RIGHT);
    assert_eq!(finished.stop, StopReason::TestsPassed);
    assert_eq!((finished.spent.calls, finished.spent.executions), (2, 2));
    let kept = lookups(&events)[0].sketch_kept.expect("a sketch");
    assert!(kept > 0.0 && kept < 1.0, "{kept}");
    let (finished, _) = world(library()).run(Workflow::Sketch, |_| Line::from(ZERO));
    assert_eq!(finished.stop, StopReason::Unchanged);
}

#[test]
fn a_run_killed_anywhere_continues_to_the_same_trajectory() {
    for workflow in [
        Workflow::Rag,
        Workflow::RagPlacebo,
        Workflow::Crag,
        Workflow::Sketch,
    ] {
        let prepared = || {
            let mut world = world(library());
            (world.grading.upper, world.grading.lower) = (1.0, 0.0);
            world
        };
        continues_to_the_same(workflow, prepared, copies);
    }
}

#[test]
fn another_index_than_that_of_the_log_is_refused() {
    let mut world = world(library());
    let _ = world.try_run(Workflow::Rag, &Scripted::new(copies).dying_after(0));
    world.knowledge = Rc::new(Knowledge::of_files(&[("a.md", "# Twice\n\nTwice x.\n")]));
    let error = world
        .try_run(Workflow::Rag, &Scripted::new(copies))
        .expect_err("another index");
    assert!(error.to_string().contains("does not fit"), "{error}");
}
