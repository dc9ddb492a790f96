//! What differs between two programs, line by line.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

/// Unchanged lines around a change.
const CONTEXT: usize = 3;

/// Programs of at most this many lines are shown whole: their unchanged lines explain the changed ones.
const WHOLE_LINES: usize = 40;

/// A line of a difference, without its line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiffLine {
    /// The start of a hunk, as in a unified diff: `@@ -1,3 +1,4 @@`.
    Hunk(String),
    /// A line of both texts.
    Both(String),
    /// A line of the first text alone.
    Removed(String),
    /// A line of the second text alone.
    Added(String),
}

/// Compares two texts line by line, with `context` unchanged lines around each change; empty if they are the same.
///
/// Line breaks at the end of a text do not count.
pub fn diff_lines(before: &str, after: &str, context: usize) -> Vec<DiffLine> {
    let [before, after] = [before, after].map(ended);
    let diff = TextDiff::from_lines(&before, &after);
    let mut lines = Vec::new();
    for hunk in diff.unified_diff().context_radius(context).iter_hunks() {
        lines.push(DiffLine::Hunk(hunk.header().to_string()));
        lines.extend(hunk.iter_changes().map(|change| {
            let text = change.value().trim_end_matches(['\n', '\r']).to_owned();
            match change.tag() {
                ChangeTag::Equal => DiffLine::Both(text),
                ChangeTag::Delete => DiffLine::Removed(text),
                ChangeTag::Insert => DiffLine::Added(text),
            }
        }));
    }
    lines
}

/// Compares two programs as [`diff_lines`] does; short ones with all their lines, others with three around each change.
pub fn program_diff(before: &str, after: &str) -> Vec<DiffLine> {
    let longest = before.lines().count().max(after.lines().count());
    let is_short = longest <= WHOLE_LINES;
    diff_lines(before, after, if is_short { longest } else { CONTEXT })
}

/// Renders lines as a unified diff, after the names of its sides if there are any.
pub fn unified(names: Option<[&str; 2]>, lines: &[DiffLine]) -> String {
    let mut text = String::new();
    if let Some([before, after]) = names {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "--- {before}\n+++ {after}");
    }
    for line in lines {
        let _ = match line {
            DiffLine::Hunk(header) => writeln!(text, "{header}"),
            DiffLine::Both(line) => writeln!(text, " {line}"),
            DiffLine::Removed(line) => writeln!(text, "-{line}"),
            DiffLine::Added(line) => writeln!(text, "+{line}"),
        };
    }
    text
}

/// Ends a text with one line break, unless it is empty.
fn ended(text: &str) -> String {
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        String::new()
    } else {
        format!("{text}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_program_is_shown_whole_with_what_changed() {
        let before = "def f(x):\n    y = x\n    return y";
        let after = "def f(x):\n    y = x\n    return 2 * y\n\n";
        let lines = program_diff(before, after);
        let expected = "--- base\n+++ tuned\n@@ -1,3 +1,3 @@\n def f(x):\n     y = x\n-    return y\n+    return 2 * y\n";
        assert_eq!(unified(Some(["base", "tuned"]), &lines), expected);
    }

    #[test]
    fn a_long_program_is_cut_to_its_changes() {
        let lines = (0..60).map(|i| format!("x = {i}\n"));
        let before: String = lines.collect();
        let after = before.replace("x = 30\n", "x = 0\n");
        let lines = program_diff(&before, &after);
        assert_eq!(lines.len(), 1 + 2 * CONTEXT + 2, "{lines:?}");
        assert_eq!(lines[0], DiffLine::Hunk("@@ -28,7 +28,7 @@".to_owned()));
    }

    #[test]
    fn equal_and_empty_programs_have_no_difference() {
        assert_eq!(program_diff("x = 1\n", "x = 1"), []);
        assert_eq!(program_diff("", ""), []);
        let added = [
            DiffLine::Hunk("@@ -0,0 +1 @@".to_owned()),
            DiffLine::Added("x = 1".to_owned()),
        ];
        assert_eq!(program_diff("", "x = 1"), added);
    }
}
