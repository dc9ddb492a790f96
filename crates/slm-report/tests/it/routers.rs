//! Routers: choices, the best fixed choice and the bound, recomputed from the records.

use serde_json::Value;
use slm_config::{Evaluate, Workflow};
use slm_report::{Experiment, OfflineCost, Plan, RoutesInfo, RunInfo, SampleRecord};

use crate::page::check;
use crate::synthetic::{records_of_cells, run_of};

const TASKS: usize = 24;

const CHOICES: [Workflow; 3] = [Workflow::Single, Workflow::Reflection, Workflow::Rag];

fn run(with_control: bool) -> RunInfo {
    let mut workflows = CHOICES.to_vec();
    workflows.push(Workflow::Adaptive);
    if with_control {
        workflows.push(Workflow::AdaptiveRandom);
    }
    let evaluate = Evaluate {
        workflows,
        hypotheses: Vec::new(),
        ..Evaluate::default()
    };
    let mut run = run_of(Experiment::Compare, &[]);
    run.plan = Plan::new(Experiment::Workflows, &evaluate, &[]).expect("a plan");
    run.benchmarks[0].tasks = TASKS;
    run
}

/// The workflow that the router chooses for a task; `rag` for none.
fn choice(task: usize) -> Workflow {
    CHOICES[usize::from(task.is_multiple_of(3))]
}

fn solves(workflow: Workflow, task: usize) -> bool {
    match workflow {
        Workflow::Single => task.is_multiple_of(4),
        Workflow::Reflection => task.is_multiple_of(3) || task % 4 == 1,
        Workflow::Rag => task % 6 == 5,
        Workflow::Adaptive => solves(choice(task), task),
        _ => task.is_multiple_of(5),
    }
}

fn number(record: &SampleRecord) -> usize {
    record.task_id[8..].parse().expect("a number")
}

fn records(run: &RunInfo) -> Vec<SampleRecord> {
    let mut records = records_of_cells(run, TASKS, |cell, task| (solves(cell.workflow, task), 3.0));
    for record in &mut records {
        if record.workflow == "adaptive" {
            record.routed_to = Some(choice(number(record)).name().to_owned());
        }
    }
    records
}

fn arm(run: &RunInfo, records: &[SampleRecord]) -> Value {
    slm_report::build(run, records).summary["findings"]["routers"]["arms"][0].clone()
}

/// Mean over the tasks of a value of each.
fn mean(value: impl Fn(usize) -> f64) -> f64 {
    (0..TASKS).map(value).sum::<f64>() / TASKS as f64
}

fn assert_close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found}"));
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn a_router_is_compared_with_its_control_the_best_fixed_choice_and_a_bound() {
    let mut run = run(true);
    let records = records(&run);
    let found = arm(&run, &records);
    let of_reflection = (0..TASKS).filter(|task| task.is_multiple_of(3)).count();
    assert_eq!(found["chosen"]["reflection"], of_reflection);
    assert_eq!(found["chosen"]["single"], TASKS - of_reflection);
    // `rag` was never chosen, and is no choice as far as the run knows.
    assert_eq!(found["fixed"], serde_json::json!(["single", "reflection"]));
    assert_eq!(found["best_fixed"], "reflection");
    let rate = |workflow: Workflow| mean(|task| f64::from(u8::from(solves(workflow, task))));
    let contrasts = found["contrasts"].as_array().expect("a list");
    let less: Vec<&Value> = contrasts.iter().map(|of| &of["less"]).collect();
    assert_eq!(less, ["adaptive_random", "reflection"]);
    for (contrast, less) in contrasts
        .iter()
        .zip([Workflow::AdaptiveRandom, Workflow::Reflection])
    {
        let expected = rate(Workflow::Adaptive) - rate(less);
        assert_close(&contrast["pass_rate"]["difference"], expected);
    }
    let best = |choices: &[Workflow]| {
        mean(|task| f64::from(u8::from(choices.iter().any(|&of| solves(of, task)))))
    };
    assert_eq!(found["oracle"]["is_upper_bound"], true);
    assert_eq!(found["oracle"]["tasks"], TASKS);
    assert_close(&found["oracle"]["pass_rate"], best(&CHOICES[..2]));
    run.routes = Some(RoutesInfo {
        sha256: "9c".repeat(32),
        tasks: 3,
        choices: CHOICES.map(|of| of.name().to_owned()).to_vec(),
    });
    let found = arm(&run, &records);
    assert_close(&found["oracle"]["pass_rate"], best(&CHOICES));
    assert!(best(&CHOICES) > best(&CHOICES[..2]));
}

#[test]
fn without_a_control_or_a_fixed_choice_there_is_nothing_to_compare_with() {
    let run = run(false);
    let mut records = records(&run);
    assert_eq!(
        arm(&run, &records)["contrasts"].as_array().map(Vec::len),
        Some(1)
    );
    records.retain(|record| record.workflow == "adaptive");
    let found = arm(&run, &records);
    assert_eq!(found["contrasts"], serde_json::json!([]));
    assert_eq!(
        (&found["best_fixed"], &found["oracle"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn the_page_shows_choices_contrasts_the_bound_and_the_cost_before_the_run() {
    let mut run = run(true);
    run.offline = vec![OfflineCost {
        what: "routes".to_owned(),
        completion_tokens: 1200,
        calls: 48,
        executions: 6,
    }];
    let mut records = records(&run);
    // The budget of one answer ends before a choice.
    let first = records.iter_mut().find(|of| of.workflow == "adaptive");
    first.expect("an answer").routed_to = None;
    let page = check(&records, &run).markdown;
    let (_, section) = page.split_once("\n## Router\n").expect("the section");
    for part in [
        "Arm `base`: `adaptive` chose a workflow for 23 of 24 answers; the budget of the rest ended before a choice.",
        "| `reflection` | 7 | 30\u{a0}% |",
        "| `single` | 16 | 70\u{a0}% |",
        "| `adaptive_random` | the router's choice or a draw | 24 |",
        "| `reflection` (best fixed choice) | the router's choice or the best fixed one | 24 |",
        "The best fixed choice, `reflection`, is picked by its pass rate on these same tasks, which is in its favour (from `single`, `reflection`).",
        "*Upper bound*, which is no workflow: the best of these choices for each task, known only after its hidden tests, passes 66.7\u{a0}% of 24 tasks.",
        "| `routes` | 1,200 | 48 | 6 | 50 | 2.00 | 0.25 |",
        "divided by the 24 answers of `adaptive`",
    ] {
        assert!(section.contains(part), "{part}\n{section}");
    }
}

#[test]
fn the_page_names_a_missing_fixed_choice_and_has_no_router_without_one() {
    let mut run = run(false);
    let mut records = records(&run);
    records.retain(|record| record.workflow == "adaptive");
    let page = check(&records, &run).markdown;
    assert!(
        page.contains("so there is no fixed choice to compare with."),
        "{page}"
    );
    assert!(!page.contains("Upper bound"), "{page}");
    assert!(!page.contains("made before the run"), "{page}");
    run = run_of(Experiment::Workflows, &[]);
    let records = records_of_cells(&run, 4, |_, _| (true, 3.0));
    assert!(!check(&records, &run).markdown.contains("## Router"));
}
