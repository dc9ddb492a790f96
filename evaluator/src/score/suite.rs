//! Runs a program against the hidden tests of its task.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use slm_benchmarks::{Asserts, Calls, ScoringPhase, StreamCase, Streams, Task, Tests, Unittest};
use slm_metrics::syntax::adds_nothing;
use slm_sandbox::{Job, Outcome, Sandbox, Work};

use super::answers::{Answer, Answers, shortened};
use super::{calls, printed};
use crate::workflow::read::Broken;
use crate::workflow::runner::verdict;
use slm_artifacts::Verdict;

/// What became of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Score {
    /// `None` if it could not be judged.
    pub(crate) base: Option<Suite>,
    /// The benchmark's extra tests; `None` if it has none.
    pub(crate) plus: Option<Suite>,
    /// Why it could not be judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unscored: Option<String>,
}

impl Score {
    /// The score of a program that is not run, for this reason.
    pub(crate) fn not_run(tests: &Tests, verdict: Verdict, reason: &str) -> Self {
        let n_plus = match tests {
            Tests::Calls(calls) => calls.plus.as_ref().map(Vec::len),
            _ => None,
        };
        let suite = |n: usize| {
            let fate = (verdict, reason.to_owned());
            Suite::of(vec![fate; n], 0.0)
        };
        Self {
            base: Some(suite(tests.len() - n_plus.unwrap_or(0))),
            plus: n_plus.map(suite),
            unscored: None,
        }
    }
}

/// What became of one suite of tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Suite {
    /// That of the first test that did not pass.
    pub(crate) verdict: Verdict,
    /// Number of tests.
    pub(crate) tests: usize,
    /// Which did not pass, counted from 0; tests after the end of a run are among them.
    pub(crate) failed: Vec<usize>,
    /// Why the first of them did not; empty if all passed.
    pub(crate) detail: String,
    /// CPU seconds of the run.
    pub(crate) cpu_s: f64,
}

/// What became of one test, and why it did not pass.
pub(crate) type Fate = (Verdict, String);

pub(crate) fn passed() -> Fate {
    (Verdict::Passed, String::new())
}

pub(crate) fn not_run() -> Fate {
    (Verdict::Error, "not run".to_owned())
}

impl Suite {
    /// A suite from the fate of each test. Without tests, as some tasks have no extra ones, it passes.
    pub(crate) fn of(fates: Vec<Fate>, cpu_s: f64) -> Self {
        let failed: Vec<usize> = (0..fates.len())
            .filter(|&i| fates[i].0 != Verdict::Passed)
            .collect();
        let tests = fates.len();
        let (verdict, detail) = failed
            .first()
            .and_then(|&first| fates.into_iter().nth(first))
            .unwrap_or_else(passed);
        Self {
            verdict,
            tests,
            failed,
            detail,
            cpu_s,
        }
    }

    /// A suite that counts as its base did: extra tests pass only where the base tests do.
    fn behind(base: &Self, tests: usize) -> Self {
        Self {
            verdict: base.verdict,
            tests,
            failed: Vec::new(),
            detail: "the base tests do not pass".to_owned(),
            cpu_s: 0.0,
        }
    }
}

/// Runs the tests of `task` on `program`; `answers` are the right results where the tests are calls.
///
/// # Errors
/// Only the sandbox's own trouble; whatever the program does is part of the score.
pub(crate) fn score(
    task: &Task,
    program: &str,
    answers: Option<&Answers>,
    phase: &ScoringPhase,
    sandbox: &Sandbox,
) -> Result<Score> {
    let tests = task.hidden().open(phase);
    let view = task.view();
    if adds_nothing(program, &view.prompt) {
        let reason = Broken::NothingAdded.text();
        return Ok(Score::not_run(tests, Verdict::Empty, reason));
    }
    let entry_point = &view.entry_point;
    let mut plus = None;
    let base = match tests {
        Tests::Asserts(asserts) => run_asserts(asserts, entry_point, program, sandbox)?,
        Tests::Unittest(unittest) => run_unittest(unittest, program, sandbox)?,
        Tests::Streams(streams) => run_streams(streams, program, sandbox)?,
        Tests::Calls(tests) => {
            let Some(answers) = answers else {
                return Ok(Score {
                    base: None,
                    plus: None,
                    unscored: Some("the right results are not known".to_owned()),
                });
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
            let base = calls::run(tests, &tests.base, &answers.base, program, sandbox)?;
            if let Some(arguments) = &tests.plus {
                plus = Some(plus_suite(
                    &base,
                    tests,
                    arguments,
                    &answers.plus,
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
        return Ok(Score {
            base: None,
            plus: None,
            unscored: Some(format!("the task needs the Python package `{package}`")),
        });
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
) -> Result<Suite> {
    // The program often begins with the preamble, which must not define its classes a second time.
    let rest = program.strip_prefix(asserts.preamble.trim_end());
    let job = Job {
        program: rest.unwrap_or(program).to_owned(),
        preamble: asserts.preamble.clone(),
        work: Work::Asserts {
            setup: asserts.setup.clone(),
            entry_point: entry_point.to_owned(),
            tests: asserts.tests.clone(),
        },
    };
    let outcome = sandbox.run(&job, sandbox.limits())?;
    Ok(Suite::of(fates(&outcome), outcome.cpu_s))
}

/// Runs one method as unittest does, fixtures of its class included, and raises what it reports.
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

fn run_unittest(unittest: &Unittest, program: &str, sandbox: &Sandbox) -> Result<Suite> {
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
    };
    let outcome = sandbox.run(&job, sandbox.limits())?;
    Ok(Suite::of(fates(&outcome), outcome.cpu_s))
}

/// What became of each test of a run.
fn fates(outcome: &Outcome) -> Vec<Fate> {
    let not_reached = if outcome.verdict == slm_sandbox::Verdict::Passed {
        not_run()
    } else {
        (verdict(outcome.verdict), outcome.detail.clone())
    };
    let fate = |test: &slm_sandbox::TestOutcome| match test.verdict {
        Some(found) => (verdict(found), test.message.clone()),
        None => not_reached.clone(),
    };
    outcome.tests.iter().map(fate).collect()
}

fn run_streams(streams: &Streams, program: &str, sandbox: &Sandbox) -> Result<Suite> {
    let limits = sandbox.limits().clone().with_cpu_s(streams.each_s);
    let mut fates: Vec<Fate> = Vec::new();
    let mut cpu_s = 0.0;
    for StreamCase { stdin, stdout } in &streams.cases {
        let job = Job {
            program: program.to_owned(),
            preamble: streams.prelude.clone(),
            work: Work::Script {
                stdin: stdin.clone(),
            },
        };
        let outcome = sandbox.run(&job, &limits)?;
        cpu_s += outcome.cpu_s;
        let text = String::from_utf8_lossy(&outcome.output);
        let fate = match verdict(outcome.verdict) {
            Verdict::Passed if printed::is_right(streams.output, &text, stdout) => passed(),
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
        // One timeout decides, and each would cost its whole limit.
        let is_over = fate.0 == Verdict::Timeout;
        fates.push(fate);
        if is_over {
            break;
        }
    }
    fates.resize(
        streams.cases.len(),
        (Verdict::Timeout, "not run".to_owned()),
    );
    Ok(Suite::of(fates, cpu_s))
}

fn plus_suite(
    base: &Suite,
    tests: &Calls,
    arguments: &[String],
    answers: &[Answer],
    program: &str,
    sandbox: &Sandbox,
) -> Result<Suite> {
    // What cannot even be called, or never returns, does neither here.
    if base.failed.len() == base.tests && base.verdict != Verdict::Passed {
        return Ok(Suite::behind(base, arguments.len()));
    }
    let plus = calls::run(tests, arguments, answers, program, sandbox)?;
    if plus.verdict == Verdict::Passed && base.verdict != Verdict::Passed {
        return Ok(Suite {
            cpu_s: plus.cpu_s,
            ..Suite::behind(base, arguments.len())
        });
    }
    Ok(plus)
}

/// The package that an import did not find, according to Python's message.
fn missing_package(detail: &str) -> Option<&str> {
    let (_, rest) = detail.split_once("No module named ")?;
    let name = rest.trim_start_matches(['\'', '"']);
    let end = name
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(name.len());
    (end > 0).then(|| &name[..end])
}

/// Whether the interpreter has a package: a program may claim that it has not, to be left unscored.
fn can_import(package: &str, sandbox: &Sandbox) -> Result<bool> {
    let outcome = sandbox.run_tests(&format!("import {package}"), &[])?;
    Ok(outcome.verdict == slm_sandbox::Verdict::Passed)
}

/// Whether the task itself, in its prompt, its tests or its own solution, imports a package.
fn imports(task: &Task, tests: &Tests, phase: &ScoringPhase, package: &str) -> bool {
    let own: String = match tests {
        Tests::Asserts(asserts) => format!("{}\n{}", asserts.preamble, asserts.setup),
        Tests::Calls(calls) => match &calls.expected {
            slm_benchmarks::Expected::Reference(program) => program.clone(),
            slm_benchmarks::Expected::Values(_) => String::new(),
        },
        Tests::Streams(_) => String::new(),
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
