//! Plans of recipes: which cells a command runs, and that the plan of a recipe does not change.

use slm_config::{Controls, Evaluate, Workflow};
use slm_report::{Experiment, Plan};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden/plans");

fn plan(experiment: Experiment, evaluate: &Evaluate, adapters: &[&str]) -> Plan {
    Plan::new(experiment, evaluate, adapters).expect("a plan")
}

fn workflows_of(plan: &Plan) -> Vec<&'static str> {
    plan.cells.iter().map(|cell| cell.workflow.name()).collect()
}

#[test]
fn the_plans_of_recipes_without_lookups_are_those_of_earlier_versions() {
    let listed = Evaluate {
        workflows: vec![Workflow::Single, Workflow::Codet],
        ..Evaluate::default()
    };
    for (name, experiment, evaluate) in [
        ("compare", Experiment::Compare, &listed),
        ("workflows", Experiment::Workflows, &listed),
        ("hypotheses", Experiment::Hypotheses, &Evaluate::default()),
    ] {
        let golden = format!("{GOLDEN}/{name}.json");
        let mut found = serde_json::to_string_pretty(&plan(experiment, evaluate, &["a", "b"]))
            .expect("a plan is JSON");
        found.push('\n');
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &found).expect("the golden is writable");
        }
        let expected = std::fs::read_to_string(&golden).expect("the golden exists");
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_comparison_has_the_controls_of_its_workflows_after_them() {
    let mut evaluate = Evaluate {
        workflows: vec![Workflow::Rag, Workflow::Tools],
        ..Evaluate::default()
    };
    let names = |evaluate: &Evaluate, experiment| {
        let plan = plan(experiment, evaluate, &[]);
        let listed = plan.comparison.clone().unwrap_or_default();
        (workflows_of(&plan), listed, plan)
    };
    let (cells, _, _) = names(&evaluate, Experiment::Compare);
    assert_eq!(cells, ["rag", "tools"]);
    evaluate.controls = Controls::Auto;
    let expected = ["rag", "tools", "rag_placebo", "tools_blind", "reflection"];
    let (cells, listed, plan) = names(&evaluate, Experiment::Compare);
    assert_eq!(cells, expected);
    assert_eq!(listed.len(), expected.len());
    assert_eq!(plan.compared_workflow(), Some(Workflow::Rag));
    let (all, listed, _) = names(&evaluate, Experiment::Hypotheses);
    assert_eq!(listed.len(), expected.len());
    assert_eq!(all[..expected.len()], expected);
}

#[test]
fn workflows_beyond_h3_run_beside_it_and_leave_its_contrasts() {
    let mut evaluate = Evaluate {
        workflows: vec![Workflow::Single, Workflow::Rag],
        controls: Controls::Auto,
        ..Evaluate::default()
    };
    let found = plan(Experiment::Workflows, &evaluate, &["tuned"]);
    let of_h3: Vec<&str> = Workflow::of_h3().iter().map(|w| w.name()).collect();
    let expected: Vec<&str> = of_h3
        .iter()
        .copied()
        .chain(["rag", "rag_placebo"])
        .collect();
    assert_eq!(workflows_of(&found), expected);
    assert!(found.cells.iter().all(|cell| cell.arm == "tuned"));
    let tested = found.collaboration.expect("H3 is declared");
    assert_eq!(tested.workflows, Workflow::of_h3());
    evaluate.workflows = vec![Workflow::Codet, Workflow::MultiAgent];
    let within = plan(Experiment::Workflows, &evaluate, &["tuned"]);
    assert_eq!(workflows_of(&within), of_h3);
}

#[test]
fn a_chain_that_the_recipe_lists_joins_h3_and_does_not_decide_it() {
    let evaluate = Evaluate {
        workflows: vec![Workflow::ChatChain],
        controls: Controls::Auto,
        ..Evaluate::default()
    };
    for experiment in [Experiment::Workflows, Experiment::Hypotheses] {
        let found = plan(experiment, &evaluate, &["tuned"]);
        let tested = found.collaboration.expect("H3 is declared");
        let joined = [Workflow::ChatChain, Workflow::ChatChainPlain];
        assert_eq!(
            tested.workflows,
            [Workflow::of_h3(), joined.to_vec()].concat()
        );
        let arm = &tested.arm;
        for workflow in joined {
            let is_cell = |cell: &slm_report::Cell| cell.arm == *arm && cell.workflow == workflow;
            assert!(found.cells.iter().any(is_cell), "{experiment:?} {workflow}");
        }
    }
    let contrasts = Workflow::contrasts();
    let first = contrasts[0];
    assert_eq!(
        (first.of, first.less),
        (Workflow::MultiAgent, Workflow::Reflection)
    );
    assert!(
        contrasts
            .iter()
            .any(|of| (of.of, of.less) == (Workflow::ChatChain, Workflow::MultiAgent))
    );
    let unlisted = plan(Experiment::Workflows, &Evaluate::default(), &["tuned"]);
    assert_eq!(workflows_of(&unlisted).len(), Workflow::of_h3().len());
}

#[test]
fn without_h3_several_workflows_or_one_with_lookups_run_without_a_hypothesis() {
    let cells = |workflows: &[Workflow], controls| {
        let evaluate = Evaluate {
            hypotheses: Vec::new(),
            workflows: workflows.to_vec(),
            controls,
            ..Evaluate::default()
        };
        Plan::new(Experiment::Workflows, &evaluate, &[]).map(|plan| {
            assert_eq!((&plan.comparison, &plan.collaboration), (&None, &None));
            assert!(plan.hypotheses.is_empty() && plan.sweep.is_none());
            workflows_of(&plan)
        })
    };
    let (none, auto) = (Controls::None, Controls::Auto);
    let found = cells(&[Workflow::Rag], none).expect("it looks things up");
    assert_eq!(found, ["rag"]);
    let found = cells(&[Workflow::Rag], auto).expect("it looks things up");
    assert_eq!(found, ["rag", "rag_placebo"]);
    let found = cells(&[Workflow::Single, Workflow::Codet], none).expect("there are two");
    assert_eq!(found, ["single", "codet"]);
    for workflow in [Workflow::Single, Workflow::ToolsBlind] {
        let error = cells(&[workflow], auto).expect_err("nothing to compare it with");
        assert!(error.to_string().contains("tests h3"), "{error}");
    }
}
