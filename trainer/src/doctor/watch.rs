//! Runs the probes on a separate thread, under a time limit.

use std::panic::PanicHookInfo;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::finding::{Finding, KernelFinding};

/// Interval between progress lines of a running probe.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Stack of the thread: a backend's compilers recurse deeply.
const STACK_BYTES: usize = 64 << 20;

/// How an examination ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Every probe was run.
    Whole,
    /// The device does not exist.
    Refused(String),
    /// A probe failed: an error, or a panic of the backend.
    Failed(String),
    /// A probe did not end within the time limit.
    Hung,
}

/// The findings of an examination up to its end.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) device: String,
    pub(crate) findings: Vec<Finding>,
    /// The state of each fused kernel.
    pub(crate) kernels: Vec<KernelFinding>,
    pub(crate) ended: Ending,
    /// The probe that was running at the end.
    pub(crate) last: String,
    /// Messages of the panics on any thread during the examination.
    pub(crate) panics: Vec<String>,
    pub(crate) seconds: f64,
}

enum Event {
    Device(String),
    Begun(String),
    Found(Finding),
    Kernel(KernelFinding),
    Ended(Ending),
}

/// The channel by which the probes report their progress.
#[derive(Clone)]
pub(crate) struct Report {
    events: Sender<Event>,
    /// Messages of the panics up to now.
    panics: Arc<Mutex<Vec<String>>>,
}

impl Report {
    /// Reports the name of the device that was opened.
    pub(crate) fn device(&self, name: String) {
        self.send(Event::Device(name));
    }

    /// Reports that a probe begins.
    pub(crate) fn begin(&self, probe: &str) {
        self.send(Event::Begun(probe.to_owned()));
    }

    /// Reports a finding.
    pub(crate) fn find(&self, finding: Finding) {
        self.send(Event::Found(finding));
    }

    /// Reports the state of a fused kernel.
    pub(crate) fn kernel(&self, finding: KernelFinding) {
        self.send(Event::Kernel(finding));
    }

    /// Forgets the panics up to now: something has caught and answered them.
    pub(crate) fn forgive_panics(&self) {
        let mut panics = self.panics.lock().unwrap_or_else(PoisonError::into_inner);
        panics.clear();
    }

    fn send(&self, event: Event) {
        // After the time limit nothing receives events, and the program is about to end.
        let _ = self.events.send(event);
    }
}

/// Why the probes stopped early.
#[derive(Debug)]
pub(crate) enum ProbeError {
    /// The device that the user named does not exist.
    Refused(String),
    /// A probe failed.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for ProbeError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs probes for at most `limit`, and prints the current one on stderr.
///
/// A thread that hangs is left running until the program ends.
pub(crate) fn examine(
    limit: Duration,
    probes: impl FnOnce(&Report) -> Result<(), ProbeError> + Send + 'static,
) -> Examined {
    let (sender, events) = mpsc::channel();
    let panics = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&panics);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(panic_text(info));
    }));
    let report = Report {
        events: sender,
        panics: Arc::clone(&panics),
    };
    let started = Instant::now();
    let work = move || {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| probes(&report)));
        report.send(Event::Ended(match caught {
            Ok(Ok(())) => Ending::Whole,
            Ok(Err(ProbeError::Refused(problem))) => Ending::Refused(problem),
            Ok(Err(ProbeError::Failed(error))) => Ending::Failed(format!("{error:#}")),
            Err(_) => Ending::Failed("the backend panicked".to_owned()),
        }));
    };
    let spawned = std::thread::Builder::new()
        .name("probes".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(work);
    let mut examined = Examined {
        device: String::new(),
        findings: Vec::new(),
        kernels: Vec::new(),
        ended: Ending::Hung,
        last: "opening the device".to_owned(),
        panics: Vec::new(),
        seconds: 0.0,
    };
    if let Err(error) = spawned {
        examined.ended = Ending::Failed(error.to_string());
    } else {
        let mut probe_started = Instant::now();
        loop {
            let left = limit.saturating_sub(started.elapsed());
            match events.recv_timeout(left.min(LINE_EVERY)) {
                Ok(Event::Device(name)) => examined.device = name,
                Ok(Event::Begun(probe)) => {
                    slm_cli::note(&format!("checking           {probe}"));
                    examined.last = probe;
                    probe_started = Instant::now();
                }
                Ok(Event::Found(finding)) => examined.findings.push(finding),
                Ok(Event::Kernel(finding)) => examined.kernels.push(finding),
                Ok(Event::Ended(ended)) => {
                    examined.ended = ended;
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    examined.ended =
                        Ending::Failed("the examination ended unexpectedly".to_owned());
                    break;
                }
                Err(RecvTimeoutError::Timeout) if left.is_zero() => break,
                Err(RecvTimeoutError::Timeout) => slm_cli::note(&format!(
                    "still running      {}, {:.0} s (the first kernels on a device are compiled and tuned now)",
                    examined.last,
                    probe_started.elapsed().as_secs_f64()
                )),
            }
        }
    }
    std::panic::set_hook(before);
    examined.seconds = started.elapsed().as_secs_f64();
    examined.panics = std::mem::take(&mut *panics.lock().unwrap_or_else(PoisonError::into_inner));
    examined
}

/// Formats a panic in one line: its message and its place.
fn panic_text(info: &PanicHookInfo) -> String {
    let said = info.payload_as_str().unwrap_or("a panic without a message");
    let first = said.lines().next().unwrap_or_default();
    match info.location() {
        Some(place) => format!("{first} ({}:{})", place.file(), place.line()),
        None => first.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Precision;
    use super::*;

    /// A single test, since the panic hook is global.
    #[test]
    fn an_error_a_panic_and_a_hang_are_told_with_what_was_found_before() {
        let minute = Duration::from_mins(1);
        let found = |report: &Report| {
            report.device("toy".to_owned());
            report.begin("first");
            report.find(Finding::of("first", "toy", Precision::F32, 0.0));
            report.begin("second");
        };
        let examined = examine(minute, move |report| {
            found(report);
            Err(anyhow::anyhow!("no memory left").into())
        });
        assert_eq!(examined.ended, Ending::Failed("no memory left".to_owned()));
        assert_eq!((examined.findings.len(), &*examined.last), (1, "second"));

        let examined = examine(minute, move |report| {
            found(report);
            panic!("invalid kernel");
        });
        assert_eq!(examined.device, "toy");
        assert_eq!(
            examined.ended,
            Ending::Failed("the backend panicked".to_owned())
        );
        assert!(
            examined.panics[0].starts_with("invalid kernel ("),
            "{:?}",
            examined.panics
        );

        let examined = examine(Duration::from_millis(50), move |report| {
            found(report);
            loop {
                std::thread::park();
            }
        });
        assert_eq!((examined.ended, &*examined.last), (Ending::Hung, "second"));
    }
}
