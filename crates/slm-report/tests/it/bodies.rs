//! Programs beside the publishers' own bodies, and Parsons problems beside the same tasks without lines.

use serde_json::Value;
use slm_metrics::syntax::{BleuCounts, LineUse};
use slm_report::{ProgramMetrics, RunInfo, SampleRecord};

use crate::page::check;
use crate::synthetic::{metrics, program, prompt, run, sample, solved, untested, with_program};

const TASKS: usize = 24;

/// Returns the human's program of a task.
fn human(task: usize) -> String {
    program(task, 2, 1, 0)
}

/// Returns the answers of both arms to tasks without tests: the adapter's equal the human's in two of three tasks.
fn measured_answers() -> (RunInfo, Vec<SampleRecord>) {
    let mut run = run(&["adapter"]);
    "codesearchnet".clone_into(&mut run.benchmarks[0].name);
    run.benchmarks[0].left_out = [("that do not parse as Python 3".to_owned(), 1234)].into();
    let mut records = Vec::new();
    for task in 0..TASKS {
        let own = ProgramMetrics::measure(&human(task), &prompt(task)).expect("a program");
        run.human.insert(format!("starter/{task:02}"), own);
        for arm in ["base", "adapter"] {
            let statements = if arm == "adapter" && task % 3 != 0 {
                2
            } else {
                5
            };
            let mut record = with_program(sample(arm, task), program(task, statements, 1, 0));
            "codesearchnet".clone_into(&mut record.benchmark);
            let function = format!("task_{task}");
            record.bleu = BleuCounts::of_bodies(&record.program, &human(task), &function);
            records.push(untested(record));
        }
    }
    (run, records)
}

#[test]
fn a_run_without_any_test_has_h1_and_the_humans_bodies_but_no_pass_rate() {
    let (run, records) = measured_answers();
    let report = check(&records, &run);
    for part in [
        "No answered task has tests, so no pass rate is known.",
        "24 of 24 tasks have no tests; they are only measured, and in no pass rate;",
        "no gate on the pass rate is possible",
        "1,234 that do not parse as Python 3.",
        "## H1: base model and adapters",
    ] {
        assert!(
            report.markdown.contains(part),
            "{part}\n{}",
            report.markdown
        );
    }
    for wrong in [
        "all count as failed",
        "0 passed",
        "0 of 0",
        "Of 0 tasks",
        "**Tests.**",
        "**Limits.**",
        "– and –",
    ] {
        assert!(
            !report.markdown.contains(wrong),
            "{wrong}\n{}",
            report.markdown
        );
    }
    assert!(
        report
            .markdown
            .contains("No program was tested, so how many of them are right is unknown.")
    );
    let findings = &report.summary["findings"];
    let mi = &findings["h1"]["adapters"][0]["paired"][0];
    assert_eq!(mi["n"], TASKS);
    assert_eq!(mi["human"]["n"], TASKS);
    let arms = &findings["bodies"]["benchmarks"][0]["arms"];
    for (place, arm) in ["base", "adapter"].iter().enumerate() {
        let mut corpus = BleuCounts::default();
        let own = records.iter().filter(|record| record.arm == **arm);
        own.filter_map(|record| record.bleu.as_ref())
            .for_each(|of| corpus.add(of));
        let found = arms[place]["bleu"].as_f64().expect("a number");
        assert!((found - corpus.bleu()).abs() < 1e-9, "{arm}: {found}");
        assert_eq!(arms[place]["parsable"]["share"], 1.0);
        assert_eq!(arms[place]["pass_rate"]["share"], Value::Null);
    }
    let less_base = arms[1]["less_base"].as_f64().expect("a difference");
    let both = [0, 1].map(|arm| arms[arm]["bleu"].as_f64().expect("a number"));
    assert!((less_base - (both[1] - both[0])).abs() < 1e-9 && less_base > 0.0);
    let interval = &arms[1]["less_base_interval"];
    let ends = ["low", "high"].map(|end| interval[end].as_f64().expect("an end"));
    assert!(
        ends[0] <= less_base && less_base <= ends[1] && ends[0] > 0.0,
        "{ends:?}"
    );
    // Programs with three more statements than the human's are less maintainable on every task.
    let beside = &arms[0]["beside_human"][0];
    assert_eq!(
        (&beside["metric"], &beside["n"]),
        (&"maintainability_index".into(), &TASKS.into())
    );
    assert!(
        beside["interval"]["high"].as_f64().expect("an end") < 0.0,
        "{beside}"
    );
}

#[test]
fn a_benchmark_without_tests_is_named_beside_one_with_tests() {
    let (mut run, mut records) = measured_answers();
    let mut tested = run.benchmarks[0].clone();
    "starter".clone_into(&mut tested.name);
    run.benchmarks.push(tested);
    let more = (30..34).flat_map(|task| ["base", "adapter"].map(|arm| solved(sample(arm, task))));
    records.extend(more);
    let report = check(&records, &run);
    assert!(
        report
            .markdown
            .contains("no pass rate includes `codesearchnet`;"),
        "{}",
        report.markdown
    );
    // 8 of the 56 programs have tests.
    assert!(
        report
            .markdown
            .contains("**Limits.** Of 8 tested programs, 0 ended in a timeout"),
        "{}",
        report.markdown
    );
    assert!(report.markdown.contains("- **Tests.** Programs ran on"));
    let rate = &report.summary["findings"]["h1"]["arms"][0]["pass_rate"];
    assert_eq!((&rate["count"], &rate["of"]), (&4.into(), &4.into()));
}

/// Returns a sample of a Parsons problem, or of its task without lines.
fn answer(task: usize, lines: Option<LineUse>, passes: bool) -> SampleRecord {
    let mut record = sample("base", task);
    record.metrics = Some(metrics(70.0, 65.0));
    if lines.is_some() {
        record.benchmark.push_str("/parsons");
        record.task_id.push_str("/parsons");
    }
    record.line_use = lines;
    if passes { solved(record) } else { record }
}

#[test]
fn the_use_of_lines_and_both_pass_rates_are_counted_by_task() {
    let run = run(&[]);
    let all = LineUse {
        given: 4,
        used: 4,
        ..LineUse::default()
    };
    let changed = LineUse {
        used: 2,
        altered: 1,
        unused: 1,
        added: 1,
        ..all
    };
    let misled = LineUse {
        distractors_used: 1,
        used: 3,
        unused: 1,
        ..all
    };
    let mut records = Vec::new();
    for task in 0..20 {
        records.push(answer(task, None, task % 4 == 0));
        let lines = match task % 4 {
            0 | 1 => all,
            2 => changed,
            _ => misled,
        };
        records.push(answer(task, Some(lines), task % 2 == 0));
    }
    // A program that does not parse has no lines, but fails.
    let mut unparsed = answer(20, Some(all), false);
    unparsed.line_use = None;
    records.push(unparsed);
    let report = check(&records, &run);
    let row = &report.summary["findings"]["parsons"]["rows"][0];
    for (key, count) in [
        ("exact", 10),
        ("altered", 5),
        ("added", 5),
        ("unused", 10),
        ("distractor", 5),
    ] {
        assert_eq!(
            (&row[key]["count"], &row[key]["of"]),
            (&count.into(), &20.into()),
            "{key}"
        );
    }
    assert_eq!(
        (&row["tasks"], &row["pass_rate"]["count"]),
        (&21.into(), &10.into())
    );
    let free = &row["free"];
    assert_eq!(
        (&free["n"], &free["pass_rate"], &free["difference"]),
        (&20.into(), &0.25.into(), &0.25.into())
    );
    assert!(free["interval"]["low"].as_f64().expect("an end") > 0.0);
    assert!(report.markdown.contains("## Parsons problems"));

    let alone: Vec<SampleRecord> = records
        .into_iter()
        .filter(|of| of.benchmark.ends_with("/parsons"))
        .collect();
    let report = check(&alone, &run);
    assert_eq!(
        report.summary["findings"]["parsons"]["rows"][0]["free"],
        Value::Null
    );
    assert!(
        report
            .markdown
            .contains("list the benchmark a second time without"),
        "{}",
        report.markdown
    );
}

#[test]
fn problems_whose_names_a_run_prefixed_are_paired_too() {
    let run = run(&[]);
    let lines = LineUse::default();
    let mut records = Vec::new();
    for task in 0..6 {
        for (benchmark, passes) in [("a", false), ("b", true)] {
            for parsons in [None, Some(lines)] {
                let mut record = answer(task, parsons, passes || parsons.is_some());
                record.benchmark = record.benchmark.replace("starter", benchmark);
                record.task_id = format!("{}:{}", record.benchmark, record.task_id);
                records.push(record);
            }
        }
    }
    let report = check(&records, &run);
    let rows = &report.summary["findings"]["parsons"]["rows"];
    for (place, difference) in [(0, 1.0), (1, 0.0)] {
        assert_eq!(rows[place]["free"]["n"], 6);
        assert_eq!(rows[place]["free"]["difference"], difference);
    }
}
