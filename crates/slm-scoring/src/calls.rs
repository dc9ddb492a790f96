//! Calls a program's function with a task's inputs and checks the return values.

use std::ops::Range;

use slm_artifacts::Verdict;
use slm_benchmarks::Calls;
use slm_sandbox::{Call, Job, Limits, Outcome, Returned, Sandbox, Work};

use crate::error::ScoringError;
use crate::expected_outputs::{ExpectedOutput, MEMORY_BYTES};
use crate::oracle::OutputChecker;
use crate::outcome::{calls_begun, recorded_verdict, shortened};
use crate::score::{SuiteResult, TestResult, not_run, passed};

/// CPU seconds for everything but the calls: Python's start and the program's own statements.
const START_S: f64 = 2.0;
/// CPU seconds of a run's first attempt, in addition to four times the references' time: most programs that
/// exceed it never end, and each would use up the full budget of a minute.
const FIRST_S: f64 = 5.0;
/// Maximum size of one run's results, in bytes of the reference's results; the sandbox allows 64 MiB for a run.
const RUN_BYTES: usize = 24 << 20;

/// Calls the program with `arguments` and compares the return values with `expected`.
///
/// Calls that the reference itself cannot answer are skipped and count as passed.
///
/// # Errors
/// Only failures of the sandbox itself.
pub(crate) fn run(
    calls: &Calls,
    arguments: &[String],
    expected: &[ExpectedOutput],
    program: &str,
    sandbox: &Sandbox,
) -> Result<SuiteResult, ScoringError> {
    let asked: Vec<CheckedCall> = arguments
        .iter()
        .zip(expected)
        .filter(|(_, expected)| expected.value.is_some())
        .map(|(arguments, expected)| CheckedCall {
            arguments,
            expected,
        })
        .collect();
    let mut checker = OutputChecker::new(&calls.oracle, calls.atol);
    let (mut results, mut cpu_s) = (Vec::new(), 0.0);
    for range in ranges(&asked) {
        let (found, outcome) = run_some(calls, &asked[range], &mut checker, program, sandbox)?;
        results.extend(found);
        cpu_s += outcome.cpu_s;
        // One timeout decides the verdict, and each further one would use up its whole limit.
        if outcome.verdict == slm_sandbox::Verdict::Timeout {
            let late = (Verdict::Timeout, outcome.detail);
            results.resize(asked.len(), late);
            break;
        }
    }
    let mut results = results.into_iter();
    let results = expected.iter().map(|expected| match expected.value {
        Some(_) => results.next().unwrap_or_else(not_run),
        None => passed(),
    });
    Ok(SuiteResult::of(results.collect(), cpu_s))
}

/// A call and its expected output.
struct CheckedCall<'a> {
    arguments: &'a String,
    expected: &'a ExpectedOutput,
}

/// Splits the calls into runs of limited result size; nearly always one.
fn ranges(asked: &[CheckedCall<'_>]) -> Vec<Range<usize>> {
    let (mut ranges, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (i, asked) in asked.iter().enumerate() {
        if bytes > 0 && bytes + asked.expected.bytes > RUN_BYTES {
            ranges.push(start..i);
            (start, bytes) = (i, 0);
        }
        bytes += asked.expected.bytes;
    }
    if start < asked.len() {
        ranges.push(start..asked.len());
    }
    ranges
}

fn run_some<'a>(
    calls: &Calls,
    asked: &[CheckedCall<'_>],
    checker: &mut OutputChecker<'a>,
    program: &str,
    sandbox: &Sandbox,
) -> Result<(Vec<TestResult>, Outcome), ScoringError> {
    let time = calls.time;
    let limit_s = |asked: &CheckedCall| {
        time.least_s
            .max(time.times_reference * asked.expected.cpu_s)
    };
    let job = Job {
        program: program.to_owned(),
        preamble: calls.prelude.clone(),
        work: Work::Calls {
            entry_point: calls.entry_point.clone(),
            calls: asked
                .iter()
                .map(|asked| Call {
                    arguments: asked.arguments.clone(),
                    cpu_s: limit_s(asked),
                })
                .collect(),
        },
        tree: None,
    };
    let of_references: f64 = asked.iter().map(|asked| 4.0 * asked.expected.cpu_s).sum();
    // On a slow machine the references alone may use most of the time allowed for all calls together.
    let all_s = time.all_s.max(of_references);
    let full_s = START_S + all_s.min(asked.iter().map(limit_s).sum());
    let first_s = full_s.min(START_S + FIRST_S + of_references);

    let run = |cpu_s: f64,
               checker: &mut OutputChecker<'a>|
     -> Result<(Vec<TestResult>, Outcome), ScoringError> {
        let limits = Limits {
            memory_bytes: MEMORY_BYTES,
            ..sandbox.limits().clone().with_cpu_s(cpu_s)
        };
        let outcome = sandbox.run(&job, &limits)?;
        Ok((
            results(&calls.entry_point, asked, checker, &outcome),
            outcome,
        ))
    };
    let mut fresh = checker.clone();
    let (found, outcome) = run(first_s, checker)?;
    let is_settled = found[..calls_begun(&outcome)]
        .iter()
        .any(|(verdict, _)| *verdict != Verdict::Passed);
    if outcome.verdict == slm_sandbox::Verdict::Timeout && !is_settled && first_s < full_s {
        let again = run(full_s, &mut fresh)?;
        *checker = fresh;
        return Ok(again);
    }
    Ok((found, outcome))
}

fn results(
    entry_point: &str,
    asked: &[CheckedCall<'_>],
    checker: &mut OutputChecker<'_>,
    outcome: &Outcome,
) -> Vec<TestResult> {
    let mut result = |asked: &CheckedCall, returned: &Returned| {
        let on = |what: &str| format!("{what} {entry_point}{}", shortened(asked.arguments));
        let expected = asked.expected;
        match returned {
            Returned::Value(value) => {
                let accepted = match &expected.value {
                    Some(right) => checker.accepts(value, right, expected.aid.as_ref()),
                    None => Ok(false),
                };
                match accepted {
                    Ok(true) => passed(),
                    Ok(false) => (Verdict::Failed, on("wrong result of")),
                    Err(reason) => {
                        let result = on("wrong result of");
                        (Verdict::Failed, format!("{result}: {reason}"))
                    }
                }
            }
            Returned::Raised {
                verdict: raised,
                message,
            } => (
                recorded_verdict(*raised),
                format!("{}: {message}", on("raised by")),
            ),
            Returned::Timeout => (Verdict::Timeout, on("too slow:")),
            Returned::NotRun if outcome.verdict == slm_sandbox::Verdict::Passed => not_run(),
            Returned::NotRun => (recorded_verdict(outcome.verdict), outcome.detail.clone()),
        }
    };
    let calls = asked.iter().zip(&outcome.calls);
    calls
        .map(|(asked, call)| result(asked, &call.returned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_results_are_spread_over_several_runs() {
        let arguments = String::new();
        let check = |bytes: &[usize], expected: &[(usize, usize)]| {
            let expected_outputs: Vec<ExpectedOutput> = bytes
                .iter()
                .map(|&bytes| ExpectedOutput::unknown(bytes))
                .collect();
            let asked: Vec<CheckedCall> = expected_outputs
                .iter()
                .map(|expected| CheckedCall {
                    arguments: &arguments,
                    expected,
                })
                .collect();
            let found: Vec<(usize, usize)> = ranges(&asked)
                .into_iter()
                .map(|range| (range.start, range.end))
                .collect();
            assert_eq!(found, expected, "{bytes:?}");
        };
        check(&[], &[]);
        check(&[1, 2, 3], &[(0, 3)]);
        check(
            &[RUN_BYTES, 1, RUN_BYTES, RUN_BYTES - 1],
            &[(0, 1), (1, 2), (2, 3), (3, 4)],
        );
        check(&[2 * RUN_BYTES, 1, 1], &[(0, 1), (1, 3)]);
    }
}
