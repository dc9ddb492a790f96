//! Converts sandbox outcomes to the terms of records.

use slm_artifacts::Verdict;
use slm_sandbox::{Outcome, Returned};

/// Converts the sandbox's verdict to that of records.
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

/// Returns the number of calls that were begun.
pub(crate) fn calls_begun(outcome: &Outcome) -> usize {
    let calls = outcome.calls.iter();
    calls
        .take_while(|call| call.returned != Returned::NotRun)
        .count()
}

/// Returns the first 120 characters of a text, with `…` if it is longer.
pub(crate) fn shortened(text: &str) -> String {
    const CHARACTERS: usize = 120;
    let mut short: String = text.chars().take(CHARACTERS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
