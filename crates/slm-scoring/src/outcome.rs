//! What a run in the sandbox says about a program, in the words of records.

use slm_artifacts::Verdict;
use slm_sandbox::{Outcome, Returned};

/// The sandbox's verdict, as records spell it.
pub fn recorded_verdict(verdict: slm_sandbox::Verdict) -> Verdict {
    match verdict {
        slm_sandbox::Verdict::Passed => Verdict::Passed,
        slm_sandbox::Verdict::Failed => Verdict::Failed,
        slm_sandbox::Verdict::Error => Verdict::Error,
        slm_sandbox::Verdict::Timeout => Verdict::Timeout,
        slm_sandbox::Verdict::Memory => Verdict::Memory,
        slm_sandbox::Verdict::OutputLimit => Verdict::OutputLimit,
        slm_sandbox::Verdict::Violation => Verdict::Violation,
        slm_sandbox::Verdict::Unparsable => Verdict::Unparsable,
    }
}

/// Number of calls that were begun.
pub(crate) fn calls_begun(outcome: &Outcome) -> usize {
    let calls = outcome.calls.iter();
    calls
        .take_while(|call| call.returned != Returned::NotRun)
        .count()
}

/// The beginning of a long text.
pub(crate) fn shortened(text: &str) -> String {
    const CHARACTERS: usize = 120;
    let mut short: String = text.chars().take(CHARACTERS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
