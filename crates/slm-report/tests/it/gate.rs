//! H1 behind its gate on the pass rate, and samples of tasks without tests.

use serde_json::Value;
use slm_config::{Hypothesis, HypothesisMetric};
use slm_report::{Report, RunInfo, SampleRecord};

use crate::page::check;
use crate::synthetic::{declared_in_the_recipe, metrics, run, sample, solved, untested};

/// Returns both arms' answers to `tasks` tasks: the adapter's MI and `mi_code` are higher by 4 to 8 points, and it solves
/// the first `solves` tasks, the base model all.
fn answers(tasks: usize, solves: usize) -> Vec<SampleRecord> {
    let mut records = Vec::new();
    for task in 0..tasks {
        let mut tuned = sample("adapter", task);
        let rise = 4.0 + (task % 5) as f64;
        tuned.metrics = Some(metrics(70.0 + rise, 65.0 + rise));
        let tuned = if task < solves { solved(tuned) } else { tuned };
        records.extend([solved(sample("base", task)), tuned]);
    }
    records
}

/// Returns a run that declares these margins on its two rows of H1.
fn with_margins(margins: [Option<f64>; 2]) -> RunInfo {
    let mut run = declared_in_the_recipe(run(&["adapter"]));
    for (row, margin) in run.plan.hypotheses.iter_mut().zip(margins) {
        row.pass_rate_margin = margin;
    }
    run
}

fn adapter(report: &Report) -> &Value {
    &report.summary["findings"]["h1"]["adapters"][0]
}

/// Asserts the verdict on H1, that of its gate, and a part of the page.
fn check_gate(records: &[SampleRecord], outcome: &str, gate: &str, part: &str) {
    let report = check(records, &with_margins([Some(2.0), None]));
    let found = adapter(&report);
    assert_eq!(found["outcome"], outcome, "{}", found["gate"]);
    assert_eq!(found["gate"]["outcome"], gate, "{}", found["gate"]);
    assert!(
        report.markdown.contains(part),
        "`{part}` in:\n{}",
        report.markdown
    );
}

#[test]
fn a_pass_rate_that_no_task_changes_passes_the_gate_only_with_enough_tasks() {
    check_gate(
        &answers(183, 183),
        "supported",
        "supported",
        "The pass rate did not change on 183 tasks with tests (95 % interval −2.0\u{a0}to\u{a0}+2.0, exact limits): it has \
         not fallen by more than 2.0 points.",
    );
    check_gate(
        &answers(40, 40),
        "inconclusive",
        "inconclusive",
        "(95 % interval −8.8\u{a0}to\u{a0}+8.8, exact limits): it may have fallen by more than 2.0 points.",
    );
}

#[test]
fn a_pass_rate_that_falls_for_certain_is_not_supported_whatever_mi_does() {
    check_gate(
        &answers(40, 20),
        "not_supported",
        "not_supported",
        "it has fallen by more than 2.0 points.",
    );
    check_gate(
        &answers(40, 32),
        "not_supported",
        "not_supported",
        "MI supported, mi_code supported, pass rate not supported.",
    );
    check_gate(
        &answers(40, 36),
        "inconclusive",
        "inconclusive",
        "it may have fallen by more than 2.0 points.",
    );
}

#[test]
fn without_a_margin_there_is_no_gate_and_of_two_margins_the_smaller_counts() {
    let records = answers(40, 30);
    let report = check(&records, &with_margins([None, None]));
    assert_eq!(adapter(&report)["gate"], Value::Null);
    assert_eq!(adapter(&report)["outcome"], "supported");
    assert!(!report.markdown.contains("gate"));
    let report = check(&records, &with_margins([Some(60.0), Some(1.5)]));
    assert_eq!(adapter(&report)["gate"]["margin"], 1.5);
    let report = check(&records, &with_margins([Some(60.0), None]));
    assert_eq!(adapter(&report)["outcome"], "supported");
}

#[test]
fn without_a_tested_task_the_gate_cannot_be_met() {
    let records: Vec<_> = answers(40, 40).into_iter().map(untested).collect();
    check_gate(
        &records,
        "inconclusive",
        "inconclusive",
        "No task has tests that both arms answered, so the pass rate may have fallen by more than 2.0 points.",
    );
    check_gate(
        &records,
        "inconclusive",
        "inconclusive",
        "40 of 40 tasks have no tests; they are only measured, and in no pass rate;",
    );
}

#[test]
fn complexity_findings_and_debt_are_claims_in_which_a_fall_is_an_improvement() {
    let metrics = [
        HypothesisMetric::CognitiveComplexity,
        HypothesisMetric::SecurityFindings,
        HypothesisMetric::ReliabilityFindings,
        HypothesisMetric::Smells,
        HypothesisMetric::DebtMinutes,
    ];
    let mut run = declared_in_the_recipe(run(&["adapter"]));
    let row = run.plan.hypotheses[0].clone();
    run.plan.hypotheses = metrics
        .map(|metric| Hypothesis {
            metric,
            workflow: None,
            effect: -1.0,
            ..row.clone()
        })
        .into();
    let mut records = answers(20, 20);
    for (at, record) in records.iter_mut().enumerate() {
        let (task, is_base) = (at / 2, at % 2 == 0);
        let more = if is_base { 3 + task % 3 } else { task % 2 };
        let found = record.metrics.as_mut().expect("metrics");
        found.cognitive_complexity = Some(more);
        found.security_findings = Some(more);
        found.reliability_findings = Some(1);
        found.smells = Some(2 - usize::from(is_base));
        found.debt_minutes = Some(2.5 * more as f64);
    }
    let report = check(&records, &run);
    let claims = report.summary["claims"].as_array().expect("a list");
    let outcomes: Vec<_> = claims.iter().map(|claim| &claim["outcome"]).collect();
    assert_eq!(
        outcomes,
        [
            "supported",
            "supported",
            "inconclusive",
            "inconclusive",
            "supported"
        ]
    );
    // 3 + (0, 1, 2) on 20 tasks is 3.95 on average, less 0.5; findings are per 100 programs.
    let estimate = |at: usize| claims[at]["estimate"].as_f64().expect("a number");
    for (at, expected) in [(0, -3.45), (1, -345.0), (3, 100.0), (4, -8.625)] {
        let found = estimate(at);
        assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
    }
    assert_eq!(adapter(&report)["outcome"], "inconclusive");
    let part = "The mean of cognitive complexity fell by 3.45 (95 % interval ";
    assert!(report.markdown.contains(part), "{}", report.markdown);
}

#[test]
fn a_task_without_tests_neither_passes_nor_fails() {
    let mut records = answers(20, 12);
    let with_tests = check(&records, &run(&["adapter"])).summary;
    for task in 20..30 {
        for arm in ["base", "adapter"] {
            records.push(untested(sample(arm, task)));
        }
    }
    let mut run = run(&["adapter"]);
    run.benchmarks[0].tasks = 30;
    let report = check(&records, &run);
    let found = &report.summary["findings"]["h1"];
    let before = &with_tests["findings"]["h1"];
    for at in [0, 1] {
        for key in ["pass_rate", "executable", "mi_of_failed", "cpu_s_of_passed"] {
            assert_eq!(found["arms"][at][key], before["arms"][at][key], "{key}");
        }
        assert_eq!(found["arms"][at]["tasks"], 30);
        let cell = &report.summary["cells"][at];
        let counts = [&cell["samples"], &cell["tested"]];
        assert_eq!(counts, [30, 20]);
    }
    let adapter = adapter(&report);
    assert_eq!(adapter["solved"], before["adapters"][0]["solved"]);
    let pairs = |key: &str| {
        let all = adapter["paired"].as_array().expect("a list");
        let found = all.iter().find(|contrast| contrast["metric"] == key);
        found.expect("a contrast")["n"].clone()
    };
    assert_eq!(
        (pairs("pass_rate"), pairs("mi_code")),
        (20.into(), 30.into())
    );
    assert!(report.markdown.contains("10 of 30 tasks have no tests;"));
}

#[test]
fn pass_at_k_is_over_tasks_with_tests() {
    let mut records = Vec::new();
    for task in 0..4 {
        for number in 0..2 {
            let mut record = sample("base", task);
            record.sample = number;
            records.push(match task {
                0 => solved(record),
                1 => record,
                _ => untested(record),
            });
        }
    }
    let report = check(&records, &run(&[]));
    let found = &report.summary["findings"]["h1"]["arms"][0]["pass_at_k"];
    assert_eq!((&found["k"], &found["rate"]), (&2.into(), &0.5.into()));
}
