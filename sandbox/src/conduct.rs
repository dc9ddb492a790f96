//! Runs a job: starts its processes, carries frames between them, and collects what they report.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::launch::Launcher;
use crate::outcome::Returned;
use crate::process::{Ended, Flood, Process};
use crate::runner::Role;
use crate::value::{Node, Value};
use crate::{Job, Limits, SandboxError, Verdict, Work, wire};

/// How long a runner may take to leave after its work is done.
const LEAVE: Duration = Duration::from_millis(500);

/// All that became known of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The runner got its job; from here on every end is the program's.
    pub(crate) has_begun: bool,
    /// The program came to its end.
    pub(crate) is_loaded: bool,
    /// Why it, or the harness's part in its process, did not.
    pub(crate) fault: Option<(Verdict, String)>,
    /// By the number of the test.
    pub(crate) tests: BTreeMap<usize, TestReport>,
    /// By the number of the call.
    pub(crate) calls: BTreeMap<usize, CallReport>,
    /// Everything asked for was done.
    pub(crate) is_complete: bool,
    /// Peak of resident memory of the program in bytes, 0 if unknown.
    pub(crate) peak_memory_bytes: u64,
    /// CPU seconds of the program, as far as known.
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    /// Why it was ended from outside.
    pub(crate) stopped: Option<Stop>,
    /// How the program's process ended.
    pub(crate) ended: Option<Ended>,
    /// stdout and stderr of the program.
    pub(crate) output: Vec<u8>,
}

/// A test as the runner reports it.
#[derive(Debug)]
pub(crate) struct TestReport {
    /// `None` if it passed.
    pub(crate) fault: Option<Verdict>,
    pub(crate) message: String,
    pub(crate) cpu_s: f64,
}

/// A call as the runner reports it.
#[derive(Debug)]
pub(crate) struct CallReport {
    pub(crate) returned: Returned,
    pub(crate) cpu_s: f64,
}

/// Why a run was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Wall,
    Output,
    Results,
    /// A process wrote what its runner never does.
    Forged,
}

/// How often a long run is looked at: well within the second that a program gets which resists the
/// signal of the CPU limit.
const SAMPLE: Duration = Duration::from_millis(250);

/// How late at most the end of a process is seen whose pipes stay open.
const LAST_TICK: Duration = Duration::from_millis(1);

/// A frame that no honest runner writes.
struct Forged;

/// Runs `job` in fresh boxes.
pub(crate) fn run(launcher: &Launcher, job: &Job, limits: &Limits) -> Result<Report, SandboxError> {
    let started = Instant::now();
    let mut report = Report::default();
    let search_path = launcher.interpreter.search_path_text();
    let mut processes = vec![Process::start(launcher, Role::Candidate, limits)?];
    processes[0].send(&wire::candidate_job(job, &search_path));
    if wire::is_tested_apart(&job.work) {
        // It starts meanwhile, and gets its job once there is a program to test.
        processes.push(Process::start(launcher, Role::Tester, limits)?);
    }
    // Thirty years are as good as no limit, and can be added to an instant; NaN becomes 0.
    let wall = Duration::try_from_secs_f64(limits.wall_s.clamp(0.0, 1e9)).unwrap_or_default();
    let deadline = started + wall;
    let mut sampled = started;
    while report.stopped.is_none() && !report.is_complete && report.fault.is_none() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            report.stopped = Some(Stop::Wall);
            break;
        }
        let flood = Process::exchange(&mut processes, left.min(SAMPLE))?;
        if sampled.elapsed() >= SAMPLE {
            sampled = Instant::now();
            sample(&processes[0], &mut report);
        }
        let was_loaded = report.is_loaded;
        if let Err(Forged) = collect(&mut processes, job, &mut report) {
            report.stopped = Some(Stop::Forged);
        }
        if let (true, false, [_, tester]) = (report.is_loaded, was_loaded, &mut processes[..]) {
            tester.send(&wire::tester_job(job, &search_path));
        }
        report.stopped = report.stopped.or(flood.map(|flood| match flood {
            Flood::Output => Stop::Output,
            Flood::Results => Stop::Results,
        }));
        if processes.iter().any(Process::is_silent) {
            break;
        }
    }
    finish(processes, job, limits, &mut report)?;
    report.wall_s = started.elapsed().as_secs_f64();
    Ok(report)
}

/// Ends the processes, and learns what only their end tells.
fn finish(
    mut processes: Vec<Process>,
    job: &Job,
    limits: &Limits,
    report: &mut Report,
) -> Result<(), SandboxError> {
    sample(&processes[0], report);
    let patience = if report.stopped.is_none() {
        LEAVE
    } else {
        Duration::ZERO
    };
    let deadline = Instant::now() + patience;
    // A program that waits for requests sees that there are no more, and says good-bye.
    processes.iter_mut().for_each(Process::dismiss);
    let mut is_gone = false;
    while !is_gone && Instant::now() < deadline {
        // A forgotten child may hold the pipes open: the end is not theirs but the process's.
        is_gone = processes[0].has_ended()?;
        let flood = Process::exchange(&mut processes[..1], LAST_TICK)?;
        if collect(&mut processes, job, report).is_err() {
            report.stopped = Some(Stop::Forged);
        }
        if flood == Some(Flood::Output) {
            report.stopped = Some(Stop::Output);
            break;
        }
    }
    report.output = processes[0].output().to_vec();
    for (i, process) in processes.into_iter().enumerate() {
        let ended = process.end()?;
        if i == 0 {
            report.cpu_s = report.cpu_s.max(ended.cpu_s);
            if ended.signal == Some(libc::SIGXCPU) {
                report.cpu_s = report.cpu_s.max(limits.cpu_s);
            }
            report.ended = Some(ended);
        }
    }
    Ok(())
}

/// Looks at a process from outside, as its own word may not come.
fn sample(candidate: &Process, report: &mut Report) {
    report.cpu_s = report.cpu_s.max(candidate.cpu_s());
    report.peak_memory_bytes = report.peak_memory_bytes.max(candidate.peak_memory_bytes());
}

/// Takes the frames that came, and carries on those that are for the other process.
fn collect(processes: &mut [Process], job: &Job, report: &mut Report) -> Result<(), Forged> {
    for i in 0..processes.len() {
        while let Some(frame) = processes[i].receive().map_err(|_| Forged)? {
            if is_between(&frame) {
                let other = processes.get_mut(1 - i).ok_or(Forged)?;
                other.send(&frame);
                continue;
            }
            let text = std::str::from_utf8(&frame).map_err(|_| Forged)?;
            let message = Value::parse(text).map_err(|_| Forged)?;
            let is_tester = i == 1;
            note(&message, is_tester, job, report).ok_or(Forged)?;
        }
    }
    Ok(())
}

/// Whether a frame is a request or an answer between program and tests: ("do", ..), ("done", ..).
fn is_between(frame: &[u8]) -> bool {
    frame.starts_with(b"t3;s2:do") || frame.starts_with(b"t4;s4:done")
}

/// Writes a message of a runner into the report; `None` if no honest runner sends it.
fn note(message: &Value, is_tester: bool, job: &Job, report: &mut Report) -> Option<()> {
    let Node::Tuple(parts) = message.root() else {
        return None;
    };
    let part = |i: usize| parts.get(i).map(|&id| message.node(id));
    let text = |i| match part(i)? {
        Node::Str(text) => Some(text.clone()),
        _ => None,
    };
    let number = |i| match part(i)? {
        Node::Int(hex) => u64::from_str_radix(hex, 16).ok(),
        _ => None,
    };
    let seconds = |i| match part(i)? {
        Node::Float(seconds) if seconds.is_finite() => Some(seconds.max(0.0)),
        _ => None,
    };
    let kind = |i| Some(verdict_of(&text(i)?)?);
    let tests_apart = wire::is_tested_apart(&job.work);
    match text(0)?.as_str() {
        "begun" if !is_tester => report.has_begun = true,
        "loaded" if !is_tester && !report.is_loaded => report.is_loaded = true,
        "fault" if !is_tester => report.fault = Some((kind(1)?, text(2)?)),
        "test" if is_tester == tests_apart => {
            let place = number(1)? as usize;
            let fault = match part(2)? {
                Node::None => None,
                _ => Some(kind(2)?),
            };
            let test = TestReport {
                fault,
                message: text(3)?,
                cpu_s: seconds(4)?,
            };
            let is_new = report.tests.insert(place, test).is_none();
            (is_new && place < job.work.len()).then_some(())?;
        }
        name @ ("output" | "raised" | "timeout") if matches!(job.work, Work::Calls { .. }) => {
            let place = number(1)? as usize;
            let returned = match name {
                "output" => Returned::Value(message.at(*parts.get(3)?)),
                "raised" => Returned::Raised {
                    verdict: kind(3)?,
                    message: text(4)?,
                },
                _ => Returned::Timeout,
            };
            let call = CallReport {
                returned,
                cpu_s: seconds(2)?,
            };
            let is_new = report.calls.insert(place, call).is_none();
            (is_new && place < job.work.len()).then_some(())?;
        }
        "end" if is_tester => finish_tests(job, report)?,
        "end" => {
            report.peak_memory_bytes = report.peak_memory_bytes.max(number(1)?);
            report.cpu_s = report.cpu_s.max(seconds(2)?);
            if !tests_apart {
                finish_tests(job, report)?;
            }
        }
        _ => return None,
    }
    Some(())
}

/// Everything was done, if nothing is missing.
fn finish_tests(job: &Job, report: &mut Report) -> Option<()> {
    let done = report.calls.len() + report.tests.len();
    (report.is_loaded && done == job.work.len()).then_some(())?;
    report.is_complete = true;
    Some(())
}

fn verdict_of(kind: &str) -> Option<Verdict> {
    Some(match kind {
        "failed" => Verdict::Failed,
        "error" => Verdict::Error,
        "memory" => Verdict::Memory,
        "violation" => Verdict::Violation,
        "unparsable" => Verdict::Unparsable,
        _ => return None,
    })
}
