//! H1's verdicts and sentences: identical arms, changes in comments only, and declared or default effects.

use serde_json::Value;
use slm_artifacts::Verdict;
use slm_config::Declared;
use slm_report::{Report, RunInfo, SampleRecord};

use crate::page::{check, check_snapshot};
use crate::synthetic::{declared_in_the_recipe, program, run, sample, with_program};

/// Returns both arms' answers to `tasks` tasks; `shape` gives statements, docstring lines and comments of a program.
fn answers(
    tasks: usize,
    shape: impl Fn(&str, usize) -> (usize, usize, usize),
) -> Vec<SampleRecord> {
    let mut records = Vec::new();
    for arm in ["base", "adapter"] {
        for task in 0..tasks {
            let (statements, docstring, comments) = shape(arm, task);
            let program = program(task, statements, docstring, comments);
            records.push(with_program(sample(arm, task), program));
        }
    }
    records
}

fn declared() -> RunInfo {
    declared_in_the_recipe(run(&["adapter"]))
}

fn outcomes(report: &Report) -> Vec<&str> {
    let claims = report.summary["claims"].as_array().expect("a list");
    let outcomes = claims.iter().map(|claim| claim["outcome"].as_str());
    outcomes.collect::<Option<_>>().expect("verdicts")
}

fn adapter(report: &Report) -> &Value {
    &report.summary["findings"]["h1"]["adapters"][0]
}

#[test]
fn identical_arms_conclude_nothing_and_the_headline_says_that_they_are() {
    let records = answers(12, |_, task| (task % 4, 1, 0));
    let report = check(&records, &declared());
    check_snapshot("identical.md", &report);
    assert_eq!(outcomes(&report), ["inconclusive", "inconclusive"]);
    for part in [
        "> **H1 inconclusive.** With adapter `adapter`, MI did not change on average (",
        "the same difference on every task, so no interval",
        "12 of 12 answers are the same text in both arms.",
        "No p-value: nothing differs",
    ] {
        assert!(
            report.markdown.contains(part),
            "`{part}` in:\n{}",
            report.markdown
        );
    }
}

#[test]
fn five_answers_that_differ_among_many_conclude_nothing() {
    let changed = |n: usize| {
        let records = answers(40, |arm, task| {
            let more = usize::from(arm == "adapter" && task < n);
            (task % 4 + more, 1, 0)
        });
        check(&records, &declared())
    };
    assert_eq!(outcomes(&changed(5)), ["inconclusive", "inconclusive"]);
    assert_eq!(outcomes(&changed(6)), ["not_supported", "not_supported"]);
}

#[test]
fn a_rise_by_comments_over_longer_code_is_marked_and_its_parts_add_up() {
    let records = answers(20, |arm, task| match arm {
        "base" => (task % 5, 1, 0),
        _ => (task % 5 + 1 + task % 2, 1, 1 + task % 3),
    });
    let report = check(&records, &declared());
    check_snapshot("by-comments.md", &report);
    assert_eq!(outcomes(&report), ["by_comments", "not_supported"]);
    let found = adapter(&report);
    assert_eq!(found["outcome"], "not_supported");
    let difference = |contrast: &Value| contrast["difference"].as_f64().expect("a difference");
    let (mi, code) = (
        difference(&found["paired"][0]),
        difference(&found["paired"][1]),
    );
    let bonus = difference(&found["bonus"]);
    assert!(mi > 3.0 && code < 0.0, "{mi} {code}");
    assert!((mi - code - bonus).abs() < 1e-9, "{mi} = {code} + {bonus}");
    let parts = found["bonus_parts"].as_array().expect("parts");
    let sum: f64 = parts.iter().map(difference).sum();
    assert!((sum - bonus).abs() < 1e-9, "{sum} = {bonus}");
    for part in [
        "`mi_code` fell by ",
        "H1 requires all of them: MI by comments, mi_code not supported.",
    ] {
        assert!(
            report.markdown.contains(part),
            "`{part}` in:\n{}",
            report.markdown
        );
    }
}

#[test]
fn longer_code_explains_a_fall_whether_it_is_commented_more_or_less() {
    for of_long in [0, 3] {
        // Half of the programs are longer, and either these or the others have comments.
        let records = answers(24, |arm, task| match (arm, task % 2) {
            ("base", _) => (task % 5, 1, 0),
            (_, 0) => (task % 5 + 2 + task % 3, 1, of_long),
            _ => (task % 5, 1, 3 - of_long),
        });
        let report = check(&records, &declared());
        let found = adapter(&report);
        let number = |value: &Value| value["difference"].as_f64().expect("a number");
        let shift =
            |at: usize| number(&found["at_equal_length"][at]) - number(&found["paired"][at]);
        assert!(number(&found["code_length"]) > 1.0);
        assert!(shift(0) > 1.0, "MI moves by {}", shift(0));
        assert!(
            (shift(0) - shift(1)).abs() < 1e-9,
            "{} and {}",
            shift(0),
            shift(1)
        );
        assert!(number(&found["length_term"]) < -0.5);
    }
}

#[test]
fn mi_declared_alone_is_by_comments_too() {
    let records = answers(20, |arm, task| match arm {
        "base" => (task % 5, 1, 0),
        _ => (task % 5, 1, 1 + task % 3),
    });
    let mut run = declared();
    run.plan.hypotheses.truncate(1);
    let report = check(&records, &run);
    assert_eq!(outcomes(&report), ["by_comments"]);
    assert!(
        report.markdown.contains("> **H1 by comments.**"),
        "{}",
        report.markdown
    );
}

#[test]
fn programs_past_the_curves_peak_are_counted() {
    // Three code lines in the shortest program and seven in the others: in all, 8 comment lines are past the peak.
    let records = answers(6, |arm, task| (task, 1, if arm == "base" { 0 } else { 8 }));
    let report = check(&records, &declared());
    let arms = &report.summary["findings"]["h1"]["arms"];
    assert_eq!(arms[0]["past_peak"]["count"], 0);
    let past = arms[1]["past_peak"]["count"].as_u64().expect("a count");
    let by_hand = records.iter().filter(|record| {
        let metrics = record.metrics.expect("metrics");
        (metrics.comments + metrics.multi) as f64 / metrics.sloc as f64 > 0.575
    });
    assert_eq!(past, by_hand.count() as u64);
    assert!(
        report
            .markdown
            .contains(&format!("{past} of 12 programs are past the curve's peak"))
    );
}

#[test]
fn effects_that_nobody_declared_are_called_defaults() {
    let records = answers(8, |_, task| (task, 1, 0));
    let page = |declared: [Option<Declared>; 2]| {
        let mut run = run(&["adapter"]);
        for (hypothesis, declared) in run.plan.hypotheses.iter_mut().zip(declared) {
            hypothesis.declared = declared;
        }
        let report = check(&records, &run);
        let rows = report.summary["hypotheses"]
            .as_array()
            .expect("rows")
            .clone();
        (report.markdown, rows)
    };
    let (recipe, default) = (Some(Declared::Recipe), Some(Declared::Default));
    let declared = "declared before the run, in the recipe";
    let (text, rows) = page([recipe; 2]);
    assert!(text.contains("*Required*: declared before the run, in the recipe."));
    assert!(text.contains("The declared effect is +3.0 in MI and +3.0 in mi_code"));
    assert_eq!(rows[0]["declared"], "recipe");
    let (text, rows) = page([default; 2]);
    assert!(!text.contains(declared), "{text}");
    assert!(text.contains("The recipe declares no effect, the default is +3.0 in MI"));
    assert_eq!(text.matches("| ≥ +3.0 (default) |").count(), 2);
    assert_eq!(rows[0]["declared"], "default");
    let (text, rows) = page([None; 2]);
    assert!(!text.contains(declared), "{text}");
    assert!(text.contains("the run did not record whether its recipe declared them"));
    assert_eq!(rows[0].get("declared"), None);
    let (text, _) = page([recipe, default]);
    assert!(
        text.contains("The required effect is +3.0 in MI (declared) and +3.0 in mi_code (default)")
    );
    assert_eq!(text.matches("| ≥ +3.0 (default) |").count(), 1);
}

#[test]
fn answers_that_an_earlier_version_recorded_are_counted() {
    let mut records = answers(8, |_, task| (task, 1, 0));
    let says = |records: &[SampleRecord]| {
        check(records, &declared())
            .markdown
            .contains("**Earlier version.** 3 of 16 answers")
    };
    assert!(!says(&records));
    for record in &mut records[..3] {
        record.version = 3;
    }
    assert!(says(&records));
}

#[test]
fn an_answer_that_adds_nothing_has_its_own_word() {
    let mut records = answers(8, |_, task| (task, 1, 0));
    (records[1].verdict, records[1].tests_passed) = (Verdict::Empty, 0);
    records[1].metrics = None;
    let report = check(&records, &declared());
    assert!(
        report
            .markdown
            .contains("| `starter/01` | empty | failed (1/4) |"),
        "{}",
        report.markdown
    );
    assert!(
        report
            .markdown
            .contains("Empty: adds nothing to the prompt")
    );
}
