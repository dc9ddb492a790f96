//! What became of a program, and how that is decided.

use std::os::unix::process::ExitStatusExt;

use serde::{Deserialize, Serialize};

use crate::Limits;
use crate::process::{Finished, Kill};
use crate::protocol::{self, Ended, Fault, FaultKind};

/// What became of a program and its tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The whole run in one word.
    pub verdict: Verdict,
    /// Why it is not `passed`: the first failing test with its values, the exception with its line
    /// in the program, or the limit that was reached. Empty when passed.
    pub detail: String,
    /// One for each test, in their order.
    pub tests: Vec<TestOutcome>,
    /// CPU seconds of the process and of the children it waited for, Python's start included.
    pub cpu_s: f64,
    /// Seconds on the clock.
    pub wall_s: f64,
    /// Peak of resident memory in bytes, sampled for a run that was ended; 0 where unknown.
    pub peak_memory_bytes: u64,
    /// Whether this is the second run, after the first had reached the wall limit.
    pub rerun: bool,
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestOutcome {
    /// Whether it came to its end without an exception.
    pub passed: bool,
    /// Empty when passed; else the test's text and what happened.
    pub message: String,
}

/// The outcome of a run in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every test came to its end.
    Passed,
    /// The first test that did not pass failed an assertion.
    Failed,
    /// An exception, or the process ended before its tests were over.
    Error,
    /// The CPU limit was reached, or the wall limit twice.
    Timeout,
    /// Memory ran out.
    Memory,
    /// More was printed than allowed.
    OutputLimit,
    /// It did what the sandbox forbids: too large a file, foreign text among the results.
    Violation,
    /// The program is not Python.
    Unparsable,
}

impl Outcome {
    /// Share of the tests that passed, in 0..=1; `None` without tests.
    pub fn pass_ratio(&self) -> Option<f64> {
        let passed = self.tests.iter().filter(|test| test.passed).count();
        (!self.tests.is_empty()).then(|| passed as f64 / self.tests.len() as f64)
    }
}

/// Decides the outcome from how a process ended and what it reported.
pub(crate) fn judge(finished: &Finished, nonce: &str, n_tests: usize, limits: &Limits) -> Outcome {
    let report = protocol::parse(&finished.results, nonce, n_tests);
    let tests = match &report {
        Ok(report) => report
            .tests
            .iter()
            .map(|ended| test_outcome(ended.as_ref()))
            .collect(),
        Err(protocol::Forged) => vec![test_outcome(None); n_tests],
    };
    let told_peak = report.as_ref().map_or(0, |report| report.done.unwrap_or(0));
    let (verdict, detail) = match report {
        Ok(report) => verdict(finished, report, limits),
        Err(protocol::Forged) => (
            Verdict::Violation,
            "wrote into the channel of the results".into(),
        ),
    };
    Outcome {
        verdict,
        detail,
        tests,
        cpu_s: finished.cpu_s,
        wall_s: finished.wall_s,
        peak_memory_bytes: finished.peak_memory_bytes.max(told_peak),
        rerun: false,
    }
}

fn test_outcome(reported: Option<&Ended>) -> TestOutcome {
    TestOutcome {
        passed: matches!(reported, Some(Ok(()))),
        message: match reported {
            None => "not run".into(),
            Some(Ok(())) => String::new(),
            Some(Err(Fault(_, message))) => message.clone(),
        },
    }
}

fn verdict(finished: &Finished, report: protocol::Report, limits: &Limits) -> (Verdict, String) {
    match finished.killed {
        Some(Kill::Results) => {
            return (
                Verdict::Violation,
                "flooded the channel of the results".into(),
            );
        }
        Some(Kill::Output) => {
            let limit = limits.output_bytes;
            return (
                Verdict::OutputLimit,
                format!("printed more than {limit} bytes"),
            );
        }
        Some(Kill::Wall) | None => {}
    }
    // The kernel's two counts of CPU time differ: 0.95 s were reported after an end at 1 s.
    let cpu_signal = finished.status.signal() == Some(libc::SIGXCPU);
    if cpu_signal || finished.cpu_s >= limits.cpu_s {
        return (Verdict::Timeout, format!("CPU limit of {} s", limits.cpu_s));
    }
    if finished.killed == Some(Kill::Wall) {
        let (wall, cpu) = (limits.wall_s, finished.cpu_s);
        return (
            Verdict::Timeout,
            format!("wall limit of {wall} s after {cpu:.1} s of CPU time"),
        );
    }
    if report.out_of_memory {
        return (Verdict::Memory, "MemoryError".into());
    }
    for ended in report
        .program
        .into_iter()
        .chain(report.tests.into_iter().flatten())
    {
        if let Err(Fault(kind, message)) = ended {
            return (kind.into(), message);
        }
    }
    match report.done {
        Some(_) => (Verdict::Passed, String::new()),
        None => (Verdict::Error, early_end(finished)),
    }
}

fn early_end(finished: &Finished) -> String {
    let said = String::from_utf8_lossy(&finished.output);
    let last_line: String = said
        .trim()
        .lines()
        .next_back()
        .unwrap_or("")
        .chars()
        .take(200)
        .collect();
    let separator = if last_line.is_empty() {
        ""
    } else {
        "; it last printed: "
    };
    format!(
        "ended before its tests were over ({}){separator}{last_line}",
        finished.status
    )
}

impl From<FaultKind> for Verdict {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Failed => Self::Failed,
            FaultKind::Error => Self::Error,
            FaultKind::Memory => Self::Memory,
            FaultKind::Violation => Self::Violation,
            FaultKind::Unparsable => Self::Unparsable,
        }
    }
}
