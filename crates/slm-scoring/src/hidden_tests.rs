//! Runs a program against the hidden tests of its task.

use slm_artifacts::Verdict;
use slm_benchmarks::{Asserts, Calls, ScoringPhase, StreamCase, Streams, Task, Tests, Unittest};
use slm_metrics::syntax::adds_nothing;
use slm_repository::TreePools;
use slm_sandbox::{Job, Outcome, Sandbox, Work};

use crate::calls;
use crate::error::ScoringError;
use crate::expected_outputs::{ExpectedOutput, ExpectedOutputs};
use crate::outcome::{recorded_verdict, shortened};
use crate::program::ProgramFault;
use crate::repository;
use crate::score::{Score, SuiteResult, TestResult, not_run, passed};
use crate::stdout::stdout_matches;

/// Runs the hidden tests of `task` on `program`; `expected` has the expected outputs if the tests are calls.
///
/// # Errors
/// Only failures of the sandbox itself; everything the program does is part of the score.
pub(crate) fn run(
    task: &Task,
    program: &str,
    expected: Option<&ExpectedOutputs>,
    phase: &ScoringPhase,
    sandbox: &Sandbox,
    trees: &TreePools,
) -> Result<Score, ScoringError> {
    let tests = task.hidden().open(phase);
    let view = task.view();
    if adds_nothing(program, &view.prompt) {
        let reason = ProgramFault::NothingAdded.text();
        return Ok(Score::not_run(tests, Verdict::Empty, reason));
    }
    let entry_point = &view.entry_point;
    let mut plus = None;
    let base = match tests {
        Tests::Asserts(asserts) => run_asserts(asserts, entry_point, program, sandbox)?,
        Tests::Unittest(unittest) => run_unittest(unittest, program, sandbox)?,
        Tests::Streams(streams) => run_streams(streams, program, sandbox)?,
        Tests::Repository(tests) => {
            let Some(target) = &view.repository else {
                return Ok(Score::unscored("the task names no repository".to_owned()));
            };
            repository::run(tests, target, view, program, sandbox, trees)?
        }
        Tests::Measured => repository::measured(program),
        Tests::Calls(tests) => {
            let Some(expected) = expected else {
                return Ok(Score::unscored(
                    "the expected outputs are unknown".to_owned(),
                ));
            };
            let called = tests.called_in(program);
            let renamed;
            let tests = if called == tests.entry_point {
                tests
            } else {
                renamed = Calls {
                    entry_point: called.into_owned(),
                    ..tests.clone()
                };
                &renamed
            };
            let base = calls::run(tests, &tests.base, &expected.base, program, sandbox)?;
            if let Some(arguments) = &tests.plus {
                plus = Some(plus_suite(
                    &base,
                    tests,
                    arguments,
                    &expected.plus,
                    program,
                    sandbox,
                )?);
            }
            base
        }
    };
    if let Some(package) = missing_package(&base.detail)
        && imports(task, tests, phase, package)
        && !can_import(package, sandbox)?
    {
        return Ok(Score::unscored(format!(
            "the task needs the Python package `{package}`"
        )));
    }
    Ok(Score {
        base: Some(base),
        plus,
        unscored: None,
    })
}

fn run_asserts(
    asserts: &Asserts,
    entry_point: &str,
    program: &str,
    sandbox: &Sandbox,
) -> Result<SuiteResult, ScoringError> {
    // The program often begins with the preamble, whose classes must not be defined twice.
    let rest = program.strip_prefix(asserts.preamble.trim_end());
    let job = Job {
        program: rest.unwrap_or(program).to_owned(),
        preamble: asserts.preamble.clone(),
        work: Work::Asserts {
            setup: asserts.setup.clone(),
            entry_point: entry_point.to_owned(),
            tests: asserts.tests.clone(),
        },
        tree: None,
    };
    let outcome = sandbox.run(&job, sandbox.limits())?;
    Ok(SuiteResult::of(results(&outcome), outcome.cpu_s))
}

/// Runs one method as unittest does, including the fixtures of its class, and raises what it reports.
const UNITTEST: &str = "
def __run_unittest(case, method):
    import unittest
    result = unittest.TestResult()
    unittest.TestSuite([case(method)]).run(result)
    for _, report in result.failures:
        raise AssertionError(report.strip().splitlines()[-1])
    for _, report in result.errors:
        raise RuntimeError(report.strip().splitlines()[-1])
    if result.unexpectedSuccesses:
        raise AssertionError('passes unexpectedly')
";

fn run_unittest(
    unittest: &Unittest,
    program: &str,
    sandbox: &Sandbox,
) -> Result<SuiteResult, ScoringError> {
    let methods = unittest.methods.iter();
    let job = Job {
        program: program.to_owned(),
        preamble: String::new(),
        work: Work::SharedProcess {
            setup: format!("{}\n{UNITTEST}", unittest.source),
            tests: methods
                .map(|(class, method)| format!("__run_unittest({class}, {method:?})"))
                .collect(),
        },
        tree: None,
    };
    let outcome = sandbox.run(&job, sandbox.limits())?;
    Ok(SuiteResult::of(results(&outcome), outcome.cpu_s))
}

/// Returns the result of each test of a run.
fn results(outcome: &Outcome) -> Vec<TestResult> {
    let not_reached = if outcome.verdict == slm_sandbox::Verdict::Passed {
        not_run()
    } else {
        (recorded_verdict(outcome.verdict), outcome.detail.clone())
    };
    let result = |test: &slm_sandbox::TestOutcome| match test.verdict {
        Some(found) => (recorded_verdict(found), test.message.clone()),
        None => not_reached.clone(),
    };
    outcome.tests.iter().map(result).collect()
}

fn run_streams(
    streams: &Streams,
    program: &str,
    sandbox: &Sandbox,
) -> Result<SuiteResult, ScoringError> {
    let limits = sandbox.limits().clone().with_cpu_s(streams.each_s);
    let mut results: Vec<TestResult> = Vec::new();
    let mut cpu_s = 0.0;
    for StreamCase { stdin, stdout } in &streams.cases {
        let job = Job {
            program: program.to_owned(),
            preamble: streams.prelude.clone(),
            work: Work::Script {
                stdin: stdin.clone(),
            },
            tree: None,
        };
        let outcome = sandbox.run(&job, &limits)?;
        cpu_s += outcome.cpu_s;
        let text = String::from_utf8_lossy(&outcome.output);
        let result = match recorded_verdict(outcome.verdict) {
            Verdict::Passed if stdout_matches(streams.output, &text, stdout) => passed(),
            Verdict::Passed => (
                Verdict::Failed,
                format!(
                    "prints {:?}, expected {:?}",
                    shortened(&text),
                    shortened(stdout)
                ),
            ),
            other => (other, outcome.detail.clone()),
        };
        // One timeout decides the verdict, and each further one would use up its whole limit.
        let is_over = result.0 == Verdict::Timeout;
        results.push(result);
        if is_over {
            break;
        }
    }
    results.resize(
        streams.cases.len(),
        (Verdict::Timeout, "not run".to_owned()),
    );
    Ok(SuiteResult::of(results, cpu_s))
}

fn plus_suite(
    base: &SuiteResult,
    tests: &Calls,
    arguments: &[String],
    expected: &[ExpectedOutput],
    program: &str,
    sandbox: &Sandbox,
) -> Result<SuiteResult, ScoringError> {
    // A program that cannot be called, or never returns, fails the extra tests in the same way.
    if base.failed.len() == base.tests && base.verdict != Verdict::Passed {
        return Ok(SuiteResult::behind(base, arguments.len()));
    }
    let plus = calls::run(tests, arguments, expected, program, sandbox)?;
    if plus.verdict == Verdict::Passed && base.verdict != Verdict::Passed {
        return Ok(SuiteResult {
            cpu_s: plus.cpu_s,
            ..SuiteResult::behind(base, arguments.len())
        });
    }
    Ok(plus)
}

/// Returns the package that an import did not find, from Python's message.
fn missing_package(detail: &str) -> Option<&str> {
    let (_, rest) = detail.split_once("No module named ")?;
    let name = rest.trim_start_matches(['\'', '"']);
    let end = name
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(name.len());
    (end > 0).then(|| &name[..end])
}

/// Returns whether the interpreter has a package: a program could forge the message to be left unscored.
fn can_import(package: &str, sandbox: &Sandbox) -> Result<bool, ScoringError> {
    let outcome = sandbox.run_tests(&format!("import {package}"), &[])?;
    Ok(outcome.verdict == slm_sandbox::Verdict::Passed)
}

/// Returns whether the task itself, in its prompt, tests or canonical solution, imports a package.
fn imports(task: &Task, tests: &Tests, phase: &ScoringPhase, package: &str) -> bool {
    let own: String = match tests {
        Tests::Asserts(asserts) => [&asserts.preamble, &asserts.setup]
            .into_iter()
            .chain(&asserts.tests)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n"),
        Tests::Calls(calls) => match &calls.expected {
            slm_benchmarks::Expected::Reference(program) => program.clone(),
            slm_benchmarks::Expected::Values(_) => String::new(),
        },
        Tests::Streams(_) | Tests::Repository(_) | Tests::Measured => String::new(),
        Tests::Unittest(unittest) => unittest.source.clone(),
    };
    [
        task.view().prompt.as_str(),
        task.canonical_solution(phase),
        &own,
    ]
    .iter()
    .flat_map(|text| text.lines())
    .filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("import ")
            .or_else(|| line.strip_prefix("from "))
    })
    .any(|rest| {
        let words = rest.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words.into_iter().any(|word| word == package)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_package_is_read_from_pythons_message() {
        let detail = "ModuleNotFoundError: No module named 'numpy.linalg' (line 3)";
        assert_eq!(missing_package(detail), Some("numpy"));
        assert_eq!(missing_package("NameError: name 'np' is not defined"), None);
    }
}
