//! Decides the outcome of a run from its report.

use crate::conduct::{Report, Stop, TestReport};
use crate::limits::{Limits, MOST_FILES};
use crate::outcome::{CallOutcome, Outcome, Returned, TestOutcome, Verdict};
use crate::process::{Ended, RESULTS_BYTES};
use crate::{Job, Work};

/// Decides the outcome of a run from its report.
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
        // A test may loop forever on a value that the program returned.
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

/// Describes how a process ended that had not finished its work.
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

/// Returns what a box printed if its runner never began; `None` if it did.
pub(crate) fn box_trouble(report: &Report) -> Option<String> {
    let is_over_early = report.ended.is_some() && report.stopped.is_none();
    (is_over_early && !report.has_begun).then(|| early_end(report))
}
