//! Scores: the verdicts of a program's hidden tests.

use serde::{Deserialize, Serialize};
use slm_artifacts::Verdict;
use slm_benchmarks::Tests;

/// The result of a program's hidden tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The benchmark's base tests; `None` if the program could not be scored.
    pub base: Option<SuiteResult>,
    /// The benchmark's extra tests; `None` if it has none, or the program could not be scored.
    pub plus: Option<SuiteResult>,
    /// Why the program could not be scored, if the cause is not the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unscored: Option<String>,
}

impl Score {
    /// Returns the score of a program that is not run: every test has this verdict and reason.
    pub(crate) fn not_run(tests: &Tests, verdict: Verdict, reason: &str) -> Self {
        let n_plus = match tests {
            Tests::Calls(calls) => calls.plus.as_ref().map(Vec::len),
            _ => None,
        };
        let suite = |n: usize| {
            let result = (verdict, reason.to_owned());
            SuiteResult::of(vec![result; n], 0.0)
        };
        if tests.is_empty() {
            let base = SuiteResult::without_tests(verdict, reason.to_owned());
            return Self {
                base: Some(base),
                plus: None,
                unscored: None,
            };
        }
        Self {
            base: Some(suite(tests.len() - n_plus.unwrap_or(0))),
            plus: n_plus.map(suite),
            unscored: None,
        }
    }

    /// Returns the score of a program that could not be scored.
    pub(crate) fn unscored(reason: String) -> Self {
        Self {
            base: None,
            plus: None,
            unscored: Some(reason),
        }
    }

    /// Combines base and extra tests: passed if both are. `None` if the program could not be scored.
    pub fn total(&self) -> Option<TotalResult> {
        let base = self.base.as_ref()?;
        let suites = || std::iter::once(base).chain(&self.plus);
        let failed = suites().find(|suite| suite.verdict != Verdict::Passed);
        Some(TotalResult {
            verdict: failed.map_or(Verdict::Passed, |suite| suite.verdict),
            passed: suites().map(SuiteResult::passed).sum(),
            tests: suites().map(|suite| suite.tests).sum(),
            detail: failed.map_or_else(String::new, |suite| suite.detail.clone()),
            cpu_s: suites().map(|suite| suite.cpu_s).sum(),
            executable: suites().try_fold(true, |all, suite| Some(all & suite.executable?)),
        })
    }
}

/// The result of all hidden tests of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct TotalResult {
    /// The verdict of the first suite that did not pass.
    pub verdict: Verdict,
    /// Number of tests that passed.
    pub passed: usize,
    /// Number of tests.
    pub tests: usize,
    /// Why the first failing test did not pass; empty if all passed.
    pub detail: String,
    /// CPU seconds of all runs.
    pub cpu_s: f64,
    /// Whether no test raised an exception or met a limit, see [`SuiteResult::executable`].
    pub executable: Option<bool>,
}

/// The result of one suite of tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuiteResult {
    /// The verdict of the first test that did not pass.
    pub verdict: Verdict,
    /// Number of tests.
    pub tests: usize,
    /// Indices of the tests that did not pass, from 0, including tests after the end of a run.
    pub failed: Vec<usize>,
    /// Why the first of them did not pass; empty if all passed.
    pub detail: String,
    /// CPU seconds of the run.
    pub cpu_s: f64,
    /// Executability: whether the program parses and no test raised an exception or met a limit; a wrong result is
    /// executable. Of tests that were not run because the base tests fail, it is that of the base tests. `None` in scores
    /// of earlier versions, and without tests.
    ///
    /// # Source
    /// Dong et al. 2023, `CodeScore`, arXiv:2301.09043.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<bool>,
}

/// The verdict of one test, and why it did not pass.
pub(crate) type TestResult = (Verdict, String);

pub(crate) fn passed() -> TestResult {
    (Verdict::Passed, String::new())
}

pub(crate) fn not_run() -> TestResult {
    (Verdict::Error, "not run".to_owned())
}

impl SuiteResult {
    /// Combines the results of a suite's tests. A suite without tests (some tasks have no extra ones) passes.
    pub(crate) fn of(results: Vec<TestResult>, cpu_s: f64) -> Self {
        let failed: Vec<usize> = (0..results.len())
            .filter(|&i| results[i].0 != Verdict::Passed)
            .collect();
        let tests = results.len();
        let ran = |(verdict, _): &TestResult| matches!(verdict, Verdict::Passed | Verdict::Failed);
        let executable = Some(results.iter().all(ran));
        let (verdict, detail) = failed
            .first()
            .and_then(|&first| results.into_iter().nth(first))
            .unwrap_or_else(passed);
        Self {
            verdict,
            tests,
            failed,
            detail,
            cpu_s,
            executable,
        }
    }

    /// Returns the result of a task without tests.
    pub(crate) fn without_tests(verdict: Verdict, detail: String) -> Self {
        Self {
            verdict,
            tests: 0,
            failed: Vec::new(),
            detail,
            cpu_s: 0.0,
            executable: None,
        }
    }

    /// Returns a suite with the verdict of its base tests: extra tests pass only if the base tests do.
    pub(crate) fn behind(base: &Self, tests: usize) -> Self {
        Self {
            verdict: base.verdict,
            tests,
            failed: Vec::new(),
            detail: "the base tests do not pass".to_owned(),
            cpu_s: 0.0,
            executable: base.executable,
        }
    }

    /// Returns the number of tests that passed. Extra tests that were not run because the base tests fail are
    /// not in `failed`.
    fn passed(&self) -> usize {
        if self.verdict != Verdict::Passed && self.failed.is_empty() {
            return 0;
        }
        self.tests - self.failed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_tests_behind_failing_base_tests_count_as_not_passed() {
        let failed = (Verdict::Failed, "wrong result".to_owned());
        let base = SuiteResult::of(vec![passed(), failed], 0.5);
        let plus = SuiteResult::behind(&base, 3);
        let score = Score {
            base: Some(base),
            plus: Some(plus),
            unscored: None,
        };
        let total = score.total().expect("a scored program");
        assert_eq!((total.passed, total.tests), (1, 5));
        assert_eq!(
            (total.verdict, &*total.detail),
            (Verdict::Failed, "wrong result")
        );
        assert_eq!(Score::unscored("no numpy".to_owned()).total(), None);
    }
}
