//! Runs a job: starts its processes, carries frames between them, and collects what they report.

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
    /// The signal, or 0, by which the process of the tests ended before they were over.
    pub(crate) tester_lost: Option<i32>,
    /// Peak of resident memory of the program in bytes, 0 if unknown.
    pub(crate) peak_memory_bytes: u64,
    /// CPU seconds of the program, as far as known.
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    /// Why it was ended from outside.
    pub(crate) stopped: Option<Stop>,
    /// How the program's process ended.
    pub(crate) ended: Option<Ended>,
    /// stdout and stderr of the program; of a script stdout alone.
    pub(crate) output: Vec<u8>,
}

impl Report {
    /// `None` for a call that was not asked for, or came before.
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
    /// Its processes together took more memory than one may.
    Memory,
    /// It made more than [`MOST_FILES`].
    Files,
    /// A process wrote what its runner never does.
    Forged,
}

/// How often a long run is looked at: well within the second that a program gets which resists the
/// signal of the CPU limit, and before files without content take much memory of the kernel.
const SAMPLE: Duration = Duration::from_millis(100);

/// How late at most the end of a process is seen whose pipes stay open.
const LAST_TICK: Duration = Duration::from_millis(1);

/// Runs `job`: the program in a fresh box, tests that are code in a tester's.
pub(crate) fn run(
    launcher: &Launcher,
    testers: &Testers,
    job: &Job,
    limits: &Limits,
) -> Result<Report, SandboxError> {
    let started = Instant::now();
    let search_path = launcher.interpreter.search_path_text();
    let mut candidate = Process::start(launcher, Role::Candidate, limits)?;
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
    // Thirty years are as good as no limit, and can be added to an instant; NaN becomes 0.
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

/// A run under way.
struct Run<'a> {
    job: &'a Job,
    /// The program's, then that of the tests if they have one.
    processes: Vec<Process>,
    /// Requests and answers that each of the two sent to the other.
    requests: [u64; 2],
    answers: [u64; 2],
    /// Of all values that came for the report.
    parts: usize,
    report: Report,
}

impl Run<'_> {
    /// Carries frames until everything is done or nothing more can come.
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
                // Before the runner has begun, the folder may still be the machine's.
                if self.report.has_begun && self.processes[0].has_more_files_than(MOST_FILES) {
                    self.report.stopped = Some(Stop::Files);
                }
            }
            let was_loaded = self.report.is_loaded;
            self.collect();
            if let (true, false, [_, tester]) =
                (self.report.is_loaded, was_loaded, &mut self.processes[..])
            {
                // Only now is there a program to test.
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

    /// Ends the program's process, and learns what only its end tells.
    fn finish(&mut self, limits: &Limits) -> Result<(), SandboxError> {
        self.sample();
        let patience = if self.report.stopped.is_none() {
            LEAVE
        } else {
            Duration::ZERO
        };
        let deadline = Instant::now() + patience;
        // A program that waits for requests sees that there are no more, and says good-bye.
        self.processes[0].dismiss();
        let mut is_gone = false;
        while !is_gone && Instant::now() < deadline {
            // A forgotten child may hold the pipes open: the end is not theirs but the process's.
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

    /// Lets the tester wait for another run, if nothing of this one can be left in its pipes.
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

    /// Looks at the program's process from outside, as its own word may not come.
    fn sample(&mut self) {
        let (candidate, report) = (&self.processes[0], &mut self.report);
        report.cpu_s = report.cpu_s.max(candidate.cpu_s());
        report.peak_memory_bytes = report.peak_memory_bytes.max(candidate.peak_memory_bytes());
    }

    /// Takes the frames that came, and carries on those that are for the other process.
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

    /// `None` for a frame that no honest runner writes.
    fn take(&mut self, from: usize, frame: &[u8]) -> Option<()> {
        let is_answer = frame.starts_with(ANSWER);
        if is_answer || frame.starts_with(REQUEST) {
            let counts = if is_answer {
                &mut self.answers
            } else {
                &mut self.requests
            };
            counts[from] += 1;
            // A tester that is done or gone needs no more.
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

/// How frames between program and tests begin: ("do", ..) and ("done", ..).
const REQUEST: &[u8] = b"t3;s2:do";
const ANSWER: &[u8] = b"t4;s4:done";
/// How a frame with the result of a call begins: ("output", i, `cpu_s`, value).
const OUTPUT: &[u8] = b"t4;s6:output";
/// Place of that value's root, behind the message and its other three parts.
const VALUE: NodeId = 4;

/// Most bytes of a frame that holds no value: its texts are a line or two.
const REPORT_BYTES: usize = 1 << 20;

/// Most bytes of a text that goes into a report. A runner keeps well below.
const TEXT_BYTES: usize = 4 << 10;

/// Most bytes of a frame that begins like this, or with more of the same.
fn most_bytes(beginning: &[u8]) -> usize {
    let may_be = |kind: &[u8]| kind.starts_with(beginning) || beginning.starts_with(kind);
    if [REQUEST, ANSWER, OUTPUT].into_iter().any(may_be) {
        RESULTS_BYTES
    } else {
        REPORT_BYTES
    }
}

/// The text, or its beginning with what was cut off.
fn bounded(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    let kept = &text[..text.floor_char_boundary(TEXT_BYTES)];
    format!("{kept}... ({} more bytes)", text.len() - kept.len())
}

/// Writes a message of a runner into the report; `None` if no honest runner sends it.
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
                    // The value is the last part and begins after the others. It is the program's
                    // word, but an honest one never holds the message itself.
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
