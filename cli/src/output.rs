//! What a person or a pipe sees: results on stdout, notes on stderr.

use std::io::{self, Write};

use crate::progress::bytes_text;

/// Prints a result to stdout. A reader that went away is no failure.
pub fn result(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints a note on how it goes to stderr.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
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
