//! The lines of an indexed file, with masked ones replaced.

use std::sync::OnceLock;

use slm_metrics::syntax::{Definition, definitions, lines_that_use};

/// What replaces masked lines.
pub(crate) const HIDDEN: &str = "# hidden for this task";

/// Ranges of lines, in order and without overlap; both ends are included.
pub(crate) type LineRanges = Vec<(usize, usize)>;

/// A file and where its lines start.
#[derive(Debug)]
pub(crate) struct FileLines {
    pub(crate) source: String,
    pub(crate) text: String,
    starts: Vec<usize>,
    definitions: OnceLock<Vec<Definition>>,
}

impl FileLines {
    pub(crate) fn new(source: String, text: String) -> Self {
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        if starts.last() == Some(&text.len()) {
            starts.pop();
        }
        Self {
            source,
            text,
            starts,
            definitions: OnceLock::new(),
        }
    }

    /// Returns the definitions of a Python file, none of others.
    pub(crate) fn definitions(&self) -> &[Definition] {
        self.definitions.get_or_init(|| {
            if self.is_python() {
                definitions(&self.text).unwrap_or_default()
            } else {
                Vec::new()
            }
        })
    }

    pub(crate) fn n_lines(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn is_python(&self) -> bool {
        std::path::Path::new(&self.source)
            .extension()
            .is_some_and(|ending| ending == "py")
    }

    /// Returns the name of the module in the file, joined by dots, as far as its path has it.
    pub(crate) fn module(&self) -> String {
        module_name(&self.source)
    }

    /// Returns a line without its end; empty after the last.
    pub(crate) fn line(&self, number: usize) -> &str {
        let Some(&start) = number.checked_sub(1).and_then(|at| self.starts.get(at)) else {
            return "";
        };
        let end = self.starts.get(number).copied().unwrap_or(self.text.len());
        self.text[start..end].trim_end_matches('\n')
    }

    /// Returns the lines of a range; each run of masked ones is [`HIDDEN`]. `None` if all are masked.
    pub(crate) fn visible(&self, lines: (usize, usize), masked: &LineRanges) -> Option<String> {
        let mut text = String::new();
        let mut n_visible = 0;
        let mut was_masked = false;
        for number in lines.0..=lines.1.min(self.n_lines()) {
            let is_masked = contains(masked, number);
            if !is_masked {
                n_visible += 1;
                text.push_str(self.line(number));
                text.push('\n');
            } else if !was_masked {
                text.push_str(HIDDEN);
                text.push('\n');
            }
            was_masked = is_masked;
        }
        (n_visible > 0).then_some(text)
    }

    /// Returns the lines that use an identifier and are not masked.
    pub(crate) fn uses(&self, name: &str, masked: &LineRanges) -> Vec<usize> {
        let mut lines = lines_that_use(&self.text, name).unwrap_or_default();
        lines.retain(|line| !contains(masked, *line));
        lines
    }
}

/// Returns whether a line is in one of the ranges.
pub(crate) fn contains(ranges: &LineRanges, line: usize) -> bool {
    let after = ranges.partition_point(|range| range.0 <= line);
    after > 0 && line <= ranges[after - 1].1
}

/// Returns the dotted name of the module at a path: `a/b.py` is `a.b`, and `a/__init__.py` is `a`.
pub(crate) fn module_name(source: &str) -> String {
    let path = source.strip_prefix("pip:").unwrap_or(source);
    let path = path.strip_suffix(".py").unwrap_or(path);
    let path = path.strip_suffix("/__init__").unwrap_or(path);
    path.replace('/', ".")
}
