//! Filter of Python functions, by the limits of the recipe.

use slm_config::Dataset;
use slm_metrics::syntax::FunctionSource;

use super::counts::Reason;

/// Number of lines at the head of a file that are searched for a licence.
const HEADER_LINES: usize = 60;

/// Full names of licences, which headers use instead of the abbreviation.
const LONG_NAMES: [(&str, &str); 4] = [
    ("gpl", "gnu general public license"),
    ("lgpl", "gnu lesser general public license"),
    ("agpl", "gnu affero general public license"),
    ("mpl", "mozilla public license"),
];

/// The limits of one data set.
#[derive(Debug)]
pub(super) struct FunctionFilter<'a> {
    dataset: &'a Dataset,
    /// In lower case.
    licences: Vec<String>,
}

impl<'a> FunctionFilter<'a> {
    pub(super) fn new(dataset: &'a Dataset) -> Self {
        let words = dataset
            .exclude_licences
            .iter()
            .map(|word| word.to_lowercase());
        let mut licences: Vec<String> = words.collect();
        for (short, long) in LONG_NAMES {
            if licences.iter().any(|word| word == short) {
                licences.push(long.to_owned());
            }
        }
        Self { dataset, licences }
    }

    /// Whether the head of a file names a licence that the recipe excludes.
    ///
    /// The head ends before the first line that is neither empty, nor a comment, nor inside the module's docstring.
    pub(super) fn excludes_licence_of(&self, text: &str) -> bool {
        if self.licences.is_empty() {
            return false;
        }
        let head = head(text).to_lowercase();
        self.licences.iter().any(|word| holds_word(&head, word))
    }

    /// Returns the reason to leave a function out, if there is one.
    pub(super) fn reason_against(&self, function: &FunctionSource) -> Option<Reason> {
        let Dataset {
            min_body_lines,
            max_body_lines,
            min_docstring_words,
            min_maintainability_index,
            max_cyclomatic_complexity,
            ..
        } = self.dataset;
        let lines = function.body.lines().count();
        let allowed = min_body_lines.unwrap_or(0)..=max_body_lines.unwrap_or(usize::MAX);
        if !allowed.contains(&lines) {
            return Some(Reason::WrongLength);
        }
        let words = function.docstring.split_whitespace().count();
        if words < min_docstring_words.unwrap_or(0) {
            return Some(Reason::ShortDocstring);
        }
        if min_maintainability_index.is_none() && max_cyclomatic_complexity.is_none() {
            return None;
        }
        let Ok(metrics) = slm_metrics::analyze(&function.source) else {
            return Some(Reason::NoMetrics);
        };
        if min_maintainability_index.is_some_and(|least| metrics.maintainability_index < least) {
            return Some(Reason::LowMaintainability);
        }
        max_cyclomatic_complexity
            .is_some_and(|most| metrics.cyclomatic_complexity > most)
            .then_some(Reason::TooComplex)
    }
}

/// Returns the comments and the docstring before a file's first statement, at most [`HEADER_LINES`] lines.
fn head(text: &str) -> String {
    let mut head = String::new();
    let mut quotes: Option<&str> = None;
    for line in text.lines().take(HEADER_LINES) {
        let trimmed = line.trim();
        let opened = ["\"\"\"", "'''"]
            .into_iter()
            .find(|mark| trimmed.contains(mark));
        match (quotes, opened) {
            (None, Some(mark)) if trimmed.matches(mark).count() == 1 => quotes = Some(mark),
            (Some(mark), _) if trimmed.contains(mark) => quotes = None,
            (None, None) if !trimmed.is_empty() && !trimmed.starts_with('#') => break,
            _ => {}
        }
        head.push_str(line);
        head.push('\n');
    }
    // Line breaks and comment marks inside a name are ignored.
    let words = head
        .split(|c: char| c.is_whitespace() || c == '#')
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Whether a text contains a word with no letter directly before or after it.
fn holds_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphabetic) && !after.is_some_and(char::is_alphabetic)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use slm_config::Recipe;
    use std::path::Path;

    fn dataset(keys: &str) -> Dataset {
        let text = format!(
            "model: {{name_or_path: x.gguf}}\ndata: {{datasets: [{{path: a, format: python_source, {keys}}}]}}"
        );
        let mut recipe =
            Recipe::parse(&text, Path::new("r.yaml"), &[], slm_benchmarks::NAMES).expect("recipe");
        recipe.data.datasets.remove(0)
    }

    /// Nested loops and conditions, of cyclomatic complexity 4.
    const SOURCE: &str = "def f(xs):\n    \"\"\"Count the pairs of xs.\"\"\"\n    n = 0\n    for x in xs:\n        for y in xs:\n            if x < y:\n                n += 1\n    return n\n";

    fn reason(keys: &str) -> Option<Reason> {
        let dataset = dataset(keys);
        let functions = slm_metrics::syntax::documented_functions(SOURCE).expect("Python");
        FunctionFilter::new(&dataset).reason_against(&functions[0])
    }

    #[test]
    fn each_limit_leaves_out_what_is_beyond_it_and_nothing_else() {
        for (keys, expected) in [
            ("min_body_lines: 6", None),
            ("min_body_lines: 7", Some(Reason::WrongLength)),
            ("max_body_lines: 5", Some(Reason::WrongLength)),
            ("min_docstring_words: 5", None),
            ("min_docstring_words: 6", Some(Reason::ShortDocstring)),
            ("max_cyclomatic_complexity: 4", None),
            ("max_cyclomatic_complexity: 3", Some(Reason::TooComplex)),
            ("min_maintainability_index: 40", None),
            (
                "min_maintainability_index: 100",
                Some(Reason::LowMaintainability),
            ),
        ] {
            assert_eq!(reason(keys), expected, "{keys}");
        }
    }

    #[test]
    fn a_licence_is_found_in_the_head_of_a_file_alone() {
        let dataset = dataset("exclude_licences: [GPL, All rights reserved]");
        let filter = FunctionFilter::new(&dataset);
        let check = |text: &str, expected: bool| {
            assert_eq!(filter.excludes_licence_of(text), expected, "{text}");
        };
        check("# SPDX-License-Identifier: GPL-3.0-only\nimport os\n", true);
        check(
            "\"\"\"A tool.\n\nUnder the GNU General\nPublic License.\n\"\"\"\n",
            true,
        );
        check(
            "#!/usr/bin/env python3\n\n# Copyright. All Rights\n# Reserved.\nx = 1\n",
            true,
        );
        check("# LGPL\nx = 1\n", false);
        check("# MIT\nx = 1\n# GPL\n", false);
        check("x = 'GPL'\n", false);
    }
}
