//! Output of the commands: results on stdout, notes on stderr.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::printable::{printable, printable_json};
use crate::progress::bytes_text;

/// Prints a result to stdout, with control characters escaped. A closed pipe is no failure.
pub fn result(text: &str) {
    painted_result(&printable(text));
}

/// Prints a JSON document to stdout.
pub fn document(json: &str) {
    painted_result(&printable_json(json));
}

/// Prints a result that contains escape codes, whose untrusted parts the caller has passed through [`printable`].
pub fn painted_result(text: &str) {
    let written = writeln!(io::stdout(), "{text}").and_then(|()| io::stdout().flush());
    if written.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe) {
        INCOMPLETE.store(true, Ordering::Relaxed);
    }
}

/// Whether a result could not be written to stdout.
static INCOMPLETE: AtomicBool = AtomicBool::new(false);

/// Returns whether all results were written to stdout: a full disk must not look like success.
pub(crate) fn is_complete() -> bool {
    !INCOMPLETE.load(Ordering::Relaxed)
}

/// Prints a note to stderr.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

/// Returns the resident memory of this process as text, or `memory unknown` where the system does not report it.
pub fn memory_text() -> String {
    memory_bytes("VmRSS:").map_or_else(|| "memory unknown".to_owned(), bytes_text)
}

/// Returns the peak memory of this process as text, or `unknown` where the system does not report it.
pub fn peak_memory_text() -> String {
    peak_memory_bytes().map_or_else(|| "unknown".to_owned(), bytes_text)
}

/// Returns the peak memory of this process in bytes.
pub fn peak_memory_bytes() -> Option<u64> {
    memory_bytes("VmHWM:")
}

/// Returns a value of `/proc/self/status` in bytes.
fn memory_bytes(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(number_after(&status, name)? * 1024)
}

/// Returns the integer after a name at the start of a line, as in the files of `/proc`.
pub fn number_after(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    })
}
