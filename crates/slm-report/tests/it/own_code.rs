//! The opening of a report on the user's own repository, and the comment bonus by who wrote it.

use serde_json::Value;
use slm_artifacts::ContaminationSearch;
use slm_report::{RunInfo, SampleRecord};

use crate::page::{check, check_snapshot};
use crate::synthetic::{
    declared_in_the_recipe, measured, program, prompt, records, run, untested, with_program,
};

const FUNCTIONS: usize = 24;

/// Returns the records of a run on a repository, a third of whose functions have no tests.
fn repository() -> (Vec<SampleRecord>, RunInfo) {
    let mut run = declared_in_the_recipe(run(&["adapter"]));
    run.plan.hypotheses[0].pass_rate_margin = Some(2.0);
    "repository".clone_into(&mut run.benchmarks[0].name);
    run.adapters[0].search = Some(ContaminationSearch {
        benchmarks: vec!["repository".to_owned()],
        left_out: 0,
    });
    run.benchmarks[0].tasks = FUNCTIONS;
    run.human = (0..FUNCTIONS)
        .map(|task| {
            let own = measured(&program(task, (task * 5) % 7, 1, task % 2), &prompt(task));
            (format!("starter/{task:02}"), own)
        })
        .collect();
    let mut records = records(&["adapter"], FUNCTIONS);
    for (at, record) in records.iter_mut().enumerate() {
        let task = at % FUNCTIONS;
        "repository".clone_into(&mut record.benchmark);
        if task % 3 == 2 {
            *record = untested(record.clone());
        }
        let closer = f64::from(u8::from(record.arm != "base"));
        record.reference_loss = Some(1.5 - 0.25 * closer + 0.01 * task as f64 * (1.0 + closer));
        if record.parsable {
            record.similarity = Some(0.3 + 0.1 * closer * (task % 4) as f64 + 0.013 * task as f64);
            record.same_signature = Some(!task.is_multiple_of(7));
        }
    }
    (records, run)
}

#[test]
fn a_report_on_own_code_opens_with_it() {
    let (records, run) = repository();
    let report = check(&records, &run);
    check_snapshot("own-code.md", &report);
    let opening = "# Base model against adapter: `synthetic`\n\n**Your code: 24 held-out functions (16 with tests, 8 measured \
                   only), base against `adapter`.**\n\n| on your code |";
    assert!(report.markdown.starts_with(opening), "{}", report.markdown);
    let found = &report.summary["findings"]["own_code"]["adapters"][0]["contrasts"];
    let of_h1 = &report.summary["findings"]["h1"]["adapters"][0];
    let keys = [
        "pass_rate",
        "mi_code",
        "debt_minutes",
        "similarity",
        "reference_loss",
    ];
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(found[at]["metric"], *key);
        let all = ["paired", "quality", "beside_human"].map(|table| of_h1[table].as_array());
        let mut all = all.into_iter().flatten().flatten();
        let same = all.find(|contrast| contrast["metric"] == *key);
        assert_eq!(Some(&found[at]), same, "one number is not computed twice");
    }
    assert_eq!((&found[0]["n"], &found[4]["n"]), (&16.into(), &24.into()));
    let human = &found[1]["human"];
    assert_eq!(human["n"], found[1]["n"]);
    // The same programs, averaged by hand over the compared tasks.
    let of = |arm: &str, id: &str| {
        let found = records.iter().find(|of| of.arm == arm && of.task_id == id);
        found.is_some_and(|record| record.metrics.is_some())
    };
    let compared = run
        .human
        .iter()
        .filter(|(id, _)| of("base", id) && of("adapter", id));
    let values: Vec<f64> = compared.map(|(_, metrics)| metrics.mi_code).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    assert!((human["mean"].as_f64().expect("a mean") - mean).abs() < 1e-9);
}

#[test]
fn functions_that_the_training_may_have_seen_are_not_called_held_out() {
    let (records, mut run) = repository();
    run.adapters[0].search = None;
    let page = check(&records, &run).markdown;
    let opening: Vec<&str> = page.lines().skip(2).take(1).collect();
    assert_eq!(
        opening,
        [
            "**Your code: 24 functions (16 with tests, 8 measured only), base against `adapter`.** The folder of `adapter` \
             does not record that its training held these files out: it may have learned them."
        ]
    );
}

#[test]
fn functions_of_a_repository_beside_another_benchmark_are_counted_alone() {
    let (mut records, mut run) = repository();
    for record in &mut records {
        if record.task_id.as_str() >= "starter/10" {
            "humaneval+".clone_into(&mut record.benchmark);
        }
    }
    run.human.clear();
    let report = check(&records, &run);
    let found = &report.summary["findings"]["own_code"];
    assert_eq!(
        (&found["functions"], &found["tested"]),
        (&10.into(), &7.into())
    );
    assert_eq!(found["adapters"][0]["contrasts"][4]["n"], 10);
    assert_eq!(found["adapters"][0]["contrasts"][1]["human"], Value::Null);
    for record in &mut records {
        "starter".clone_into(&mut record.benchmark);
    }
    let report = check(&records, &run);
    assert_eq!(report.summary["findings"]["own_code"], Value::Null);
    assert!(!report.markdown.contains("Your code"));
}

#[test]
fn the_bonus_by_writer_adds_up_and_is_the_tasks_where_the_model_wrote_no_comment() {
    let mut records = Vec::new();
    for arm in ["base", "adapter"] {
        for task in 0..60 {
            let (docstring, comments) = match arm {
                "base" => (1, 0),
                _ => (1 + task % 4, task % 6),
            };
            let text = program(task, task % 9, docstring, comments);
            records.push(with_program(crate::synthetic::sample(arm, task), text));
        }
    }
    let report = check(&records, &run(&["adapter"]));
    let found = &report.summary["findings"]["h1"]["adapters"][0];
    let number = |contrast: &Value, key: &str| contrast[key].as_f64().expect("a number");
    let writers = &found["bonus_writers"];
    for key in ["reference_mean", "mean", "difference"] {
        let sum = number(&writers[0], key) + number(&writers[1], key);
        let bonus = number(&found["bonus"], key);
        assert!((sum - bonus).abs() < 1e-9, "{key}: {sum}, not {bonus}");
    }
    assert_eq!(writers[0]["n"], 60);
    assert_eq!(writers[1]["reference_mean"], 0.0);
    assert!(number(&writers[1], "mean") > 1.0, "{}", writers[1]);
    // An earlier record does not contain what its prompt gave.
    for record in &mut records {
        let metrics = record.metrics.as_mut().expect("metrics");
        metrics.given_comments = None;
    }
    let page = check(&records, &run(&["adapter"])).markdown;
    assert!(page.contains("No record contains what its prompt gave"));
    assert!(!page.contains("by writer: "));
}
