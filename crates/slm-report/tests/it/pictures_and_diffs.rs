//! What a page shows beside its tables: pictures of declared metrics, published scores, programs as diffs.

use slm_config::{Hypothesis, HypothesisMetric};
use slm_report::SampleRecord;

use crate::page::check;
use crate::synthetic::{metrics, records, run, sample};

#[test]
fn every_declared_metric_of_h1_has_a_picture_with_its_required_effect() {
    let mut run = run(&["adapter"]);
    let declared = run.plan.hypotheses[0].clone();
    run.plan.hypotheses.push(Hypothesis {
        metric: HypothesisMetric::CognitiveComplexity,
        workflow: None,
        effect: -0.5,
        ..declared
    });
    let report = check(&records(&["adapter"], 12), &run);
    let picture = |name: &str| {
        let path = format!("pictures/{name}.svg");
        let mut pictures = report.pictures.iter();
        let found = pictures.find(|(of, _)| *of == path);
        &found.unwrap_or_else(|| panic!("no {path}")).1
    };
    for (name, required) in [
        ("mi", Some("required ≥ +3.0")),
        ("mi_code", Some("required ≥ +3.0")),
        ("cognitive_complexity", Some("required ≤ −0.5")),
        ("comment_bonus", None),
        ("cyclomatic_complexity", None),
    ] {
        let svg = picture(name);
        match required {
            Some(required) => assert!(svg.contains(required), "{name}: {required}"),
            None => assert!(!svg.contains("required"), "{name}"),
        }
        assert!(svg.contains("adapter less base: "), "{name}");
    }
}

#[test]
fn a_published_score_is_beside_most_of_its_benchmark_or_not_printed() {
    let page = |tasks: usize| {
        let mut run = run(&[]);
        run.benchmarks[0].name = "humaneval".to_owned();
        let records: Vec<_> = (0..tasks)
            .map(|task| SampleRecord {
                benchmark: "humaneval".to_owned(),
                ..sample("base", task)
            })
            .collect();
        check(&records, &run).markdown
    };
    let whole = page(164);
    assert!(whole.contains("| Qwen2.5-Coder-1.5B, published | 43.9 |"));
    assert!(!whole.contains("of the whole benchmark"));
    let half = page(82);
    assert!(half.contains("| Qwen2.5-Coder-1.5B, published | 43.9 |"));
    assert!(half.contains(
        "The published scores on `humaneval` are of the whole benchmark of 164 tasks, those of this run of 82 tasks."
    ));
    let few = page(81);
    assert!(!few.contains("43.9"), "{few}");
    assert!(few.contains("This run has answers to 81 of them, less than half"));
}

#[test]
fn programs_are_compared_as_diffs_that_fit_into_the_page() {
    let program = |body: &str| format!("def f(x):\n    return {body}\n");
    let mut base = sample("base", 1);
    base.program = program(&"1 + ".repeat(60));
    let mut tuned = sample("adapter", 1);
    tuned.program = program("x");
    tuned.metrics = Some(metrics(90.0, 80.0));
    let page = check(&[base, tuned], &run(&["adapter"])).markdown;
    let (_, rest) = page
        .split_once("```diff\n")
        .expect("a block with the difference");
    let (diff, _) = rest.split_once("\n```").expect("its end");
    let lines: Vec<&str> = diff.lines().collect();
    assert_eq!(
        lines[..4],
        ["--- base", "+++ adapter", "@@ -1,2 +1,2 @@", " def f(x):"]
    );
    assert_eq!(lines[5], "+    return x");
    let longest = lines.iter().map(|line| line.chars().count()).max();
    assert!(longest.is_some_and(|longest| longest <= 100), "{diff}");
    assert!(lines[4].starts_with("-    return 1 + ") && lines[4].ends_with(" characters)"));
}
