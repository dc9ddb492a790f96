//! From an answer to a record: extraction, static metrics, hidden tests.

use anyhow::Result;
use benchmarks::{ScoringPhase, Task};
use metrics::syntax::Reason;
use sandbox::Sandbox;

use crate::backend::Answer;
use crate::record::{ProgramMetrics, RECORD_VERSION, SampleRecord, Verdict};
use crate::workflow::single;

/// Which sample of which arm an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SampleKey {
    pub(crate) arm: String,
    pub(crate) task_id: String,
    pub(crate) sample: u32,
    pub(crate) seed: u64,
}

/// Measures and tests the program of an answer.
///
/// # Errors
/// Only the sandbox's own trouble; whatever the program does is part of the record.
pub(crate) fn judge(
    key: &SampleKey,
    task: &Task,
    answer: Answer,
    sandbox: &Sandbox,
) -> Result<SampleRecord> {
    let mut extraction = single::program(task.view(), &answer.text);
    let mut reason = reason_text(extraction.reason);
    // A prompt is a whole program to the parser, and one without operators has an MI of 100: a model that adds
    // nothing to it must not be praised for that.
    if extraction.complete && adds_nothing(&extraction.program, &task.view().prompt) {
        (extraction.complete, reason) = (false, "adds no statement to the prompt");
    }
    let metrics = if extraction.complete {
        metrics::analyze(&extraction.program).ok()
    } else {
        None
    };
    let tests = task.hidden().open(&ScoringPhase::begin());
    let (verdict, tests_passed, detail, cpu_s) = if metrics.is_some() {
        let outcome = sandbox.run_tests(&extraction.program, tests)?;
        let passed = outcome.tests.iter().filter(|test| test.passed).count();
        let detail = (!outcome.detail.is_empty()).then_some(outcome.detail);
        (verdict(outcome.verdict), passed, detail, outcome.cpu_s)
    } else {
        (Verdict::Unparsable, 0, Some(reason.to_owned()), 0.0)
    };
    Ok(SampleRecord {
        version: RECORD_VERSION,
        arm: key.arm.clone(),
        workflow: single::NAME.to_owned(),
        task_id: key.task_id.clone(),
        sample: key.sample,
        seed: key.seed,
        prompt_tokens: answer.prompt_tokens,
        completion_tokens: answer.completion_tokens,
        finish_reason: answer.finish_reason,
        generation_s: answer.seconds,
        completion: answer.text,
        program: extraction.program,
        parsable: metrics.is_some(),
        metrics: metrics.as_ref().map(program_metrics),
        verdict,
        tests_passed,
        tests_total: tests.len(),
        detail,
        cpu_s,
    })
}

/// Whether a program is its prompt alone, comments and docstrings aside.
fn adds_nothing(program: &str, prompt: &str) -> bool {
    let hash = |source: &str| metrics::syntax::normalised_hash(source);
    hash(prompt).is_some_and(|of_prompt| hash(program) == Some(of_prompt))
}

/// Why a program is not even run.
fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::Complete => "not counted by the metrics",
        Reason::BrokenEntryPoint => "the definition of the entry point does not parse",
        Reason::NoEntryPoint => "nothing defines the entry point",
    }
}

fn verdict(verdict: sandbox::Verdict) -> Verdict {
    match verdict {
        sandbox::Verdict::Passed => Verdict::Passed,
        sandbox::Verdict::Failed => Verdict::Failed,
        sandbox::Verdict::Error => Verdict::Error,
        sandbox::Verdict::Timeout => Verdict::Timeout,
        sandbox::Verdict::Memory => Verdict::Memory,
        sandbox::Verdict::OutputLimit => Verdict::OutputLimit,
        sandbox::Verdict::Violation => Verdict::Violation,
        sandbox::Verdict::Unparsable => Verdict::Unparsable,
    }
}

fn program_metrics(file: &metrics::FileMetrics) -> ProgramMetrics {
    let raw = &file.raw;
    ProgramMetrics {
        loc: raw.loc,
        lloc: raw.lloc,
        sloc: raw.sloc,
        comments: raw.comments,
        multi: raw.multi,
        blank: raw.blank,
        single_comments: raw.single_comments,
        cyclomatic_complexity: file.cyclomatic_complexity as f64,
        halstead_volume: file.halstead.total.volume,
        maintainability_index: file.maintainability_index,
        mi_code: file.mi_code,
    }
}
