//! Numbers with their nouns, for pages.

/// Returns a number with a noun whose plural ends with an s.
pub(crate) fn counted(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}
