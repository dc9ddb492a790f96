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
        (Workflow::ChatChain, "", [13, 3, 0]),
        (Workflow::ChatChainPlain, "", [7, 3, 0]),
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

#[test]
fn a_router_chooses_among_workflows_that_have_what_they_need() {
    let choices = |text: &str| {
        let recipe = parse(&with(text), &[]).expect("a recipe");
        let names = recipe.adaptive_choices().into_iter().map(Workflow::name);
        let left_out = recipe.adaptive_left_out().into_iter().map(Workflow::name);
        (names.collect::<Vec<_>>(), left_out.collect::<Vec<_>>())
    };
    let (chosen, left_out) = choices("evaluate: {workflows: [adaptive]}");
    assert_eq!(chosen, ["single", "reflection", "multi_agent"]);
    assert_eq!(left_out, ["rag", "memory"]);
    let (chosen, left_out) =
        choices("evaluate: {workflows: [adaptive]}\nknowledge: {code: [src], memory: m.jsonl}");
    assert_eq!(
        chosen,
        ["single", "reflection", "rag", "multi_agent", "memory"]
    );
    assert!(left_out.is_empty());
    for (key, expected) in [
        (
            "choices: [single, rag]",
            "since rag looks things up in them",
        ),
        ("choices: [memory]", "since memory looks things up in it"),
        (
            "choices: [single, adaptive]",
            "workflows that do not choose another one",
        ),
        (
            "choices: [adaptive_random]",
            "workflows that do not choose another one",
        ),
        ("choices: [singel]", "did you mean `single`"),
        ("choices: []", "evaluate.adaptive.choices"),
        ("router: nearest", "evaluator dataset RUN... --to routes"),
        ("router: nearist", "did you mean `nearest`"),
    ] {
        let text = format!("evaluate: {{workflows: [adaptive], adaptive: {{{key}}}}}");
        let error = error(&with(&text), &[]);
        assert!(error.contains(expected), "{key}: {error}");
    }
    // Settings of a workflow that does not run ask for nothing.
    choices("evaluate: {adaptive: {choices: [single, rag], router: nearest}}");
}

#[test]
fn a_router_costs_a_call_more_than_the_largest_of_its_choices() {
    let most = |choices: &str| {
        let text = format!(
            "evaluate: {{workflows: [adaptive], adaptive: {{choices: [{choices}]}}}}\nknowledge: {{code: [src]}}"
        );
        let recipe = parse(&with(&text), &[]).expect("a recipe");
        let facts = CostFacts::of(&recipe);
        let of = |workflow: Workflow| {
            let most = workflow.most(&facts);
            [most.calls, most.executions, most.lookups]
        };
        (of(Workflow::Adaptive), of(Workflow::AdaptiveRandom))
    };
    assert_eq!(most("single"), ([2, 0, 0], [1, 0, 0]));
    assert_eq!(most("single, reflection, rag"), ([9, 4, 1], [8, 4, 1]));
    assert_eq!(most("chat_chain, sketch"), ([18, 4, 1], [17, 4, 1]));
}
