//! What became of a program, and how that is decided.

use serde::{Deserialize, Serialize};

use crate::conduct::{MOST_FILES, Report, Stop, TestReport};
use crate::process::{Ended, RESULTS_BYTES};
use crate::value::Value;
use crate::{Job, Limits, Work};

/// What became of a program and its tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The whole run in one word.
    pub verdict: Verdict,
    /// Why it is not `passed`: the first failing test with its values, the exception with its line
    /// in the program, or the limit that was reached. Empty when passed.
    pub detail: String,
    /// One for each test, in their order; empty for [`Work::Calls`] and [`Work::Script`].
    pub tests: Vec<TestOutcome>,
    /// One for each call of [`Work::Calls`], in their order.
    pub calls: Vec<CallOutcome>,
    /// What the program printed, stdout and stderr together, up to the limit; of a [`Work::Script`]
    /// stdout alone.
    #[serde(skip)]
    pub output: Vec<u8>,
    /// CPU seconds of the program's process, Python's start included. Told by that process where
    /// a box hides it, so a hostile program may make it look smaller.
    pub cpu_s: f64,
    /// Seconds on the clock.
    pub wall_s: f64,
    /// Peak of resident memory in bytes, told as [`Outcome::cpu_s`] is; 0 where unknown.
    pub peak_memory_bytes: u64,
    /// Whether this is the second run, alone, after the first had ended in a timeout.
    pub rerun: bool,
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestOutcome {
    /// Whether it came to its end without an exception.
    pub passed: bool,
    /// How it ended, in one word; `None` if the run was over before its turn.
    pub verdict: Option<Verdict>,
    /// Empty when passed; else the test's text and what happened.
    pub message: String,
    /// CPU seconds of the process that ran the test.
    pub cpu_s: f64,
}

/// What became of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallOutcome {
    /// What came out.
    pub returned: Returned,
    /// CPU seconds that it took.
    pub cpu_s: f64,
}

/// What came out of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returned {
    /// A value, rebuilt from builtin types.
    Value(Value),
    /// An exception.
    Raised {
        /// [`Verdict::Error`], or [`Verdict::Memory`] or [`Verdict::Violation`] by its type.
        verdict: Verdict,
        /// Type, text and line.
        message: String,
    },
    /// The call's own limit was reached.
    Timeout,
    /// The run was over before its turn.
    NotRun,
}

/// The outcome of a run in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every test came to its end, every call returned, the script ended.
    Passed,
    /// The first test that did not pass failed an assertion.
    Failed,
    /// An exception, or the process ended before its tests were over.
    Error,
    /// The CPU limit was reached, or the wall limit, and again in a second run alone.
    Timeout,
    /// Memory ran out.
    Memory,
    /// More was printed or returned than allowed.
    OutputLimit,
    /// It did what the sandbox forbids: a forbidden system call, too large a file or too many,
    /// foreign text among the results.
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

    /// Whether any limit of time was reached.
    pub(crate) fn is_timeout(&self) -> bool {
        let any_call = || {
            self.calls
                .iter()
                .any(|call| call.returned == Returned::Timeout)
        };
        self.verdict == Verdict::Timeout || any_call()
    }
}

/// Decides the outcome from what is known of a run.
pub(crate) fn judge(mut report: Report, job: &Job, limits: &Limits) -> Outcome {
    let (verdict, detail) = verdict(&report, limits);
    let numbers = 0..job.work.len();
    let (mut tests, mut calls) = (Vec::new(), Vec::new());
    if matches!(job.work, Work::Calls { .. }) {
        calls = numbers
            .map(|i| report.calls.remove(&i))
            .map(|call| CallOutcome {
                cpu_s: call.as_ref().map_or(0.0, |call| call.cpu_s),
                returned: call.map_or(Returned::NotRun, |call| call.returned),
            })
            .collect();
    } else {
        tests = numbers
            .map(|i| test_outcome(report.tests.remove(&i)))
            .collect();
    }
    Outcome {
        verdict,
        detail,
        tests,
        calls,
        output: report.output,
        cpu_s: report.cpu_s,
        wall_s: report.wall_s,
        peak_memory_bytes: report.peak_memory_bytes,
        rerun: false,
    }
}

fn test_outcome(reported: Option<TestReport>) -> TestOutcome {
    match reported {
        None => TestOutcome {
            passed: false,
            verdict: None,
            message: "not run".into(),
            cpu_s: 0.0,
        },
        Some(test) => TestOutcome {
            passed: test.fault.is_none(),
            verdict: Some(test.fault.unwrap_or(Verdict::Passed)),
            message: test.message,
            cpu_s: test.cpu_s,
        },
    }
}

fn verdict(report: &Report, limits: &Limits) -> (Verdict, String) {
    let stopped = report.stopped.and_then(|stop| match stop {
        Stop::Forged => Some((
            Verdict::Violation,
            "wrote into the channel of the results".to_owned(),
        )),
        Stop::Results => Some((
            Verdict::OutputLimit,
            format!("returned values of more than {RESULTS_BYTES} bytes"),
        )),
        Stop::Output => Some((
            Verdict::OutputLimit,
            format!("printed more than {} bytes", limits.output_bytes),
        )),
        Stop::Memory => Some((
            Verdict::Memory,
            "its processes together took more memory than one may".to_owned(),
        )),
        Stop::Files => Some((
            Verdict::Violation,
            format!("made more than {MOST_FILES} files"),
        )),
        Stop::Wall => None,
    });
    if let Some(stopped) = stopped {
        return stopped;
    }
    let signal = report.ended.and_then(|ended| ended.signal);
    if report.tester_lost == Some(libc::SIGXCPU) {
        // A test may go on without end with what a program gave it.
        let detail = format!("CPU limit of {} s in the tests", limits.cpu_s);
        return (Verdict::Timeout, detail);
    }
    if signal == Some(libc::SIGXCPU) || report.cpu_s >= limits.cpu_s {
        return (Verdict::Timeout, format!("CPU limit of {} s", limits.cpu_s));
    }
    if report.stopped == Some(Stop::Wall) {
        let (wall, cpu) = (limits.wall_s, report.cpu_s);
        return (
            Verdict::Timeout,
            format!("wall limit of {wall} s after {cpu:.1} s of CPU time"),
        );
    }
    if let Some((verdict, message)) = &report.fault {
        return (*verdict, message.clone());
    }
    if signal == Some(libc::SIGSYS) {
        let message = "made a system call that the sandbox forbids";
        return (Verdict::Violation, message.into());
    }
    if let Some(fault) = first_fault(report) {
        return fault;
    }
    if report.is_complete {
        return (Verdict::Passed, String::new());
    }
    (Verdict::Error, early_end(report))
}

fn first_fault(report: &Report) -> Option<(Verdict, String)> {
    let test = report
        .tests
        .values()
        .find_map(|test| Some((test.fault?, test.message.clone())));
    test.or_else(|| {
        report.calls.values().find_map(|call| match &call.returned {
            Returned::Raised { verdict, message } => Some((*verdict, message.clone())),
            Returned::Timeout => Some((Verdict::Timeout, "the limit of a call".into())),
            Returned::Value(_) | Returned::NotRun => None,
        })
    })
}

/// How a process ended that had more to do.
fn early_end(report: &Report) -> String {
    let how = match report.ended {
        Some(Ended {
            signal: Some(signal),
            ..
        }) => format!("signal {signal}"),
        Some(Ended {
            exit_code: Some(code),
            ..
        }) => format!("exit status {code}"),
        _ => "unknown status".to_owned(),
    };
    let said = String::from_utf8_lossy(&report.output);
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
    format!("ended before its tests were over ({how}){separator}{last_line}")
}

/// What was printed by a box in which no runner came to its work; `None` if one did.
pub(crate) fn box_trouble(report: &Report) -> Option<String> {
    let is_over_early = report.ended.is_some() && report.stopped.is_none();
    (is_over_early && !report.has_begun).then(|| early_end(report))
}
