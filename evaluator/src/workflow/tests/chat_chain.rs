//! The chain of phases on a scripted model: every edge between phases, questions, stop rules and resumption.

use slm_artifacts::{FormatFailure, Phase, StopReason};
use slm_config::{Role, Workflow};

use super::{RIGHT, SQUARE, SQUARE_PLUS_1, TESTS, World, ZERO, body, calls, continues_to_the_same};
use crate::backend::Query;
use crate::backend::scripted::Line;
use crate::workflow::event::{CallResult, Event, What};

const BOTH: [Workflow; 2] = [Workflow::ChatChain, Workflow::ChatChainPlain];

/// A body that is still to be written.
const OPEN: &str = "    # TODO: double it\n    pass\n";

/// A request of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Specify,
    Question,
    Answer,
    Code,
    Complete,
    Comment,
    Change,
    Tests,
    Repair,
}

fn text(query: &Query) -> &str {
    &query.messages.last().expect("a message").content
}

fn asked(query: &Query) -> Asked {
    let text = text(query);
    let marks = [
        ("Name at most three inputs", Asked::Specify),
        ("reply with the one word NONE", Asked::Question),
        ("Answer the question", Asked::Answer),
        ("Write at most", Asked::Tests),
        ("APPROVED", Asked::Comment),
        ("Complete the function. Reply", Asked::Code),
        ("## Still to be written", Asked::Complete),
        ("## Change to be made", Asked::Change),
        ("## Test report", Asked::Repair),
    ];
    let found = marks.iter().find(|(mark, _)| text.contains(mark));
    found.map_or_else(|| panic!("{text}"), |(_, asked)| *asked)
}

/// What the model writes in each phase, and whether the reviewer approves.
#[derive(Clone, Copy)]
struct Script {
    code: &'static str,
    complete: &'static str,
    comment: &'static str,
    change: &'static str,
    repair: &'static str,
    question: &'static str,
}

const SCRIPT: Script = Script {
    code: ZERO,
    complete: ZERO,
    comment: "APPROVED",
    change: SQUARE,
    repair: RIGHT,
    question: "What about 0?",
};

impl Script {
    fn answer(self, query: &Query) -> Line {
        Line::from(match asked(query) {
            Asked::Specify => "double(0): 0\n\ndouble(2): 4\ndouble(-1): -2\nfourth",
            Asked::Question => self.question,
            Asked::Answer => "Twice 0 is 0.",
            Asked::Tests => TESTS,
            Asked::Code => self.code,
            Asked::Complete => self.complete,
            Asked::Comment => self.comment,
            Asked::Change => self.change,
            Asked::Repair => self.repair,
        })
    }
}

/// The requests of the calls and the runs, in their order.
fn steps(events: &[Event]) -> Vec<(Option<Phase>, String)> {
    let step = |event: &Event| match &event.what {
        What::Call(call) => Some((call.phase, format!("{}", call.role))),
        What::Execution(_) => Some((None, "run".to_owned())),
        _ => None,
    };
    events.iter().filter_map(step).collect()
}

#[test]
fn a_program_that_is_complete_approved_and_right_passes_every_phase_without_a_revision() {
    let script = Script {
        code: RIGHT,
        ..SCRIPT
    };
    let (finished, events) = World::new().run(Workflow::ChatChain, |query| script.answer(query));
    assert_eq!(
        (finished.stop, body(&finished)),
        (StopReason::TestsPassed, RIGHT)
    );
    let expected = [
        (Some(Phase::Specify), "instructor"),
        (Some(Phase::Code), "coder"),
        (Some(Phase::Code), "instructor"),
        (Some(Phase::Code), "coder"),
        (Some(Phase::Review), "reviewer"),
        (Some(Phase::Test), "tester"),
        (None, "run"),
    ];
    assert_eq!(
        steps(&events),
        expected.map(|(phase, role)| (phase, role.to_owned()))
    );
    let turns: Vec<Option<u32>> = calls(&events).iter().map(|call| call.turn).collect();
    assert_eq!(turns, [1, 1, 2, 3, 1, 1].map(Some));
    let phases = [Phase::Specify, Phase::Code, Phase::Review, Phase::Test];
    assert_eq!(finished.phases, phases);
    assert_eq!((finished.complete, finished.rounds), (Some(true), 0));
    let Some(What::Decision(decision)) = events.last().map(|event| &event.what) else {
        panic!("no decision");
    };
    assert_eq!(
        (decision.phase, decision.complete),
        (Some(Phase::Test), Some(true))
    );
}

#[test]
fn every_phase_revises_once_and_the_tests_take_the_rest_of_the_rounds() {
    let script = Script {
        code: OPEN,
        complete: SQUARE,
        comment: "Use an addition.",
        change: SQUARE_PLUS_1,
        ..SCRIPT
    };
    for (workflow, n_calls) in [
        (Workflow::ChatChain, 2 + 3 * 4 + 1),
        (Workflow::ChatChainPlain, 2 + 4 + 1),
    ] {
        let (finished, events) = World::new().run(workflow, |query| script.answer(query));
        assert_eq!(
            (finished.stop, body(&finished)),
            (StopReason::TestsPassed, RIGHT)
        );
        assert_eq!(
            (finished.rounds, finished.spent.calls),
            (3, n_calls),
            "{workflow}"
        );
        assert_eq!(finished.spent.executions, 2);
        assert_eq!(finished.phases, Phase::ALL);
        let programs: Vec<(Option<Phase>, u32)> = events
            .iter()
            .filter_map(|event| match &event.what {
                What::Call(call) if call.code_sha256.is_some() => Some((call.phase, event.round)),
                _ => None,
            })
            .collect();
        let expected = [
            (Some(Phase::Code), 0),
            (Some(Phase::Complete), 1),
            (Some(Phase::Review), 2),
            (Some(Phase::Test), 3),
        ];
        assert_eq!(programs, expected, "{workflow}");
        let asks = calls(&events)
            .iter()
            .any(|call| call.text == SCRIPT.question);
        assert_eq!(asks, workflow == Workflow::ChatChain);
    }
}

#[test]
fn the_rounds_are_shared_by_the_phases() {
    let script = Script {
        code: OPEN,
        complete: SQUARE,
        comment: "Use an addition.",
        change: SQUARE_PLUS_1,
        repair: ZERO,
        ..SCRIPT
    };
    for (rounds, phases, kept) in [
        (0, &[Phase::Specify, Phase::Code, Phase::Test][..], OPEN),
        (
            1,
            &[Phase::Specify, Phase::Code, Phase::Complete, Phase::Test],
            SQUARE,
        ),
        (2, &Phase::ALL, SQUARE_PLUS_1),
        (3, &Phase::ALL, SQUARE_PLUS_1),
    ] {
        for workflow in BOTH {
            let world = World::new().with(|evaluate| evaluate.rounds = rounds);
            let (finished, _) = world.run(workflow, |query| script.answer(query));
            assert_eq!(
                finished.stop,
                StopReason::RoundsSpent,
                "{workflow} {rounds}"
            );
            assert_eq!(
                (finished.phases.as_slice(), body(&finished)),
                (phases, kept)
            );
            assert_eq!(finished.complete, Some(rounds > 0));
            assert_eq!(finished.rounds as usize, rounds);
        }
    }
}

#[test]
fn a_revision_that_changes_nothing_ends_its_phase_and_in_the_tests_the_chain() {
    let script = Script {
        code: OPEN,
        complete: "    pass\n",
        comment: "Do it.",
        change: "    pass  # still\n",
        repair: "    pass\n",
        ..SCRIPT
    };
    for workflow in BOTH {
        let (finished, _) = World::new().run(workflow, |query| script.answer(query));
        assert_eq!(
            (finished.stop, body(&finished)),
            (StopReason::Unchanged, OPEN)
        );
        assert_eq!(
            (finished.phases.as_slice(), finished.rounds),
            (Phase::ALL.as_slice(), 3)
        );
        assert_eq!(finished.complete, Some(false));
    }
}

#[test]
fn without_tests_the_chain_is_finished_by_the_first_run() {
    let mut world = World::new();
    world.tasks[0].public_examples.clear();
    let script = |query: &Query| match asked(query) {
        Asked::Tests => Line::from("I cannot."),
        _ => Script {
            comment: "Square it.",
            ..SCRIPT
        }
        .answer(query),
    };
    let (finished, _) = world.run(Workflow::ChatChainPlain, script);
    assert_eq!(
        (finished.stop, body(&finished)),
        (StopReason::Finished, SQUARE)
    );
}

#[test]
fn a_program_that_cannot_be_run_is_not_reviewed_and_its_report_says_why() {
    let script = Script {
        code: "    return (",
        ..SCRIPT
    };
    let (finished, events) = World::new().run(Workflow::ChatChain, |query| {
        if asked(query) == Asked::Repair {
            assert!(
                text(query).contains("The code could not be run"),
                "{}",
                text(query)
            );
        }
        script.answer(query)
    });
    assert_eq!(
        (finished.stop, body(&finished)),
        (StopReason::TestsPassed, RIGHT)
    );
    assert!(
        calls(&events)
            .iter()
            .all(|call| call.role != Role::Reviewer)
    );
    assert_eq!(finished.spent.executions, 1);
}

#[test]
fn a_program_that_was_replaced_is_kept_only_if_no_other_can_be_run() {
    for (change, kept) in [(ZERO, ZERO), ("    return (", SQUARE)] {
        let script = Script {
            code: SQUARE,
            comment: "Change it.",
            change,
            repair: "    return [",
            ..SCRIPT
        };
        let world = World::new().with(|evaluate| evaluate.rounds = 2);
        let (finished, _) = world.run(Workflow::ChatChain, |query| script.answer(query));
        assert_eq!(body(&finished), kept);
    }
}

#[test]
fn a_question_and_its_answer_are_in_the_next_program_alone() {
    let script = Script {
        comment: "Change it.",
        ..SCRIPT
    };
    let seen = std::cell::RefCell::new(Vec::new());
    let (_, events) = World::new().run(Workflow::ChatChain, |query| {
        let dialogue = "## Your question\n\nWhat about 0?\n\n## Answer\n\nTwice 0 is 0.\n\n";
        seen.borrow_mut()
            .push((asked(query), text(query).contains(dialogue)));
        script.answer(query)
    });
    let has_dialogue = |asked: Asked| matches!(asked, Asked::Code | Asked::Change | Asked::Repair);
    for (asked, found) in seen.into_inner() {
        assert_eq!(found, has_dialogue(asked), "{asked:?}");
    }
    for call in calls(&events) {
        let most = match (call.role, call.phase) {
            (Role::Instructor, Some(Phase::Specify)) => 256,
            (Role::Instructor, _) => 96,
            (Role::Coder, _) if call.code_sha256.is_none() => 64,
            _ => continue,
        };
        assert_eq!(call.max_new_tokens, most);
    }
}

#[test]
fn what_is_no_question_is_not_answered_and_is_counted() {
    for (question, failures) in [
        ("NONE", 0),
        ("", 2),
        ("I will do it.", 2),
        ("```python\nx = 1  # right?\n```", 2),
    ] {
        let script = Script { question, ..SCRIPT };
        let (finished, events) =
            World::new().run(Workflow::ChatChain, |query| script.answer(query));
        assert_eq!(finished.stop, StopReason::TestsPassed);
        assert_eq!(
            finished.format_failures,
            vec![FormatFailure::NoQuestion; failures]
        );
        // The specification, two questions, two programs, a comment and the tests.
        assert_eq!(finished.spent.calls, 7, "{question}");
        let answers = calls(&events);
        let answers = answers.iter().filter(|call| call.role == Role::Instructor);
        assert_eq!(answers.count(), 1);
    }
}

#[test]
fn the_specification_has_three_lines_and_an_empty_one_leaves_no_trace() {
    let content = |call: &CallResult| call.messages.last().expect("a message").content.clone();
    let (_, events) = World::new().run(Workflow::ChatChain, |query| SCRIPT.answer(query));
    let heading = "```\n\n## Results to check\n\ndouble(0): 0\ndouble(2): 4\ndouble(-1): -2\n\n";
    for call in calls(&events) {
        let shown = matches!(call.role, Role::Coder | Role::Reviewer);
        assert_eq!(content(call).contains(heading), shown, "{}", content(call));
        assert!(!content(call).contains("fourth"));
    }
    let silent = |query: &Query| match asked(query) {
        Asked::Specify => Line::from(" \n\n"),
        _ => SCRIPT.answer(query),
    };
    let (finished, events) = World::new().run(Workflow::ChatChain, silent);
    assert_eq!(finished.format_failures, [FormatFailure::Empty]);
    for call in calls(&events) {
        let content = content(call);
        assert!(!content.contains("Results to check"), "{content}");
        assert!(!content.contains("\n\n\n"), "{content}");
    }
}

#[test]
fn the_instructor_answers_from_the_task_alone() {
    // The question asks for what the instructor must not know, and would contain what the coder sees.
    let script = Script {
        question: "What do the hidden tests check?",
        comment: "Square it.",
        ..SCRIPT
    };
    let (_, events) = World::new().run(Workflow::ChatChain, |query| script.answer(query));
    let task = super::task("double");
    let mut answers = 0;
    for call in calls(&events) {
        if call.role != Role::Instructor || call.phase == Some(Phase::Specify) {
            continue;
        }
        answers += 1;
        let content = &call.messages.last().expect("a message").content;
        let rest = content
            .replace(task.prompt.trim_end(), "")
            .replace(script.question, "");
        for foreign in [
            "assert",
            "return",
            "Test report",
            "Results to check",
            "Square it.",
        ] {
            assert!(!rest.contains(foreign), "{content}");
        }
    }
    assert_eq!(answers, 3);
}

#[test]
fn the_chain_keeps_each_part_of_its_budget() {
    let script = Script {
        code: OPEN,
        complete: SQUARE,
        comment: "Change it.",
        change: SQUARE_PLUS_1,
        ..SCRIPT
    };
    for workflow in BOTH {
        for n_calls in 0..=17 {
            let world = World::new().with(|evaluate| evaluate.budget.calls = n_calls);
            let (finished, _) = world.run(workflow, |query| script.answer(query));
            assert_eq!(finished.spent.calls + finished.left.calls, n_calls);
            let least = workflow.calls_to_first_program();
            assert_eq!(
                finished.chosen.is_some(),
                n_calls >= least,
                "{workflow} {n_calls}"
            );
            let needed = if workflow == Workflow::ChatChain {
                15
            } else {
                7
            };
            let expected = if n_calls < needed {
                StopReason::CallsSpent
            } else {
                StopReason::TestsPassed
            };
            assert_eq!(finished.stop, expected, "{workflow} {n_calls}");
        }
        for executions in 0..3 {
            let world = World::new().with(|evaluate| evaluate.budget.executions = executions);
            let (finished, _) = world.run(workflow, |query| script.answer(query));
            let expected = if executions < 2 {
                StopReason::ExecutionsSpent
            } else {
                StopReason::TestsPassed
            };
            assert_eq!(finished.stop, expected);
        }
    }
}

#[test]
fn an_interrupted_chain_continues_to_the_same() {
    let script = Script {
        code: OPEN,
        complete: SQUARE,
        comment: "Change it.",
        change: SQUARE_PLUS_1,
        ..SCRIPT
    };
    for workflow in BOTH {
        continues_to_the_same(workflow, World::new, |query| script.answer(query));
    }
}
