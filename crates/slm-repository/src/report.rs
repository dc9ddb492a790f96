//! What became of a repository's documented functions.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use slm_benchmarks::RepositoryTestKind;

use crate::reason::words_of;

/// Problems with test files that the page names.
const SHOWN_PROBLEMS: usize = 5;

/// Counts of functions and tests. `tested`, `measured` and `left_out` together are the `found` functions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// [`identity`](crate::identity) of the repository: SHA-256 of its Python files.
    pub repository_sha256: String,
    /// Python files that the identity covers.
    pub identifying_files: usize,
    /// Files that the copies contain.
    pub files: usize,
    /// Files left out of the copies because they are larger than 10 MiB.
    pub too_large: usize,
    /// Files left out of the copies because their names are not UTF-8, or contain control characters.
    pub odd_names: usize,
    /// Python files outside the tests that do not parse, or are not UTF-8: their functions are not counted.
    pub unparsable: Vec<String>,
    /// Documented functions.
    pub found: usize,
    /// Tasks with hidden tests.
    pub tested: usize,
    /// Such tasks by kind of test; one task may have several kinds.
    pub tested_by_kind: BTreeMap<&'static str, usize>,
    /// Tasks without tests, by the key of the reason.
    pub measured: BTreeMap<&'static str, usize>,
    /// Functions that are no tasks, by the key of the reason.
    pub left_out: BTreeMap<&'static str, usize>,
    /// Files with tests.
    pub test_files: usize,
    /// Tests that ran to their end, by kind.
    pub tests_by_kind: BTreeMap<&'static str, usize>,
    /// Tests that passed twice with the same functions entered.
    pub passing_tests: usize,
    /// Tests whose two runs differ.
    pub flaky_tests: usize,
    /// File, test if it concerns one, and problem in words.
    pub problems: Vec<(String, Option<String>, String)>,
    /// Tasks with hidden tests whose body has no mutants, so that nothing proves that the tests notice faults in it.
    pub without_mutants: usize,
    /// Mutants that were run on functions with tests that pass.
    pub mutants: usize,
    /// Mutants that failed a test.
    pub mutants_killed: usize,
    /// Tasks of the training part.
    pub train: usize,
    /// Tasks of the evaluation part, or without a split.
    pub eval: usize,
}

impl Report {
    /// Returns whether every documented function is accounted for.
    pub fn is_complete(&self) -> bool {
        let n_measured: usize = self.measured.values().sum();
        let n_left_out: usize = self.left_out.values().sum();
        self.tested + n_measured + n_left_out == self.found
            && self.train + self.eval == self.tested + n_measured
    }
}

fn by_reason(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    counts: &BTreeMap<&'static str, usize>,
) -> fmt::Result {
    writeln!(f, "{title}: {}", counts.values().sum::<usize>())?;
    for (key, n) in counts {
        writeln!(f, "  {n:>5}  {}", words_of(key))?;
    }
    Ok(())
}

fn by_kind(counts: &BTreeMap<&'static str, usize>) -> String {
    let parts = RepositoryTestKind::ALL.iter().filter_map(|kind| {
        let n = counts.get(kind.word())?;
        Some(format!("{n} {}", kind.word()))
    });
    let text = parts.collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        "none".to_owned()
    } else {
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "documented functions: {}", self.found)?;
        writeln!(
            f,
            "tasks with tests: {} ({})",
            self.tested,
            by_kind(&self.tested_by_kind)
        )?;
        by_reason(f, "tasks without tests, only measured", &self.measured)?;
        by_reason(f, "left out", &self.left_out)?;
        writeln!(
            f,
            "for training: {}, for evaluation: {}",
            self.train, self.eval
        )?;
        writeln!(
            f,
            "tests: {} in {} files; {} passed twice, {} differed between two runs",
            by_kind(&self.tests_by_kind),
            self.test_files,
            self.passing_tests,
            self.flaky_tests
        )?;
        if self.mutants > 0 {
            writeln!(
                f,
                "mutants noticed by the tests: {} of {}",
                self.mutants_killed, self.mutants
            )?;
        }
        if self.without_mutants > 0 {
            let n = self.without_mutants;
            writeln!(f, "tasks with tests whose body has no mutants: {n}")?;
        }
        if let Some(first) = self.unparsable.first() {
            let n = self.unparsable.len();
            writeln!(f, "{n} files are not Python in UTF-8, first {first}")?;
        }
        for (n, what) in [
            (self.too_large, "files of more than 10 MiB were not copied"),
            (self.odd_names, "files with unusual names were not copied"),
        ] {
            if n > 0 {
                writeln!(f, "{n} {what}")?;
            }
        }
        if !self.problems.is_empty() {
            writeln!(f, "problems with tests: {}", self.problems.len())?;
        }
        for (file, test, problem) in self.problems.iter().take(SHOWN_PROBLEMS) {
            writeln!(f, "  {}: {problem}", test.as_ref().unwrap_or(file))?;
        }
        Ok(())
    }
}
