//! Renders the outcome of an answer as text: the verdict of the hidden tests, the first one that did not pass, and the
//! metrics of the program.

use slm_artifacts::Verdict;
use slm_report::SampleRecord;

use super::paint::{Paint, harmless};

/// Renders the verdict, the first failure and the metrics, each on a line.
pub(super) fn outcome(record: Option<&SampleRecord>, paint: Paint) -> String {
    let Some(record) = record else {
        return "no record: the answer is not finished or not scored yet\n".to_owned();
    };
    format!(
        "{}\n{}{}\n",
        verdict(record, paint),
        failure(record),
        metrics(record)
    )
}

/// Renders the verdict with the number of hidden tests that passed.
pub(super) fn verdict(record: &SampleRecord, paint: Paint) -> String {
    let word = record.verdict.to_string().replace('_', " ");
    let word = match record.verdict {
        Verdict::Passed => paint.good(&word),
        Verdict::Untested => word,
        _ => paint.bad(&word),
    };
    if record.is_tested() {
        let (passed, total) = (record.tests_passed, record.tests_total);
        format!("{word} · {passed} of {total} hidden tests passed")
    } else {
        format!("{word} · the task has no hidden tests")
    }
}

/// Renders the first hidden test that did not pass and its error, as the record holds them; nothing if all passed.
pub(super) fn failure(record: &SampleRecord) -> String {
    let detail = harmless(record.detail.as_deref().unwrap_or_default());
    let lines = detail.trim_end().lines();
    let lines = lines.map(|line| format!("  {line}\n"));
    lines.collect()
}

/// Renders the metrics of the program, or why it has none.
pub(super) fn metrics(record: &SampleRecord) -> String {
    let Some(of) = &record.metrics else {
        let why = if record.parsable {
            "the answer adds nothing to the prompt"
        } else {
            "the program does not parse"
        };
        return format!("no MI: {why}");
    };
    format!(
        "MI {:.1} · mi_code {:.1} · CC {} · LLOC {}",
        of.maintainability_index, of.mi_code, of.cyclomatic_complexity, of.lloc
    )
}
