//! Watches a GPU backend: its messages become notes, and the panics of its threads errors of the command.
//!
//! CubeCL runs every device on a separate thread. A panic there is caught and only reported as a message, so that the
//! program would continue with wrong numbers.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::ThreadId;

use anyhow::{Result, anyhow};
use log::{Level, LevelFilter, Log, Metadata, Record};
use slm_model::DeviceChoice;

use super::failure;
use crate::exit::Failure;
use crate::output::note;

/// Crates of the backends, by the start of their names.
const CRATES: [&str; 4] = ["cubecl", "burn", "cubek", "cudarc"];
/// Further crates in which a panic is one of a backend, by the start of their names.
const CRATES_BELOW: [&str; 3] = ["wgpu", "naga", "tracel"];
/// Where CubeCL reports the panics of a device's thread: cubecl-common 0.11.3, `device/handle/channel.rs`.
const RUNNER: &str = "cubecl_common::device";
/// Messages that are part of normal work: two processes compile the same kernel, and the kernel cache, whose folder is
/// checked at start.
const USUAL: [&str; 3] = [
    "another process stored the key first",
    "Turso cache",
    "reclaiming and retrying",
];
/// Most messages of a backend that are shown.
const SHOWN: usize = 20;

/// What was seen of the backend.
struct Seen {
    /// The device in use; `None` before one is watched.
    choice: Option<DeviceChoice>,
    /// The first panic of a device's thread.
    broken: Option<String>,
    /// The last panic of each thread, in their order; `None` for one outside the backends.
    panics: Vec<(ThreadId, Option<String>)>,
    /// Messages that were shown.
    shown: BTreeSet<String>,
}

impl Seen {
    /// Returns the text of the panic that ended work on this thread, unless it began outside the backends.
    ///
    /// CubeCL raises a panic of the device's thread again on the thread that waits for it, without the panic hook.
    fn panic_of_this_thread(&self) -> Option<String> {
        let thread = std::thread::current().id();
        let own = self.panics.iter().find(|(of, _)| *of == thread);
        let raised = || self.panics.iter().rfind(|(_, text)| text.is_some());
        own.or_else(raised)?.1.clone()
    }
}

static SEEN: Mutex<Seen> = Mutex::new(Seen {
    choice: None,
    broken: None,
    panics: Vec::new(),
    shown: BTreeSet::new(),
});

fn seen() -> MutexGuard<'static, Seen> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to watch the backend of a device.
pub(super) fn start(choice: DeviceChoice) {
    static ONCE: Once = Once::new();
    seen().choice = Some(choice);
    ONCE.call_once(|| {
        // Fails if the program has a logger, which then receives the messages.
        if log::set_logger(&Messages).is_ok() {
            log::set_max_level(LevelFilter::Warn);
        }
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = is_of_backend(info).then(|| panic_text(info));
            if text.is_none() {
                before(info);
            }
            let mut seen = seen();
            let thread = std::thread::current().id();
            seen.panics.retain(|(of, _)| *of != thread);
            seen.panics.push((thread, text));
        }));
    });
}

/// The logger of CubeCL and burn.
struct Messages;

impl Log for Messages {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= Level::Warn && is_backend(metadata.target())
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            receive(record.target(), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Shows a message once, and keeps the first panic of a device's thread.
fn receive(target: &str, text: &str) {
    if USUAL.iter().any(|usual| text.contains(usual)) {
        return;
    }
    let line = failure::short(text);
    let is_panic = target.starts_with(RUNNER) && is_panic_report(text);
    let mut seen = seen();
    if is_panic && seen.broken.is_none() {
        seen.broken = Some(panic_message(text).unwrap_or_else(|| line.clone()));
    }
    let is_new = seen.shown.len() < SHOWN && seen.shown.insert(line.clone());
    drop(seen);
    if is_new && !is_panic {
        note(&format!("warning: {target}: {line}"));
    }
}

/// Whether a message of the device's thread reports a panic, and not a slow end of the thread.
fn is_panic_report(text: &str) -> bool {
    text.contains("CallError") || text.starts_with("Task failed")
}

/// Returns the panic's own text from `CallError(task panicked on device runner thread: TEXT)`.
fn panic_message(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("runner thread: ")?;
    let message = failure::short(rest.strip_suffix(')').unwrap_or(rest));
    Some(message).filter(|message| !message.is_empty())
}

fn is_backend(target: &str) -> bool {
    CRATES.iter().any(|name| target.starts_with(name))
}

/// Whether a panic began in the source of a backend, or where the results of one are read.
///
/// CubeCL reports most failures when a tensor is read, by an `expect` in burn whose place is that of the caller.
fn is_of_backend(info: &PanicHookInfo) -> bool {
    let is_name = |folder: &str| {
        let is_below = CRATES_BELOW.iter().any(|name| folder.starts_with(name));
        folder.contains('-') && (is_backend(folder) || is_below)
    };
    let place = info.location();
    let is_in_crate = place.is_some_and(|place| place.file().split('/').any(is_name));
    is_in_crate || info.payload_as_str().is_some_and(failure::is_of_read)
}

/// Formats a panic: its message and its place inside the crate. The message alone shows that memory is exhausted.
fn panic_text(info: &PanicHookInfo) -> String {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    let message = failure::reason(message);
    if failure::is_out_of_memory(&message) {
        return message;
    }
    let place = info.location().map_or_else(String::new, |place| {
        let file = place.file();
        let start = file
            .find("/burn")
            .or_else(|| file.find("/cube"))
            .map_or(0, |at| at + 1);
        format!(" ({}:{})", &file[start..], place.line())
    });
    format!("{}{place}", failure::short(&message))
}

/// Forgets the failures up to now, which were caught and answered.
pub(super) fn forgive() {
    let mut seen = seen();
    seen.broken = None;
    seen.panics.clear();
}

/// Stops a command whose backend has failed: its further numbers would be wrong.
///
/// # Errors
/// A thread of the backend has panicked since the device was opened.
pub fn check_backend() -> Result<()> {
    match &seen().broken {
        None => Ok(()),
        Some(text) => Err(anyhow!("{text}")),
    }
}

/// Breaks the backend as a panic of its thread does, for checks of the GPU path.
pub fn break_backend() {
    receive(RUNNER, "CallError(broken on purpose)");
}

/// Runs a command, and turns the failures of a watched backend into errors: panics, an exhausted memory, and a panic of
/// a device's thread that went unnoticed. `advice` names the settings that need less memory.
///
/// # Errors
/// The command's own, or the failure of the backend.
pub fn guarded(advice: &str, command: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let outcome = catch_unwind(AssertUnwindSafe(command));
    let (choice, broken, panic) = {
        let seen = seen();
        (
            seen.choice,
            seen.broken.clone(),
            seen.panic_of_this_thread(),
        )
    };
    let Some(choice) = choice else {
        return outcome.unwrap_or_else(|payload| resume_unwind(payload));
    };
    let failed = |text: &str| {
        let memory = match choice {
            DeviceChoice::Cuda(index) => slm_model::nvidia_gpu(index).and_then(|gpu| gpu.memory),
            _ => None,
        };
        let text = failure::describe(choice, text, memory, advice);
        Err(Failure::Environment(anyhow!("{text}")))
    };
    match (outcome, broken) {
        (Ok(Err(Failure::Interrupted(text))), _) => Err(Failure::Interrupted(text)),
        (_, Some(text)) => failed(&text),
        (Ok(Err(Failure::Environment(error))), None) => {
            let text = format!("{error:#}");
            if failure::is_out_of_memory(&text) {
                failed(&text)
            } else {
                Err(Failure::Environment(error))
            }
        }
        (Ok(outcome), None) => outcome,
        (Err(payload), None) => match panic {
            Some(text) => failed(&text),
            None => resume_unwind(payload),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_devices_thread_is_told_from_other_messages() {
        assert!(is_panic_report(
            "CallError(task panicked on device runner thread: index out of bounds)"
        ));
        assert!(is_panic_report("Task failed: CallError(disconnected)"));
        assert!(!is_panic_report(
            "Device runner 3 did not stop within 5s, leaking the thread."
        ));
        let text = "CallError(task panicked on device runner thread: no (x)\nmore)";
        assert_eq!(panic_message(text).as_deref(), Some("no (x) more"));
        assert_eq!(panic_message("CallError(disconnected)"), None);
    }

    #[test]
    fn messages_of_other_crates_are_none_of_the_backends() {
        let check = |target: &str, expected: bool| {
            let metadata = Metadata::builder()
                .level(Level::Warn)
                .target(target)
                .build();
            assert_eq!(Messages.enabled(&metadata), expected, "{target}");
        };
        check("cubecl_runtime::client", true);
        check("burn_cubecl::tune", true);
        check("rustls::conn", false);
        let debug = Metadata::builder()
            .level(Level::Debug)
            .target("burn")
            .build();
        assert!(!Messages.enabled(&debug));
    }

    /// Replaces `burn::tensor::backend::ExecutionError`.
    #[derive(Debug)]
    enum ExecutionError {
        WithContext {
            #[expect(dead_code, reason = "it is shown")]
            reason: String,
        },
    }

    /// As `Tensor::into_data` in burn-tensor 0.22.1, whose caller is the place of the panic.
    #[track_caller]
    fn read(result: Result<(), ExecutionError>) {
        result.expect(
            "Error while reading data: use `try_into_data` instead to catch the error at runtime",
        );
    }

    /// A single test, since what was seen is global.
    #[test]
    fn failures_of_a_watched_backend_are_errors_of_the_command() {
        let fine = guarded("", || Ok(()));
        assert!(fine.is_ok());
        let text = |outcome: Result<(), Failure>| outcome.expect_err("a failure").to_string();
        seen().choice = Some(DeviceChoice::Wgpu);
        let memory = guarded("lower the batch", || {
            Err(anyhow!("read: out of device memory allocating 5000 bytes").into())
        });
        assert!(text(memory).ends_with("hint: lower the batch"));
        start(DeviceChoice::Wgpu);
        let exhausted = "out of device memory allocating 5000000000 bytes";
        // As burn reads a tensor: its message, and the error in the notation of `Debug`.
        let reading = guarded("lower the batch", || {
            let reason = format!("An IO error happened\nCaused by:\n  {exhausted}\n   0: a::b\n");
            read(Err(ExecutionError::WithContext { reason }));
            Ok(())
        });
        assert_eq!(
            text(reading),
            "wgpu is out of memory: an allocation of 5.00 GB failed\nhint: lower the batch"
        );
        let kernel = guarded("", || {
            let reason = "no such\nintrinsic \"x\"\nBacktrace:\n   0: a::b\n".to_owned();
            read(Err(ExecutionError::WithContext { reason }));
            Ok(())
        });
        let first = text(kernel);
        let place = format!("({}:", file!());
        assert!(
            first.starts_with("the backend of wgpu failed: no such intrinsic \"x\" (")
                && first.contains(&place),
            "{first}"
        );
        let of_ours = catch_unwind(|| guarded("", || panic!("our mistake")));
        assert!(of_ours.is_err(), "it stays a panic");
        let own = guarded("", || Err(anyhow!("no such file").into()));
        assert_eq!(text(own), "no such file");

        check_backend().expect("nothing happened");
        receive("cubecl_runtime::client", "slow");
        check_backend().expect("a message is no failure");
        receive(
            "cubecl_common::device::handle::channel",
            "CallError(task panicked on device runner thread: bad kernel)",
        );
        let stopped = check_backend().expect_err("a panic");
        assert_eq!(stopped.to_string(), "bad kernel");
        let unnoticed = guarded("", || Ok(()));
        assert!(text(unnoticed).starts_with("the backend of wgpu failed: bad kernel\n"));
        forgive();
        check_backend().expect("forgotten");
        let interrupted = guarded("", || Err(Failure::Interrupted("step 3".to_owned())));
        assert_eq!(text(interrupted), "step 3");
        let mut seen = seen();
        (seen.choice, seen.broken) = (None, None);
    }
}
