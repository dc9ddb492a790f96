//! All workflows beside each other: attempts, phases, contrasts and assisted workflows.

use serde_json::Value;
use slm_config::{Evaluate, Workflow};
use slm_report::{Experiment, Plan, Report, RunInfo, SampleRecord};

use crate::page::check;
use crate::synthetic::{records_of_cells, run_of, untested};

const TASKS: usize = 24;

fn run() -> RunInfo {
    run_of(Experiment::Workflows, &[])
}

/// Multi-agent solves half of the tasks, reflection a third, the others a quarter.
fn records(run: &RunInfo) -> Vec<SampleRecord> {
    records_of_cells(run, TASKS, |cell, task| {
        let solves = match cell.workflow {
            Workflow::MultiAgent => task.is_multiple_of(2),
            Workflow::Reflection => task.is_multiple_of(3),
            _ => task.is_multiple_of(4),
        };
        (solves, 3.0)
    })
}

fn arm(report: &Report) -> &Value {
    &report.summary["findings"]["workflows"]["arms"][0]
}

fn of_workflow(list: &Value, workflow: Workflow) -> &Value {
    let list = list.as_array().expect("a list");
    list.iter()
        .find(|of| of["workflow"] == workflow.name())
        .expect("a row")
}

#[test]
fn a_task_is_solved_within_the_attempts_of_its_kept_program() {
    let run = run();
    let mut records = records(&run);
    // Reflection keeps program 1, 2, 3 of tasks 0, 1, 2, and so on; it solves every third task, always by its first.
    for record in &mut records {
        let task: u32 = record.task_id[8..].parse().expect("a number");
        let is_reflection = record.workflow == Workflow::Reflection.name();
        let attempts = if is_reflection { task % 4 + 1 } else { 1 };
        record.attempts = Some(attempts);
        record.tokens_to_program = Some(100 * attempts as usize);
        record.seconds_to_program = Some(0.5 * f64::from(attempts));
    }
    let report = check(&records, &run);
    let attempts = &arm(&report)["attempts"];
    assert_eq!(attempts["within"], serde_json::json!([1, 2, 3, 4]));
    let found = of_workflow(&attempts["workflows"], Workflow::Reflection);
    assert_eq!(found["attempts"], 2.5);
    assert_eq!(found["tokens_to_program"], 250.0);
    assert_eq!(found["seconds_to_program"], 1.25);
    // Solved: tasks 0, 3, 6, ..., 21, whose attempts are 1, 4, 3, 2, 1, 4, 3, 2.
    let expected = [2.0, 4.0, 6.0, 8.0].map(|n| n / 24.0);
    for (k, expected) in expected.into_iter().enumerate() {
        let share = found["solved_within"][k].as_f64().expect("a share");
        assert!((share - expected).abs() < 1e-12, "{k}: {share}");
    }
    assert_eq!(attempts["independent"], Value::Null, "one sample per task");
    assert!(report.markdown.contains("| `best_of_n`, drafts | 24 |"));
}

#[test]
fn several_samples_of_one_answer_are_the_control_of_attempts() {
    let mut run = run();
    for cell in &mut run.plan.cells {
        cell.samples = 3;
    }
    let mut records = records_of_cells(&run, TASKS, |_, _| (false, 3.0));
    for record in &mut records {
        record.attempts = Some(1 + record.sample);
        // One of three samples passes on every task.
        if record.sample == 1 {
            *record = crate::synthetic::solved(record.clone());
        }
    }
    let report = check(&records, &run);
    let attempts = &arm(&report)["attempts"];
    let control = &attempts["independent"];
    assert_eq!(control["workflow"], "single");
    for (k, expected) in [1.0 / 3.0, 2.0 / 3.0, 1.0].into_iter().enumerate() {
        let rate = control["pass_at"][k].as_f64().expect("a rate");
        assert!((rate - expected).abs() < 1e-12, "{k}: {rate}");
    }
    assert!(
        report
            .markdown
            .contains("| `single`, pass@k of 3 samples |")
    );
}

#[test]
fn records_without_attempts_are_counted_and_give_no_share() {
    let run = run();
    let mut records = records(&run);
    assert_eq!(arm(&check(&records, &run))["attempts"], Value::Null);
    records[0].attempts = Some(2);
    let report = check(&records, &run);
    let first = &arm(&report)["attempts"]["workflows"][0];
    assert_eq!(first["unknown"], TASKS - 1);
    assert_eq!(first["solved_within"], serde_json::json!([]));
    assert!(
        report
            .markdown
            .contains("23 answers of `reflection` are of an earlier version")
    );
}

#[test]
fn every_contrast_is_shown_and_only_the_declared_one_decides() {
    let run = run();
    let report = check(&records(&run), &run);
    let found = &report.summary["findings"]["workflows"];
    assert_eq!(
        (&found["contrasts"], &found["declared"]),
        (&9.into(), &1.into())
    );
    let rows = found["arms"][0]["groups"][0]["rows"]
        .as_array()
        .expect("rows");
    let of_h3 = report.summary["findings"]["h3"]["contrasts"]
        .as_array()
        .expect("a list");
    assert_eq!(rows.len(), of_h3.len());
    for (at, (row, contrast)) in rows.iter().zip(of_h3).enumerate() {
        assert_eq!(row["is_declared"], at == 0);
        assert_eq!(row["difference"], contrast["pass_rate"]["difference"]);
        assert_eq!(row["interval"], contrast["pass_rate"]["interval"]);
    }
    let (_, svg) = report
        .pictures
        .iter()
        .find(|(path, _)| path == "pictures/contrasts.svg")
        .expect("the chart");
    assert_eq!(svg.matches("(decides)").count(), 1);
    assert!(
        report
            .markdown
            .contains("Only the declared one, marked *decides*")
    );
    assert!(
        report
            .markdown
            .contains("The other 8 were looked at as well and are not corrected")
    );
}

/// Returns the rows of the table under a heading of its first column.
fn rows_under<'a>(markdown: &'a str, heading: &str) -> Vec<&'a str> {
    let heading = format!("| {heading} |");
    let lines = markdown
        .lines()
        .skip_while(|line| !line.starts_with(&heading));
    lines
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect()
}

#[test]
fn every_number_of_the_picture_of_contrasts_is_in_a_table() {
    let mut run = run();
    run.assisted = vec![Workflow::Codet.name().to_owned()];
    let report = check(&records(&run), &run);
    let rows = rows_under(&report.markdown, "H3 and its controls");
    let found = arm(&report)["groups"][0]["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), found.len());
    for (at, (row, of)) in rows.iter().zip(found).enumerate() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let points = of["difference"].as_f64().expect("a difference") * 100.0;
        let shown: f64 = cells[3].replace('\u{2212}', "-").parse().expect("points");
        assert!((shown - points).abs() <= 0.05 + 1e-9, "{row}");
        assert_eq!(cells[4] == "–", of["interval"].is_null(), "{row}");
        assert_eq!(cells[5], of["tasks"].to_string(), "{row}");
        assert_eq!(cells[6].contains("**decides**"), at == 0, "{row}");
    }
    assert!(
        rows[0].starts_with("| `multi_agent` less `reflection` | four roles or one (H3) | +16.7 |"),
        "{}",
        rows[0]
    );
    let mixed = rows
        .iter()
        .filter(|row| row.contains("`codet` less `single` (one assisted)"));
    assert_eq!(mixed.count(), 1, "{rows:?}");
}

#[test]
fn a_contrast_with_a_teacher_on_one_side_is_not_tested() {
    let mut run = run();
    let records = records(&run);
    let unassisted = check(&records, &run);
    assert_ne!(unassisted.summary["claims"][0]["outcome"], "not_tested");
    run.assisted = vec![Workflow::MultiAgent.name().to_owned()];
    let report = check(&records, &run);
    let claim = &report.summary["claims"][0];
    assert_eq!(claim["outcome"], "not_tested");
    for gone in ["estimate", "interval", "p", "holm_p"] {
        assert_eq!(claim[gone], Value::Null, "{gone}");
    }
    assert_eq!(report.summary["findings"]["workflows"]["declared"], 0);
    let text = "> **H3 not tested: `multi_agent` was assisted by a teacher.**";
    assert!(report.markdown.contains(text), "{}", report.markdown);
    assert!(
        report
            .markdown
            .contains("**not tested: `multi_agent` was assisted by a teacher**")
    );
    assert!(
        report
            .markdown
            .contains("**Assisted workflows.** A teacher answered for a role in `multi_agent`")
    );
    run.assisted.push(Workflow::Reflection.name().to_owned());
    let both = check(&records, &run);
    assert_ne!(both.summary["claims"][0]["outcome"], "not_tested");
}

#[test]
fn workflows_on_tasks_without_tests_have_no_contrast_and_no_pass_count() {
    let mut run = run();
    let evaluate = Evaluate {
        workflows: vec![Workflow::Single, Workflow::BestOfN, Workflow::Codet],
        hypotheses: Vec::new(),
        ..Evaluate::default()
    };
    run.plan = Plan::new(Experiment::Workflows, &evaluate, &[]).expect("a plan");
    let records: Vec<SampleRecord> = records(&run).into_iter().map(untested).collect();
    let page = check(&records, &run).markdown;
    assert!(
        page.contains("No contrast in pass rate: no two workflows that are compared"),
        "{page}"
    );
    for wrong in ["0 contrasts", "0 of 0", "all count as failed", "decides"] {
        assert!(!page.contains(wrong), "{wrong}\n{page}");
    }
    assert!(page.contains("| `single` | `base` | greedy | finished 24 | – | – |"));
}

fn phase(name: &str) -> slm_artifacts::Phase {
    let mut all = slm_artifacts::Phase::ALL.into_iter();
    all.find(|phase| phase.name() == name).expect("a phase")
}

#[test]
fn a_phase_that_hardly_any_trajectory_reached_is_named() {
    let run = run();
    let mut records = records(&run);
    let of_workflow = |record: &&mut SampleRecord| record.workflow == "multi_agent";
    for (at, record) in records.iter_mut().filter(of_workflow).enumerate() {
        let reached = if at == 0 {
            ["code", "review"].as_slice()
        } else {
            &["code"]
        };
        record.phases = reached.iter().map(|name| phase(name)).collect();
    }
    let report = check(&records, &run);
    assert!(
        report
            .markdown
            .contains("| `multi_agent` | `code` | 24 of 24 | 100")
    );
    assert!(
        report
            .markdown
            .contains("| `multi_agent` | `review` | 1 of 24 | below 5 % |")
    );
    assert!(
        report
            .markdown
            .contains("`review` of `multi_agent` was reached by 1 of 24, `test` of `multi_agent` was reached by 0 of 24.")
    );
    // A phase that none reached is named, too.
    let none = "| `multi_agent` | `complete` | 0 of 24 | below 5 % |";
    assert!(report.markdown.contains(none));
}
