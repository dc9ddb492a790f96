//! Programs for tasks of a repository: hidden tests, visible examples, and a look for attempts to forge verdicts.

use slm_artifacts::Verdict;
use slm_benchmarks::{RepositoryTarget, RepositoryTests, TaskView};
use slm_metrics::syntax::{code_words, parses};
use slm_repository::{ProgramRun, SpliceFault, TreePools, run_examples, run_program};
use slm_sandbox::Sandbox;

use crate::error::ScoringError;
use crate::outcome::recorded_verdict;
use crate::score::{SuiteResult, TestResult};

/// Runs the hidden tests of a repository on a program, in a copy of the repository.
pub(crate) fn run(
    tests: &RepositoryTests,
    target: &RepositoryTarget,
    view: &TaskView,
    program: &str,
    sandbox: &Sandbox,
    trees: &TreePools,
) -> Result<SuiteResult, ScoringError> {
    let run = trees.with(&target.root, &target.sha256, |pool| {
        run_program(sandbox, pool, target, &view.prompt, &tests.tests, program)
    })?;
    let (results, cpu_s) = results(run, tests.tests.len());
    Ok(SuiteResult::of(results, cpu_s))
}

/// Returns the result for a task without tests: whether the program parses is all that is known.
pub(crate) fn measured(program: &str) -> SuiteResult {
    let (verdict, detail) = if parses(program) {
        (Verdict::Untested, String::new())
    } else {
        (Verdict::Unparsable, "the program does not parse".to_owned())
    };
    SuiteResult::without_tests(verdict, detail)
}

/// Runs the examples that a task of a repository shows, in a copy of the repository; one result for each of
/// [`TaskView::public_examples`]. `None` for tasks of other benchmarks, whose examples are assertions.
///
/// For a task without examples it returns one result: whether the program is a definition of the function with which
/// the module can be imported. It is `passed` also if the module cannot be imported without the program either.
///
/// # Errors
/// The repository changed, cannot be copied or does not contain the function, or the sandbox fails.
pub fn visible_outcome(
    view: &TaskView,
    program: &str,
    sandbox: &Sandbox,
    trees: &TreePools,
) -> Result<Option<Vec<(Verdict, String)>>, ScoringError> {
    let Some(target) = &view.repository else {
        return Ok(None);
    };
    let examples = &view.public_examples;
    let run = trees.with(&target.root, &target.sha256, |pool| {
        run_examples(sandbox, pool, target, &view.prompt, examples, program)
    })?;
    Ok(Some(results(run, examples.len().max(1)).0))
}

/// Returns `n` results of a run and its CPU seconds.
fn results(run: ProgramRun, n: usize) -> (Vec<TestResult>, f64) {
    match run {
        ProgramRun::Refused(fault) => {
            let verdict = match fault {
                SpliceFault::Unparsable => Verdict::Unparsable,
                SpliceFault::NoDefinition | SpliceFault::DoesNotFit => Verdict::Error,
            };
            (vec![(verdict, fault.to_string()); n], 0.0)
        }
        ProgramRun::Tested { results, cpu_s } => {
            let results = results.into_iter();
            let results = results.map(|(verdict, detail)| (recorded_verdict(verdict), detail));
            (results.collect(), cpu_s)
        }
    }
}

/// Modules by which a program can find or change its tests.
const MODULES: [&str; 6] = ["inspect", "gc", "unittest", "pytest", "doctest", "ctypes"];
/// Names of frames and of their contents.
const FRAMES: [&str; 7] = [
    "_getframe",
    "_current_frames",
    "f_back",
    "f_locals",
    "f_globals",
    "tb_frame",
    "settrace",
];

/// Returns what of the tests' machinery a program names: modules such as `inspect`, frames, `sys.modules`, or a path
/// of tests. Such a program may have forged its verdict, so a data set should not contain it. `None` also if it does
/// not parse.
pub fn names_test_machinery(program: &str) -> Option<&'static str> {
    let words = code_words(program).ok()?;
    let has = |name: &str| words.names.contains(name);
    for name in &words.names {
        let mut parts = name.split('.');
        let first = parts.next().unwrap_or_default();
        if let Some(module) = MODULES.into_iter().find(|module| *module == first) {
            return Some(module);
        }
        let frame = FRAMES
            .into_iter()
            .find(|frame| name.split('.').any(|part| part == *frame));
        if frame.is_some() {
            return frame;
        }
        if name.starts_with("sys.modules") {
            return Some("sys.modules");
        }
    }
    if has("sys") && has("modules") {
        return Some("sys.modules");
    }
    let is_path =
        |text: &String| text.contains("tests/") || text.contains("test_") && text.contains(".py");
    words
        .strings
        .iter()
        .any(is_path)
        .then_some("a path of tests")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machinery_is_found_in_code_and_not_in_prose() {
        for (program, expected) in [
            ("import inspect\n", Some("inspect")),
            ("from unittest import mock\n", Some("unittest")),
            ("import sys\nsys.modules['a']\n", Some("sys.modules")),
            ("from sys import modules\n", Some("sys.modules")),
            ("import sys\nsys._getframe(1)\n", Some("_getframe")),
            ("e.__traceback__.tb_frame\n", Some("tb_frame")),
            ("open('tests/test_a.py')\n", Some("a path of tests")),
            ("def f():\n    'Inspect the gc.'\n    # inspect\n", None),
            ("x.inspect()\nmodules = 1\n", None),
            ("def f(:\n", None),
        ] {
            assert_eq!(names_test_machinery(program), expected, "{program}");
        }
    }
}
