//! H2, H3 and all three together, on records with a known true effect.

use serde_json::Value;
use slm_config::{HypothesisId, Workflow};
use slm_report::{Cell, Experiment, Report, RunInfo, SampleRecord};

use crate::page::{check, check_snapshot};
use crate::synthetic::{declared_in_the_recipe, records_of_cells, run_of, with_program};

const TASKS: usize = 60;

fn sweep() -> RunInfo {
    run_of(Experiment::Sweep, &[])
}

fn workflows() -> RunInfo {
    run_of(Experiment::Workflows, &[])
}

fn is_point(cell: &Cell, temperature: f64, top_p: f64) -> bool {
    let same = |a: f64, b: f64| a.total_cmp(&b).is_eq();
    same(cell.decoding.temperature, temperature) && same(cell.decoding.top_p, top_p)
}

/// The default complexity of a task.
fn usual(task: usize) -> f64 {
    3.0 + (task % 4) as f64
}

/// Returns the only claim of a report, with its verdict.
fn claim(report: &Report) -> (&Value, &str) {
    let claims = report.summary["claims"].as_array().expect("a list");
    assert_eq!(claims.len(), 1);
    (
        &claims[0],
        claims[0]["outcome"].as_str().expect("a verdict"),
    )
}

#[test]
fn a_point_with_simpler_programs_is_found_and_supported() {
    let run = sweep();
    let records = records_of_cells(&run, TASKS, |cell, task| {
        let simpler = is_point(cell, 0.6, 0.95) && task % 5 != 0;
        (true, usual(task) - f64::from(u8::from(simpler)))
    });
    let report = check(&records, &run);
    let (claim, outcome) = claim(&report);
    assert_eq!(outcome, "supported", "{claim}");
    assert_eq!(claim["contrast"], "temperature 0.6, top-p 0.95 less greedy");
    assert_eq!(claim["n"], TASKS / 2);
    let estimate = claim["estimate"].as_f64().expect("an estimate");
    assert!((-1.0..=-0.5).contains(&estimate), "{estimate}");
    let overall = &report.summary["findings"]["h2"]["overall"][0];
    assert_eq!(overall["tasks"], TASKS);
    assert!(overall["permutation_p"].as_f64().expect("p") < 0.001);
    assert!(
        report
            .markdown
            .contains("> **H2 supported.** At temperature 0.6, top-p 0.95 (chosen")
    );
}

#[test]
fn points_that_do_not_differ_conclude_nothing() {
    let run = sweep();
    let records = records_of_cells(&run, 12, |_, task| (true, usual(task)));
    let report = check(&records, &run);
    check_snapshot("equal-sweep.md", &report);
    let (claim, outcome) = claim(&report);
    assert_eq!(outcome, "inconclusive");
    assert_eq!(
        (&claim["p"], &claim["interval"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(claim["differing"], 0);
    let test = &report.summary["findings"]["h2"]["test"];
    assert_eq!(test["same_text"]["same"], test["same_text"]["of"]);
    assert_eq!(test["equals"], 8, "of nine points beside the reference");
    let overall = &report.summary["findings"]["h2"]["overall"][0];
    assert_eq!(overall["p"], Value::Null, "{overall}");
}

#[test]
fn simpler_programs_that_cost_too_many_tasks_are_not_chosen() {
    let run = sweep();
    let records = records_of_cells(&run, TASKS, |cell, task| {
        let reckless = is_point(cell, 1.0, 1.0);
        let simpler = 2.0 * f64::from(u8::from(reckless));
        (!reckless || task % 2 == 0, usual(task) - simpler)
    });
    let report = check(&records, &run);
    let (claim, outcome) = claim(&report);
    assert_ne!(claim["contrast"], "temperature 1, top-p 1 less greedy");
    assert_eq!(outcome, "inconclusive", "the others are as the reference");
}

#[test]
fn simpler_programs_everywhere_at_the_cost_of_tasks_are_not_supported() {
    let run = sweep();
    let records = records_of_cells(&run, TASKS, |cell, task| {
        let reference = cell.decoding.is_greedy();
        let simpler = 2.0 * f64::from(u8::from(!reference));
        (reference || task % 2 == 0, usual(task) - simpler)
    });
    let report = check(&records, &run);
    let test = &report.summary["findings"]["h2"]["test"];
    assert_eq!(test["complexity"]["difference"], -2.0);
    assert_eq!(test["cost"], "not_supported");
    assert_eq!(claim(&report).1, "not_supported");
}

#[test]
fn a_sweep_in_which_nothing_is_solved_concludes_nothing() {
    let run = sweep();
    let report = check(
        &records_of_cells(&run, TASKS, |_, task| (false, usual(task))),
        &run,
    );
    assert_eq!(claim(&report).1, "inconclusive");
    assert!(report.markdown.contains("complexity cannot be compared"));
    assert!(report.markdown.contains("No point could be chosen"));
}

#[test]
fn a_sweep_of_one_point_or_none_still_gives_a_page() {
    let run = sweep();
    let records = records_of_cells(&run, TASKS, |_, task| (true, usual(task)));
    let reference: Vec<SampleRecord> = records
        .into_iter()
        .filter(|record| record.decoding.is_greedy())
        .collect();
    let report = check(&reference, &run);
    assert_eq!(claim(&report).1, "inconclusive");
    assert!(
        report
            .markdown
            .contains("**Answers missing.** 60 of 400 planned answers")
    );
    assert_eq!(claim(&check(&[], &run)).1, "inconclusive");
}

#[test]
fn the_halves_do_not_depend_on_the_order_of_the_records() {
    let run = sweep();
    let mut records = records_of_cells(&run, TASKS, |cell, task| {
        let shift = cell.decoding.temperature * cell.decoding.top_p;
        (true, usual(task) - shift * (task % 3) as f64)
    });
    let claim_of = |records: &[SampleRecord]| claim(&check(records, &run)).0.clone();
    let before = claim_of(&records);
    records.reverse();
    let after = claim_of(&records);
    assert_eq!(
        (&before["contrast"], &before["n"]),
        (&after["contrast"], &after["n"])
    );
    assert!(before["n"].as_u64() == Some(TASKS as u64 / 2));
}

/// Multi-agent solves a third of the tasks, reflection this share of them, the other workflows none.
fn solving(run: &RunInfo, reflection_share: usize) -> Vec<SampleRecord> {
    records_of_cells(run, TASKS, |cell, task| {
        let solves = match cell.workflow {
            Workflow::MultiAgent => task % 3 == 0,
            Workflow::Reflection => task % (3 * reflection_share) == 0,
            _ => false,
        };
        (solves, usual(task))
    })
}

#[test]
fn several_agents_that_solve_more_are_supported_by_an_exact_test() {
    let run = workflows();
    let report = check(&solving(&run, 5), &run);
    let (claim, outcome) = claim(&report);
    assert_eq!(outcome, "supported", "{claim}");
    assert_eq!(claim["test"], "exact McNemar");
    // 20 tasks against 4, which both solve: 2 / 2^16.
    let p = claim["p"].as_f64().expect("p");
    assert!((p - 2.0_f64.powi(-15)).abs() < 1e-12, "{p}");
    let estimate = claim["estimate"].as_f64().expect("an estimate");
    assert!((estimate - 100.0 * 16.0 / 60.0).abs() < 1e-9, "{estimate}");
    assert!(
        report
            .markdown
            .contains("> **H3 supported.** Several agents passed all tests of 33.3")
    );
}

#[test]
fn several_agents_that_solve_the_same_conclude_nothing() {
    let run = workflows();
    let records = records_of_cells(&run, 12, |_, task| (task % 3 == 0, usual(task)));
    let report = check(&records, &run);
    check_snapshot("equal-workflows.md", &report);
    let (claim, outcome) = claim(&report);
    assert_eq!(outcome, "inconclusive");
    assert_eq!(
        (&claim["p"], &claim["interval"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(claim["estimate"], 0.0);
}

#[test]
fn several_agents_that_solve_fewer_are_not_supported() {
    let run = workflows();
    let records = records_of_cells(&run, TASKS, |cell, task| {
        let solves = match cell.workflow {
            Workflow::MultiAgent => task % 5 == 0,
            Workflow::Reflection => task % 2 == 0,
            _ => false,
        };
        (solves, usual(task))
    });
    assert_eq!(claim(&check(&records, &run)).1, "not_supported");
}

#[test]
fn a_workflow_without_answers_leaves_h3_open() {
    let run = workflows();
    let mut records = solving(&run, 5);
    records.retain(|record| record.workflow != Workflow::MultiAgent.name());
    let report = check(&records, &run);
    assert_eq!(claim(&report).1, "inconclusive");
    assert!(report.markdown.contains("so they cannot be compared"));
}

#[test]
fn with_several_samples_rates_are_compared_by_permutation() {
    let mut run = workflows();
    for cell in &mut run.plan.cells {
        cell.samples = 3;
    }
    let report = check(&solving(&run, 5), &run);
    let (claim, outcome) = claim(&report);
    assert_eq!(outcome, "supported");
    assert_eq!(claim["test"], "sign-flip permutation");
    assert_eq!(claim["n"], TASKS);
}

#[test]
fn all_hypotheses_stand_in_one_table_and_one_family() {
    let mut run = declared_in_the_recipe(run_of(Experiment::Hypotheses, &["adapter"]));
    run.benchmarks[0].name = "humaneval+".to_owned();
    let mut records = records_of_cells(&run, 40, |cell, task| {
        let simpler = cell.decoding.temperature > 0.0 && task % 4 == 0;
        let solves = match cell.workflow {
            Workflow::Single => task % 3 != 0,
            Workflow::MultiAgent => task % 4 != 0,
            _ => task % 5 < 3,
        };
        (solves, usual(task) - f64::from(u8::from(simpler)))
    });
    for (at, record) in records.iter_mut().enumerate() {
        record.benchmark = "humaneval+".to_owned();
        if record.arm == "adapter" && at % 4 != 0 {
            let body = "    total = 0\n";
            let more = if at % 3 == 0 { "    total += 0\n" } else { "" };
            let commented = record
                .program
                .replace(body, &format!("    # The sum.\n{body}{more}"));
            *record = with_program(record.clone(), commented);
        }
    }
    let report = check(&records, &run);
    check_snapshot("hypotheses.md", &report);
    assert_eq!(report.pictures.len(), 11);
    let claims = report.summary["claims"].as_array().expect("a list");
    let ids: Vec<&str> = claims
        .iter()
        .filter_map(|claim| claim["hypothesis"].as_str())
        .collect();
    assert_eq!(ids, ["h1", "h1", "h2", "h3"]);
    let smallest = claims
        .iter()
        .map(|claim| {
            (
                claim["p"].as_f64().expect("p"),
                claim["holm_p"].as_f64().expect("p"),
            )
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .expect("claims");
    assert!(
        (smallest.1 - (4.0 * smallest.0).min(1.0)).abs() < 1e-12,
        "{smallest:?}"
    );
}

#[test]
fn what_the_recipe_does_not_declare_is_not_claimed() {
    let mut run = run_of(Experiment::Hypotheses, &["adapter"]);
    run.plan
        .hypotheses
        .retain(|hypothesis| hypothesis.id != HypothesisId::H3);
    let records = records_of_cells(&run, 20, |_, task| (task % 2 == 0, usual(task)));
    let report = check(&records, &run);
    let claims = report.summary["claims"].as_array().expect("a list");
    assert!(claims.iter().all(|claim| claim["hypothesis"] != "h3"));
}

#[test]
fn the_recipes_other_workflows_stand_beside_the_first() {
    let mut run = run_of(Experiment::Compare, &["adapter"]);
    let workflows = [Workflow::Single, Workflow::Codet];
    run.plan.comparison = Some(workflows.into());
    let cells = run.plan.cells.clone();
    run.plan.cells.extend(cells.into_iter().map(|cell| Cell {
        workflow: Workflow::Codet,
        ..cell
    }));
    let records = records_of_cells(&run, 12, |cell, task| {
        let solves = cell.workflow == Workflow::Codet && cell.arm == "adapter";
        (solves, usual(task))
    });
    let report = check(&records, &run);
    let found = &report.summary["findings"]["h1"]["elsewhere"];
    assert_eq!(found[0]["workflow"], "codet");
    assert_eq!(found[0]["pass_rate"]["difference"], 1.0);
    assert_eq!(report.summary["claims"].as_array().map(Vec::len), Some(2));
    let row = "| `codet` | `adapter` | Pass rate (%) | +100.0 |";
    assert!(report.markdown.contains(row), "{}", report.markdown);
}

#[test]
fn an_effect_of_h1_in_another_workflow_is_a_claim_with_its_own_gate() {
    let mut run = run_of(Experiment::Compare, &["adapter"]);
    run.plan.comparison = Some(vec![Workflow::Single, Workflow::Codet]);
    let cells = run.plan.cells.clone();
    run.plan.cells.extend(cells.into_iter().map(|cell| Cell {
        workflow: Workflow::Codet,
        ..cell
    }));
    // Of MI and mi_code, which `single` declares, `codet` declares mi_code.
    let mut row = run.plan.hypotheses[1].clone();
    assert_eq!(row.metric, slm_config::HypothesisMetric::MiCode);
    row.workflow = Some(Workflow::Codet);
    row.pass_rate_margin = Some(5.0);
    run.plan.hypotheses.push(row);
    // In single nothing changes; in codet the code is better and half of the tasks are lost.
    let is_better = |arm: &str, workflow: &str| arm == "adapter" && workflow == "codet";
    let mut records = records_of_cells(&run, 24, |cell, task| {
        let loses = is_better(&cell.arm, cell.workflow.name()) && task % 2 == 1;
        (!loses, usual(task))
    });
    for (at, record) in records.iter_mut().enumerate() {
        let gain = if is_better(&record.arm, &record.workflow) {
            10.0
        } else {
            0.0
        };
        let metrics = record.metrics.as_mut().expect("measured");
        metrics.mi_code = 50.0 + gain + (at % 5) as f64;
    }
    let report = check(&records, &run);
    let claims = report.summary["claims"].as_array().expect("claims");
    assert_eq!(claims.len(), 3);
    let claim = &claims[2];
    assert_eq!(claim["contrast"], "adapter less base, codet");
    assert_eq!(claim["metric"], "mi_code");
    assert_eq!(claim["outcome"], "supported");
    // All rows are one family.
    let tested = claims.iter().filter(|claim| claim["p"].is_number()).count();
    let [p, holm] = ["p", "holm_p"].map(|key| claim[key].as_f64().expect("tested"));
    assert!(
        (holm - (p * tested as f64).min(1.0)).abs() < 1e-12,
        "{claim}"
    );
    let found = &report.summary["findings"]["h1"]["elsewhere"][0];
    assert_eq!(found["gate"]["outcome"], "not_supported");
    assert_eq!(found["outcome"], "not_supported");
    assert_eq!(
        report.summary["findings"]["h1"]["adapters"][0]["gate"],
        serde_json::Value::Null
    );
    let headline = "> **H1 in `codet` not supported.** With adapter `adapter`,";
    assert!(report.markdown.contains(headline), "{}", report.markdown);
    assert!(
        report
            .markdown
            .contains("| `adapter less base, codet` | pass rate, gate | **not supported** |")
    );
}
