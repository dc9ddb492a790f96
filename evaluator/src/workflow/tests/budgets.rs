//! No workflow exceeds its budget, and the rest of the budget is recorded.

use std::rc::Rc;

use slm_config::{Budget, Strategy, Workflow};
use slm_report::Spending;

use super::{Question, RIGHT, SQUARE, World, ZERO, body, calls, question, writer};
use crate::backend::Query;
use crate::backend::scripted::Line;
use crate::knowledge::Knowledge;
use crate::workflow::event::What;
use slm_artifacts::StopReason;

fn budget(completion_tokens: usize, calls: usize, executions: usize) -> Budget {
    Budget {
        completion_tokens,
        calls,
        executions,
        lookups: 16,
    }
}

/// Every revision is a different wrong program, every action is another one, and every answer has 10 tokens.
fn tireless(query: &Query) -> Line {
    let asked = &query.messages.last().expect("a message").content;
    let seed = query.seed;
    if asked.contains("Reply with one line `Action:") {
        return match seed % 3 {
            0 => Line::of_tokens(format!("Action: docs {seed}"), 10),
            1 => Line::of_tokens(format!("Action: try {seed}"), 10),
            _ => Line::of_tokens(format!("```\ndef double(x):\n    return -{seed}\n```"), 10),
        };
    }
    if asked.contains("Name at most four tools") {
        return Line::of_tokens("docs twice\ncode twice\nsymbol double", 10);
    }
    match question(query) {
        Question::Revision => Line::of_tokens(format!("    return -{}\n", query.seed), 10),
        Question::Draft | Question::Code => Line::of_tokens(ZERO, 10),
        Question::Tests => Line::of_tokens("(2) == 4", 10),
        Question::Plan | Question::Review => Line::of_tokens("Think again.", 10),
        Question::Split => Line::of_tokens("a(x): x\nb(x): x\nc(x): x\nd(x): x\ne(x): x", 10),
        Question::Function => Line::of_tokens("    return x\n", 10),
        Question::Assemble => Line::of_tokens(format!("    return a(-{})\n", query.seed), 10),
    }
}

#[test]
fn every_budget_is_kept_to_the_last_by_every_workflow() {
    for &workflow in Workflow::ALL {
        for (tokens, n_calls, executions) in [
            (1, 16, 16),
            (10, 16, 16),
            (11, 16, 16),
            (35, 16, 16),
            (4096, 2, 16),
            (4096, 3, 16),
            (4096, 5, 16),
            (4096, 16, 0),
            (4096, 16, 1),
            (4096, 16, 2),
            (64, 7, 3),
        ] {
            check_budget(workflow, Strategy::Rule, (tokens, n_calls, executions, 16));
        }
    }
}

#[test]
fn lookups_are_kept_to_the_last_by_every_workflow_and_strategy() {
    for &workflow in Workflow::ALL {
        for strategy in [Strategy::Rule, Strategy::Plan, Strategy::React] {
            for lookups in [0, 1, 2, 16] {
                for n_calls in [1, 2, 3, 16] {
                    check_budget(workflow, strategy, (4096, n_calls, 2, lookups));
                }
            }
        }
    }
}

/// Runs a workflow with a budget of tokens, calls, executions and lookups.
fn check_budget(workflow: Workflow, strategy: Strategy, of: (usize, usize, usize, usize)) {
    let (tokens, n_calls, executions, lookups) = of;
    let mut world = World::new().with(|evaluate| {
        evaluate.budget = budget(tokens, n_calls, executions);
        evaluate.budget.lookups = lookups;
        evaluate.rounds = 10;
        evaluate.tools.strategy = strategy;
    });
    let knowledge = Knowledge::of_files(&[("a.md", "# Twice\n\nTwice x.\n")]);
    world.knowledge = Rc::new(knowledge);
    let (finished, events) = world.run(workflow, tireless);
    let whole = Spending {
        completion_tokens: tokens,
        calls: n_calls,
        executions,
        lookups,
    };
    let sum = Spending {
        completion_tokens: finished.spent.completion_tokens + finished.left.completion_tokens,
        calls: finished.spent.calls + finished.left.calls,
        executions: finished.spent.executions + finished.left.executions,
        lookups: finished.spent.lookups + finished.left.lookups,
    };
    assert_eq!(sum, whole, "{workflow}: spent and left are the budget");
    let calls = calls(&events);
    assert_eq!(calls.len(), finished.spent.calls, "{workflow}");
    let written: usize = calls.iter().map(|call| call.completion_tokens).sum();
    assert_eq!(written, finished.spent.completion_tokens, "{workflow}");
    let looked_up = events
        .iter()
        .filter(|event| matches!(event.what, What::Lookup(_)));
    assert_eq!(looked_up.count(), finished.spent.lookups, "{workflow}");
    let ran = events
        .iter()
        .filter(|event| matches!(event.what, What::Execution(_)));
    assert_eq!(ran.count(), finished.spent.executions, "{workflow}");
}

#[test]
fn the_last_call_is_shortened_to_what_is_left_and_then_the_tokens_are_spent() {
    let world = World::new().with(|evaluate| {
        evaluate.budget = budget(33, 16, 16);
        evaluate.max_new_tokens = 20;
    });
    let (finished, events) = world.run(Workflow::Reflection, tireless);
    let granted: Vec<usize> = calls(&events)
        .iter()
        .map(|call| call.max_new_tokens)
        .collect();
    assert_eq!(granted, [20, 20, 13, 3]);
    assert_eq!(finished.stop, StopReason::CompletionTokensSpent);
    assert_eq!(finished.left.completion_tokens, 0);
}

#[test]
fn spent_calls_and_executions_are_told_apart_and_the_best_so_far_is_kept() {
    for (budget, stop) in [
        (budget(4096, 4, 16), StopReason::CallsSpent),
        (budget(4096, 16, 1), StopReason::ExecutionsSpent),
        (budget(4096, 16, 0), StopReason::ExecutionsSpent),
    ] {
        let world = World::new().with(|evaluate| evaluate.budget = budget.clone());
        let (finished, _) = world.run(Workflow::Reflection, writer(SQUARE, ZERO));
        assert_eq!((finished.stop, body(&finished)), (stop, SQUARE));
    }
}

#[test]
fn a_budget_that_ends_before_any_program_leaves_none() {
    let endless = |query: &Query| match question(query) {
        Question::Plan => Line::endless("on and on"),
        _ => writer(RIGHT, RIGHT)(query),
    };
    let world = World::new().with(|evaluate| {
        evaluate.budget = budget(64, 16, 16);
        evaluate.max_new_tokens = 64;
    });
    let (finished, _) = world.run(Workflow::MultiAgent, endless);
    assert_eq!(finished.stop, StopReason::CompletionTokensSpent);
    assert_eq!(finished.chosen, None);
}

#[test]
fn programs_beside_each_other_are_not_shortened_while_more_tokens_may_come_back() {
    let world = World::new().with(|evaluate| {
        evaluate.budget = budget(100, 16, 16);
        evaluate.max_new_tokens = 40;
        evaluate.samples = 5;
    });
    let (finished, events) = world.run(Workflow::BestOfN, tireless);
    let granted: Vec<usize> = calls(&events)
        .iter()
        .map(|call| call.max_new_tokens)
        .collect();
    // Two concurrently, then two within what these left, then one.
    assert_eq!(granted, [40, 40, 40, 40, 40]);
    assert_eq!(finished.spent.completion_tokens, 50);
    assert_eq!(finished.stop, StopReason::Finished);
}

#[test]
fn fewer_programs_than_asked_for_are_chosen_among_when_the_calls_end() {
    let world = World::new().with(|evaluate| evaluate.budget = budget(4096, 3, 16));
    let (finished, events) = world.run(Workflow::BestOfN, tireless);
    assert_eq!(calls(&events).len(), 3);
    assert_eq!(finished.spent.executions, 3);
    assert_eq!(finished.stop, StopReason::Finished);
}
