//! The section `knowledge`, the workflows that need it, and what they can cost.

use slm_config::{Cost, CostFacts, Needs, Workflow};

use crate::{SMALLEST, error, parse};

fn with(text: &str) -> String {
    format!("{SMALLEST}{text}")
}

#[test]
fn a_workflow_that_looks_things_up_needs_something_to_look_in() {
    for key in [
        "evaluate: {workflows: [single, rag]}",
        "evaluate: {sweep: {workflow: sketch}}",
    ] {
        let error = error(&with(key), &[]);
        assert!(error.contains("knowledge.docs"), "{error}");
        assert!(
            error.contains("documentation here or code in knowledge.code"),
            "{error}"
        );
    }
    let error = error(&with("evaluate: {workflows: [memory]}"), &[]);
    assert!(error.contains("knowledge.memory"), "{error}");
    assert!(error.contains("`evaluator memory`"), "{error}");
    for sources in ["docs: [docs]", "code: [src]"] {
        let text = format!("evaluate: {{workflows: [rag]}}\nknowledge: {{{sources}}}");
        parse(&with(&text), &[]).expect("a recipe");
    }
}

#[test]
fn the_grade_of_irrelevance_is_at_most_that_of_relevance() {
    let error = error(&with("knowledge: {upper: 0.3, lower: 0.4}"), &[]);
    assert!(error.contains("knowledge.lower"), "{error}");
    assert!(error.contains("at most knowledge.upper, 0.3"), "{error}");
}

#[test]
fn every_workflow_that_looks_things_up_has_a_control_or_is_one() {
    let controls: Vec<Workflow> = Workflow::ALL
        .iter()
        .flat_map(|workflow| workflow.controls().iter().copied())
        .collect();
    for workflow in Workflow::ALL {
        let is_bound = *workflow == Workflow::RagOracle;
        let has_one = !workflow.controls().is_empty() || controls.contains(workflow);
        assert!(!workflow.looks_up() || has_one || is_bound, "{workflow}");
    }
}

#[test]
fn controls_are_added_once_after_the_listed_workflows() {
    let listed = [
        Workflow::Rag,
        Workflow::RagPlacebo,
        Workflow::Sketch,
        Workflow::Crag,
    ];
    let expected = [
        listed.as_slice(),
        &[Workflow::SketchCopy, Workflow::BestOfN],
    ]
    .concat();
    assert_eq!(Workflow::with_controls(&listed), expected);
}

#[test]
fn costs_are_those_of_the_recipe() {
    let most = |workflow: Workflow, sets: &str| {
        let text = format!(
            "evaluate: {{rounds: 2, samples: 4, tools: {{strategy: react}}}}\nknowledge: {{{sets}}}"
        );
        let recipe = parse(&with(&text), &[]).expect("a recipe");
        let Cost {
            calls,
            executions,
            lookups,
        } = workflow.most(&CostFacts::of(&recipe));
        [calls, executions, lookups]
    };
    let by_model = "grade: model, top_k: 5";
    for (workflow, sets, expected) in [
        (Workflow::Single, "", [1, 0, 0]),
        (Workflow::Reflection, "", [6, 3, 0]),
        (Workflow::MultiAgent, "", [7, 3, 0]),
        (Workflow::BestOfN, "", [4, 4, 0]),
        (Workflow::Rag, "", [1, 1, 1]),
        (Workflow::Crag, "", [2, 1, 2]),
        (Workflow::Crag, by_model, [12, 1, 2]),
        (Workflow::Sketch, "", [2, 2, 1]),
        (Workflow::Tools, "", [11, 11, 8]),
        (Workflow::ToolsBlind, "", [11, 11, 0]),
        (Workflow::Memory, "memory_mode: dynamic", [3, 2, 1]),
        (Workflow::Memory, "memory_mode: static", [2, 2, 0]),
    ] {
        assert_eq!(most(workflow, sets), expected, "{workflow} {sets}");
    }
}

#[test]
fn a_workflow_without_lookups_costs_none() {
    let recipe = parse(&with("evaluate: {rounds: 3}"), &[]).expect("a recipe");
    let facts = CostFacts::of(&recipe);
    for workflow in Workflow::ALL {
        let lookups = workflow.most(&facts).lookups;
        assert_eq!(
            workflow.needs() == Needs::Nothing,
            lookups == 0,
            "{workflow}"
        );
    }
}
