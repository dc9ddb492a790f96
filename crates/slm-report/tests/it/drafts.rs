//! Workflows with several drafts: none of them is called greedy, and what chooses a program is named.

use slm_config::{Evaluate, Workflow};
use slm_report::{Experiment, Plan, RunInfo, SampleRecord};

use crate::page::check;
use crate::synthetic::{records_of_cells, run_of};

/// Returns a run of these workflows with these lines in the recipe's `evaluate`.
fn run(workflows: &[Workflow], evaluate: &str) -> RunInfo {
    let mut run = run_of(Experiment::Compare, &[]);
    let of = Evaluate {
        workflows: workflows.to_vec(),
        hypotheses: Vec::new(),
        ..Evaluate::default()
    };
    run.plan = Plan::new(Experiment::Workflows, &of, &[]).expect("a plan");
    run.recipe.yaml = format!("model:\n  name_or_path: m.gguf\nevaluate:\n{evaluate}");
    run
}

fn records(run: &RunInfo) -> Vec<SampleRecord> {
    records_of_cells(run, 4, |_, task| (task == 0, 3.0))
}

fn page(run: &RunInfo) -> String {
    check(&records(run), run).markdown
}

const OF_DRAFTS: [Workflow; 4] = [
    Workflow::Single,
    Workflow::BestOfN,
    Workflow::Codet,
    Workflow::Beam,
];

#[test]
fn drafts_at_another_temperature_are_called_greedy_nowhere() {
    let yaml = "  samples: 5\n  samples_temperature: 0.8\n";
    let page = page(&run(&OF_DRAFTS, yaml));
    let drawn = "`best_of_n`, `codet`, `beam`: first draft greedy, others at temperature 0.8";
    for part in [
        format!("greedy decoding unless stated otherwise ({drawn});"),
        format!("**One decoding.** Greedy ({drawn}): how much answers vary"),
        format!("*Sampling* of {drawn}."),
    ] {
        assert!(page.contains(&part), "{part}\n{page}");
    }
    assert_eq!(page.matches("| `single` | `base` | greedy |").count(), 4);
    for workflow in ["best_of_n", "codet", "beam"] {
        let row = format!("| `{workflow}` | `base` | first draft greedy |");
        assert_eq!(page.matches(&row).count(), 3, "{workflow}\n{page}");
    }
}

#[test]
fn a_recipe_without_the_temperature_gives_no_number() {
    let page = page(&run(&OF_DRAFTS[..2], ""));
    assert!(
        page.contains("`best_of_n`: first draft greedy, others sampled"),
        "{page}"
    );
    assert!(!page.contains("others at temperature"), "{page}");
}

#[test]
fn a_single_draft_and_other_workflows_are_greedy() {
    let page_of_one = page(&run(
        &OF_DRAFTS[..3],
        "  samples: 1\n  samples_temperature: 0.8\n",
    ));
    let others = [Workflow::Single, Workflow::Reflection];
    let page_of_others = page(&run(&others, "  samples: 5\n  samples_temperature: 0.8\n"));
    for page in [page_of_one, page_of_others] {
        assert!(!page.contains("first draft"), "{page}");
        assert!(
            page.contains("**One decoding.** Greedy: how much"),
            "{page}"
        );
    }
}

#[test]
fn sampled_cells_keep_their_own_sampling_for_the_first_draft() {
    let mut run = run(
        &OF_DRAFTS[..2],
        "  samples: 5\n  samples_temperature: 0.8\n",
    );
    run.sampling.temperature = 0.3;
    run.plan.reference.temperature = 0.3;
    for cell in &mut run.plan.cells {
        cell.decoding.temperature = 0.3;
    }
    let page = page(&run);
    let drawn = "`best_of_n`: first draft by the cell's sampling, others at temperature 0.8";
    assert!(
        page.contains(&format!("1 sample per task at temperature 0.30 ({drawn});")),
        "{page}"
    );
    assert!(
        page.contains("| `best_of_n` | `base` | first draft temperature 0.3, top-p 1 |"),
        "{page}"
    );
}

#[test]
fn answers_of_a_router_that_chose_several_drafts_are_counted() {
    let workflows = [Workflow::Single, Workflow::Adaptive];
    let run = run(&workflows, "  samples_temperature: 0.8\n");
    let mut records = records(&run);
    let routed = records.iter_mut().filter(|of| of.workflow == "adaptive");
    for (at, record) in routed.enumerate() {
        let choice = if at < 3 {
            Workflow::BestOfN
        } else {
            Workflow::Single
        };
        record.routed_to = Some(choice.name().to_owned());
    }
    let page = check(&records, &run).markdown;
    assert!(
        page.contains("So are 3 answers of `adaptive`, which chose such a workflow for them."),
        "{page}"
    );
}

#[test]
fn what_chooses_a_program_is_named_unless_it_is_the_public_examples() {
    let select = |word: &str, workflows: &[Workflow]| {
        page(&run(
            workflows,
            &format!("  samples: 5\n  samples_select: {word}\n"),
        ))
    };
    let best_of_n = &OF_DRAFTS[..2];
    let others = [Workflow::Single, Workflow::Codet];
    for (word, part) in [
        (
            "likelihood",
            "`best_of_n` keeps the program with the largest mean log-probability",
        ),
        (
            "verifier",
            "`best_of_n` keeps the program that the role `verifier` finds most likely",
        ),
        (
            "weighted",
            "keeps a program of the answer whose verifier's scores have the largest sum.",
        ),
    ] {
        assert!(select(word, best_of_n).contains(part), "{word}");
        assert!(!select(word, &others).contains(part), "{word}");
    }
    assert!(!select("public", best_of_n).contains("`best_of_n` keeps"));
    let beam = |score: &str| {
        let yaml = format!("  beam:\n    n: 4\n    score: {score}\n  samples: 5\n");
        page(&run(&[Workflow::Single, Workflow::Beam], &yaml))
    };
    assert!(beam("likelihood").contains("`beam` keeps the partial programs with the largest mean"));
    assert!(
        beam("verifier").contains("`beam` keeps the partial programs that the role `verifier`")
    );
}
