//! What a person or a pipe sees: results on stdout, notes on stderr.

use std::io::{self, Write};

use crate::printable::{printable, printable_json};
use crate::progress::bytes_text;

/// Prints a result to stdout, foreign characters made harmless. A reader that went away is no failure.
pub fn result(text: &str) {
    painted_result(&printable(text));
}

/// Prints a JSON document to stdout.
pub fn document(json: &str) {
    painted_result(&printable_json(json));
}

/// Prints a result with the escape codes in it, for text whose foreign parts went through [`printable`] one by one.
pub fn painted_result(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints a note to stderr.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

/// The memory that this process holds now, or `memory unknown` where the system does not say.
pub fn memory_text() -> String {
    memory_bytes("VmRSS:").map_or_else(|| "memory unknown".to_owned(), bytes_text)
}

/// The most memory that this process held so far, or `unknown` where the system does not say.
pub fn peak_memory_text() -> String {
    peak_memory_bytes().map_or_else(|| "unknown".to_owned(), bytes_text)
}

/// The same in bytes.
pub fn peak_memory_bytes() -> Option<u64> {
    memory_bytes("VmHWM:")
}

/// A line of what Linux says of this process, in bytes.
fn memory_bytes(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(number_behind(&status, name)? * 1024)
}

/// The whole number behind a name that begins a line, as in the files of `/proc`.
pub fn number_behind(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok())?
    })
}
