//! Lookups by rule and by plan, then a draft and its revisions.

use slm_artifacts::{FormatFailure, StopReason};
use slm_config::{Strategy, Workflow};

use super::{BOTH, SECRET, is_choice, lookups, text, with_prompt, world, wrong};
use crate::backend::scripted::Line;
use crate::workflow::event::LookupTool;
use crate::workflow::tests::{Question, RIGHT, World, ZERO, calls, question};

#[test]
fn by_rule_the_signature_documentation_and_code_are_looked_up_before_the_draft() {
    let mut world = world(Strategy::Rule);
    world.tasks = vec![with_prompt(
        "def double(x: Twin) -> int:\n    \"\"\"Count x again.\"\"\"\n",
    )];
    let (finished, events) = world.run(Workflow::Tools, |query| {
        if text(query).contains(SECRET) {
            Line::from(RIGHT)
        } else {
            Line::from(ZERO)
        }
    });
    let tools: Vec<LookupTool> = lookups(&events).iter().map(|found| found.tool).collect();
    assert_eq!(
        tools,
        [LookupTool::Symbol, LookupTool::Docs, LookupTool::Code]
    );
    assert_eq!(lookups(&events)[0].query, "Twin");
    let draft = &calls(&events)[0].messages[0].content;
    assert!(
        draft.starts_with("## Reference\n\n### `Twin` (twin.py:1-4)"),
        "{draft}"
    );
    assert_eq!(finished.stop, StopReason::TestsPassed);
    assert_eq!((finished.spent.calls, finished.spent.executions), (1, 1));
    assert_eq!(finished.spent.lookups, 3);
}

#[test]
fn by_rule_a_program_is_revised_until_the_rounds_are_spent() {
    for workflow in BOTH {
        let (finished, events) = world(Strategy::Rule).run(workflow, wrong);
        assert_eq!(finished.stop, StopReason::RoundsSpent, "{workflow}");
        assert_eq!((finished.spent.calls, finished.spent.executions), (3, 3));
        let expected = if workflow == Workflow::Tools { 2 } else { 0 };
        assert_eq!(lookups(&events).len(), expected, "{workflow}");
        let (finished, _) = world(Strategy::Rule).run(workflow, |_| Line::from(ZERO));
        assert_eq!(finished.stop, StopReason::Unchanged, "{workflow}");
    }
}

#[test]
fn a_revision_sees_the_line_that_the_parser_stumbles_over() {
    for strategy in [Strategy::Rule, Strategy::Plan] {
        let (finished, events) =
            world(strategy).run(Workflow::Tools, |query| match question(query) {
                _ if is_choice(query) => Line::from("docs pilots"),
                Question::Revision => Line::from(RIGHT),
                _ => Line::from("    y = 2 * (x\n    return y\n"),
            });
        assert_eq!(finished.stop, StopReason::TestsPassed);
        assert_eq!(
            finished.spent.executions, 1,
            "what does not parse is not run"
        );
        let revision = &calls(&events).last().expect("a revision").messages;
        let text = &revision.last().expect("a message").content;
        assert!(text.contains("does not parse (line "), "{text}");
    }
}

#[test]
fn a_plan_is_done_in_its_order_and_unreadable_lines_count_once() {
    let plan = "Let me see:\nAction: symbol twice_of\nAction: read twin.py:1-2\nAction: run\nAction: docs pilots";
    let (finished, events) = world(Strategy::Plan).run(Workflow::Tools, |query| {
        if is_choice(query) {
            let tools = &query.messages[0].content;
            assert!(
                tools.contains("docs WORDS: ") && !tools.contains("run: "),
                "{tools}"
            );
            Line::from(plan)
        } else {
            assert!(text(query).contains("## Reference"), "{}", text(query));
            Line::from(RIGHT)
        }
    });
    let looked_up: Vec<(LookupTool, &str)> = lookups(&events)
        .iter()
        .map(|found| (found.tool, found.query.as_str()))
        .collect();
    assert_eq!(
        looked_up,
        [
            (LookupTool::Symbol, "twice_of"),
            (LookupTool::Read, "twin.py:1-2"),
            (LookupTool::Docs, "pilots")
        ]
    );
    assert_eq!(finished.format_failures, [FormatFailure::NoAction]);
    assert_eq!(finished.stop, StopReason::TestsPassed);
    assert_eq!((finished.spent.calls, finished.spent.lookups), (2, 3));
}

#[test]
fn without_lookups_there_is_nothing_to_plan() {
    let drafted = |strategy| {
        let (_, events) = world(strategy).run(Workflow::ToolsBlind, wrong);
        calls(&events)[0].messages_sha256.clone()
    };
    let (_, single) = World::new().run(Workflow::Single, wrong);
    let expected = &calls(&single)[0].messages_sha256;
    assert_eq!(&drafted(Strategy::Rule), expected);
    assert_eq!(&drafted(Strategy::Plan), expected);
}
