//! Runs a job: starts its processes, forwards frames between them, and collects their reports.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::launch::Launcher;
use crate::limits::{Limits, MOST_FILES};
use crate::outcome::Returned;
use crate::process::{Ended, Flood, Process, RESULTS_BYTES};
use crate::runner::Role;
use crate::testers::Testers;
use crate::value::{MAX_PARTS, Node, NodeId, Value};
use crate::{Job, SandboxError, Verdict, Work, wire};

/// How long a runner may take to exit after its work is done.
const LEAVE: Duration = Duration::from_millis(500);

/// Everything that is known about a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The runner received its job; from here on the program is responsible for every end.
    pub(crate) has_begun: bool,
    /// The program ran to its end.
    pub(crate) is_loaded: bool,
    /// Why the program, or the harness's part of its process, did not.
    pub(crate) fault: Option<(Verdict, String)>,
    /// By index of the test.
    pub(crate) tests: BTreeMap<usize, TestReport>,
    /// By index of the call.
    pub(crate) calls: BTreeMap<usize, CallReport>,
    /// All requested tests or calls were done.
    pub(crate) is_complete: bool,
    /// The signal that ended the tester process before its tests were done; 0 if none did.
    pub(crate) tester_lost: Option<i32>,
    /// Peak resident memory of the program in bytes, 0 if unknown.
    pub(crate) peak_memory_bytes: u64,
    /// CPU seconds of the program, as far as known.
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    /// Why the harness stopped it.
    pub(crate) stopped: Option<Stop>,
    /// How the program's process ended.
    pub(crate) ended: Option<Ended>,
    /// stdout and stderr of the program; stdout only for a script.
    pub(crate) output: Vec<u8>,
}

impl Report {
    /// Returns `None` for a call that was not requested or was already reported.
    fn insert_call(
        &mut self,
        place: usize,
        returned: Returned,
        cpu_s: f64,
        job: &Job,
    ) -> Option<()> {
        let call = CallReport { returned, cpu_s };
        let is_new = self.calls.insert(place, call).is_none();
        (is_new && place < job.work.len()).then_some(())
    }
}

/// A test result as the runner reports it.
#[derive(Debug)]
pub(crate) struct TestReport {
    /// `None` if it passed.
    pub(crate) fault: Option<Verdict>,
    pub(crate) message: String,
    pub(crate) cpu_s: f64,
}

/// A call result as the runner reports it.
#[derive(Debug)]
pub(crate) struct CallReport {
    pub(crate) returned: Returned,
    pub(crate) cpu_s: f64,
}

/// Why the harness stopped a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Wall,
    Output,
    Results,
    /// Its processes together exceeded the memory limit of one process.
    Memory,
    /// It created more than [`MOST_FILES`] files.
    Files,
    /// A process wrote a frame that its runner never writes.
    Forged,
}

/// Sampling interval of a run: well below the one second that a program gets which catches SIGXCPU, and short
/// enough that empty files cannot take much kernel memory.
const SAMPLE: Duration = Duration::from_millis(100);

/// Polling interval for the exit of a process whose pipes stay open.
const LAST_TICK: Duration = Duration::from_millis(1);

/// Runs `job`: the program in a fresh box, tests that are code in the box of a tester.
pub(crate) fn run(
    launcher: &Launcher,
    testers: &Testers,
    job: &Job,
    limits: &Limits,
) -> Result<Report, SandboxError> {
    let started = Instant::now();
    let search_path = launcher.interpreter.search_path_text();
    let mut candidate = Process::start(launcher, Role::Candidate, limits, job.tree.as_deref())?;
    candidate.send(&wire::candidate_job(job, &search_path));
    let mut run = Run {
        job,
        processes: vec![candidate],
        requests: [0; 2],
        answers: [0; 2],
        parts: 0,
        report: Report::default(),
    };
    if wire::is_tested_apart(&job.work) {
        run.processes.push(testers.take()?);
    }
    // Thirty years amount to no limit and can be added to an instant; NaN becomes 0.
    let wall = Duration::try_from_secs_f64(limits.wall_s.clamp(0.0, 1e9)).unwrap_or_default();
    run.converse(started + wall, limits, || {
        wire::tester_job(job, &search_path, limits.cpu_s)
    })?;
    let tester = if run.processes.len() > 1 {
        run.processes.pop()
    } else {
        None
    };
    run.finish(limits)?;
    if let Some(tester) = tester {
        run.dismiss(tester, testers)?;
    }
    run.report.wall_s = started.elapsed().as_secs_f64();
    Ok(run.report)
}

/// A run in progress.
struct Run<'a> {
    job: &'a Job,
    /// The program's process, then the tester's if there is one.
    processes: Vec<Process>,
    /// Number of requests and of answers that each of the two sent to the other.
    requests: [u64; 2],
    answers: [u64; 2],
    /// Parts of all values received for the report.
    parts: usize,
    report: Report,
}

impl Run<'_> {
    /// Forwards frames until the job is done or no more can arrive.
    fn converse(
        &mut self,
        deadline: Instant,
        limits: &Limits,
        tester_job: impl Fn() -> Vec<u8>,
    ) -> Result<(), SandboxError> {
        let mut sampled = Instant::now();
        while !self.is_over() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.report.stopped = Some(Stop::Wall);
                break;
            }
            let flood = Process::exchange(&mut self.processes, left.min(SAMPLE))?;
            if sampled.elapsed() >= SAMPLE {
                sampled = Instant::now();
                self.sample();
                if self.processes[0].takes_more_than(limits.memory_bytes) {
                    self.report.stopped = Some(Stop::Memory);
                }
                // Until the runner has begun, the folder may still be the host's.
                if self.report.has_begun && self.processes[0].has_more_files_than(MOST_FILES) {
                    self.report.stopped = Some(Stop::Files);
                }
            }
            let was_loaded = self.report.is_loaded;
            self.collect();
            if let (true, false, [_, tester]) =
                (self.report.is_loaded, was_loaded, &mut self.processes[..])
            {
                // There is no program to test before this point.
                tester.send(&tester_job());
            }
            self.stop_by(flood);
            if self.processes.iter().any(Process::is_silent) {
                break;
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let report = &self.report;
        report.stopped.is_some()
            || report.is_complete
            || report.fault.is_some()
            || report.tester_lost.is_some()
    }

    fn stop_by(&mut self, flood: Option<Flood>) {
        let stop = flood.map(|flood| match flood {
            Flood::Output => Stop::Output,
            Flood::Results => Stop::Results,
            Flood::Length => Stop::Forged,
        });
        self.report.stopped = self.report.stopped.or(stop);
    }

    /// Ends the program's process and records what is known only after its exit.
    fn finish(&mut self, limits: &Limits) -> Result<(), SandboxError> {
        self.sample();
        let patience = if self.report.stopped.is_none() {
            LEAVE
        } else {
            Duration::ZERO
        };
        let deadline = Instant::now() + patience;
        // A program that serves requests sees the end of its commands and sends its "end" frame.
        self.processes[0].dismiss();
        let mut is_gone = false;
        while !is_gone && Instant::now() < deadline {
            // A leftover child may keep the pipes open, so poll the process itself.
            is_gone = self.processes[0].has_ended()?;
            let flood = Process::exchange(&mut self.processes, LAST_TICK)?;
            self.collect();
            if flood == Some(Flood::Output) {
                self.report.stopped = Some(Stop::Output);
                break;
            }
        }
        let Some(candidate) = self.processes.pop() else {
            return Ok(());
        };
        let report = &mut self.report;
        report.output = candidate.output().to_vec();
        let ended = candidate.end()?;
        report.cpu_s = report.cpu_s.max(ended.cpu_s);
        if ended.signal == Some(libc::SIGXCPU) {
            report.cpu_s = report.cpu_s.max(limits.cpu_s);
        }
        report.ended = Some(ended);
        Ok(())
    }

    /// Returns the tester to the pool if none of this run's frames can remain in its pipes, and ends it otherwise.
    fn dismiss(&mut self, mut tester: Process, testers: &Testers) -> Result<(), SandboxError> {
        let [from_program, from_tests] = self.requests;
        let is_settled = self.report.is_complete
            && self.report.stopped.is_none()
            && self.answers == [from_tests, from_program]
            && tester.is_idle();
        if is_settled && testers.are_reused() {
            testers.give_back(tester);
            return Ok(());
        }
        let has_ended = tester.is_silent();
        let ended = tester.end()?;
        if has_ended && !self.report.is_complete {
            self.report.tester_lost = Some(ended.signal.unwrap_or(0));
        }
        Ok(())
    }

    /// Samples the program's process from outside, since its own report may never arrive.
    fn sample(&mut self) {
        let (candidate, report) = (&self.processes[0], &mut self.report);
        report.cpu_s = report.cpu_s.max(candidate.cpu_s());
        report.peak_memory_bytes = report.peak_memory_bytes.max(candidate.peak_memory_bytes());
    }

    /// Takes the frames received and forwards those meant for the other process.
    fn collect(&mut self) {
        for i in 0..self.processes.len() {
            loop {
                let taken = match self.processes[i].receive(most_bytes) {
                    Ok(None) => break,
                    Ok(Some(frame)) => self.take(i, &frame),
                    Err(flood) => {
                        self.stop_by(Some(flood));
                        return;
                    }
                };
                if taken.is_none() {
                    self.report.stopped = Some(Stop::Forged);
                    return;
                }
            }
        }
    }

    /// Returns `None` for a frame that no honest runner writes.
    fn take(&mut self, from: usize, frame: &[u8]) -> Option<()> {
        let is_answer = frame.starts_with(ANSWER);
        if is_answer || frame.starts_with(REQUEST) {
            let counts = if is_answer {
                &mut self.answers
            } else {
                &mut self.requests
            };
            counts[from] += 1;
            // A tester that is done or has exited needs no more frames.
            if let (false, Some(other)) = (self.is_over(), self.processes.get_mut(1 - from)) {
                other.send(frame);
            }
            return Some(());
        }
        let text = std::str::from_utf8(frame).ok()?;
        let message = match Value::parse(text) {
            Err(error) if error.is_too_large() => {
                self.stop_by(Some(Flood::Results));
                return Some(());
            }
            message => message.ok()?,
        };
        self.parts += message.parts();
        if self.parts > MAX_PARTS {
            self.stop_by(Some(Flood::Results));
        }
        note(message, from == 1, self.job, &mut self.report)
    }
}

/// Prefixes of frames between program and tests: ("do", ..) and ("done", ..).
const REQUEST: &[u8] = b"t3;s2:do";
const ANSWER: &[u8] = b"t4;s4:done";
/// Prefix of a frame with the result of a call: ("output", i, `cpu_s`, value).
const OUTPUT: &[u8] = b"t4;s6:output";
/// Node of that value's root, after the message and its other three parts.
const VALUE: NodeId = 4;

/// Maximum bytes of a frame that holds no value: its texts are a line or two.
const REPORT_BYTES: usize = 1 << 20;

/// Maximum bytes of a text in a report. An honest runner stays well below.
const TEXT_BYTES: usize = 4 << 10;

/// Returns the maximum length in bytes of a frame with this prefix, which may be incomplete.
fn most_bytes(beginning: &[u8]) -> usize {
    let may_be = |kind: &[u8]| kind.starts_with(beginning) || beginning.starts_with(kind);
    if [REQUEST, ANSWER, OUTPUT].into_iter().any(may_be) {
        RESULTS_BYTES
    } else {
        REPORT_BYTES
    }
}

/// Returns the text, or its first [`TEXT_BYTES`] with the number of bytes cut off.
fn bounded(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    let kept = &text[..text.floor_char_boundary(TEXT_BYTES)];
    format!("{kept}... ({} more bytes)", text.len() - kept.len())
}

/// Records a runner's message in the report; `None` if no honest runner sends it.
pub(crate) fn note(message: Value, is_tester: bool, job: &Job, report: &mut Report) -> Option<()> {
    let Node::Tuple(parts) = message.root() else {
        return None;
    };
    let part = |i: usize| parts.get(i).map(|&id| message.node(id));
    let text = |i| match part(i)? {
        Node::Str(text) => Some(bounded(text)),
        _ => None,
    };
    let number = |i| match part(i)? {
        Node::Int(value) => u64::try_from(*value).ok(),
        _ => None,
    };
    let seconds = |i| match part(i)? {
        Node::Float(seconds) if seconds.is_finite() => Some(seconds.max(0.0)),
        _ => None,
    };
    let kind = |i| verdict_of(&text(i)?);
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
                "output" => {
                    // The value is the last part and begins after the others. The program controls it, but an
                    // honest one never refers to the message itself.
                    let (&[_, _, _, VALUE], cpu_s) = (&parts[..], seconds(2)?) else {
                        return None;
                    };
                    let returned = Returned::Value(message.split_off(VALUE)?);
                    return report.insert_call(place, returned, cpu_s, job);
                }
                "raised" => Returned::Raised {
                    verdict: kind(3)?,
                    message: text(4)?,
                },
                _ => Returned::Timeout,
            };
            report.insert_call(place, returned, seconds(2)?, job)?;
        }
        "end" if is_tester => finish_tests(job, report)?,
        "lost" if is_tester => {
            report.tester_lost = Some(number(1)? as i32);
        }
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

/// Marks the report complete; `None` if a test or call is missing.
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
