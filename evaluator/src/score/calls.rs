//! Runs a program's function on the inputs of a task, and judges what it returns.

use std::ops::Range;

use anyhow::Result;
use slm_benchmarks::Calls;
use slm_sandbox::{Call, Job, Limits, Outcome, Returned, Sandbox, Work};

use super::answers::{Answer, MEMORY_BYTES, shortened};
use super::oracle::Judge;
use super::suite::{Fate, Suite, not_run, passed};
use crate::workflow::runner::verdict;
use slm_artifacts::Verdict;

/// CPU seconds beyond the calls': Python's start, and the program's own statements.
const START_S: f64 = 2.0;
/// First budget of a run beyond what four references take: most programs that exceed it never end, and the full budget
/// of a minute would be spent on each of them.
const FIRST_S: f64 = 5.0;
/// Results of one run, in bytes as the reference's have them; the sandbox takes no more than 64 MiB of a run.
const RUN_BYTES: usize = 24 << 20;

/// Calls the program on `arguments`, whose right results are `answers`.
///
/// What the reference itself cannot answer is asked of nobody, and counts as passed.
///
/// # Errors
/// Only the sandbox's own trouble.
pub(crate) fn run(
    calls: &Calls,
    arguments: &[String],
    answers: &[Answer],
    program: &str,
    sandbox: &Sandbox,
) -> Result<Suite> {
    let asked: Vec<Asked> = arguments
        .iter()
        .zip(answers)
        .filter(|(_, answer)| answer.value.is_some())
        .map(|(arguments, answer)| Asked { arguments, answer })
        .collect();
    let mut judge = Judge::new(&calls.oracle, calls.atol);
    let (mut fates, mut cpu_s) = (Vec::new(), 0.0);
    for range in ranges(&asked) {
        let (found, outcome) = run_some(calls, &asked[range], &mut judge, program, sandbox)?;
        fates.extend(found);
        cpu_s += outcome.cpu_s;
        // One timeout decides, and each would cost its whole limit.
        if outcome.verdict == slm_sandbox::Verdict::Timeout {
            let late = (Verdict::Timeout, outcome.detail);
            fates.resize(asked.len(), late);
            break;
        }
    }
    let mut fates = fates.into_iter();
    let fates = answers.iter().map(|answer| match answer.value {
        Some(_) => fates.next().unwrap_or_else(not_run),
        None => passed(),
    });
    Ok(Suite::of(fates.collect(), cpu_s))
}

/// A call, and what must come of it.
struct Asked<'a> {
    arguments: &'a String,
    answer: &'a Answer,
}

/// Cuts the calls into runs whose results are not too large; nearly always one.
fn ranges(asked: &[Asked<'_>]) -> Vec<Range<usize>> {
    let (mut ranges, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (i, asked) in asked.iter().enumerate() {
        if bytes > 0 && bytes + asked.answer.bytes > RUN_BYTES {
            ranges.push(start..i);
            (start, bytes) = (i, 0);
        }
        bytes += asked.answer.bytes;
    }
    if start < asked.len() {
        ranges.push(start..asked.len());
    }
    ranges
}

fn run_some<'a>(
    calls: &Calls,
    asked: &[Asked<'_>],
    judge: &mut Judge<'a>,
    program: &str,
    sandbox: &Sandbox,
) -> Result<(Vec<Fate>, Outcome)> {
    let time = calls.time;
    let limit_s = |asked: &Asked| time.least_s.max(time.times_reference * asked.answer.cpu_s);
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
    };
    let of_references: f64 = asked.iter().map(|asked| 4.0 * asked.answer.cpu_s).sum();
    // On a slow machine the references alone may take most of what is allowed to all calls together.
    let all_s = time.all_s.max(of_references);
    let full_s = START_S + all_s.min(asked.iter().map(limit_s).sum());
    let first_s = full_s.min(START_S + FIRST_S + of_references);

    let run = |cpu_s: f64, judge: &mut Judge<'a>| -> Result<(Vec<Fate>, Outcome)> {
        let limits = Limits {
            memory_bytes: MEMORY_BYTES,
            ..sandbox.limits().clone().with_cpu_s(cpu_s)
        };
        let outcome = sandbox.run(&job, &limits)?;
        Ok((fates(&calls.entry_point, asked, judge, &outcome), outcome))
    };
    let mut fresh = judge.clone();
    let (found, outcome) = run(first_s, judge)?;
    let is_settled = found[..reached(&outcome)]
        .iter()
        .any(|(verdict, _)| *verdict != Verdict::Passed);
    if outcome.verdict == slm_sandbox::Verdict::Timeout && !is_settled && first_s < full_s {
        let again = run(full_s, &mut fresh)?;
        *judge = fresh;
        return Ok(again);
    }
    Ok((found, outcome))
}

/// How many calls came to their turn.
pub(crate) fn reached(outcome: &Outcome) -> usize {
    let calls = outcome.calls.iter();
    calls
        .take_while(|call| call.returned != Returned::NotRun)
        .count()
}

fn fates(
    entry_point: &str,
    asked: &[Asked<'_>],
    judge: &mut Judge<'_>,
    outcome: &Outcome,
) -> Vec<Fate> {
    let mut fate = |asked: &Asked, returned: &Returned| {
        let on = |what: &str| format!("{what} {entry_point}{}", shortened(asked.arguments));
        let answer = asked.answer;
        match returned {
            Returned::Value(value) => {
                let judged = match &answer.value {
                    Some(right) => judge.accepts(value, right, answer.aid.as_ref()),
                    None => Ok(false),
                };
                match judged {
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
            } => (verdict(*raised), format!("{}: {message}", on("raised by"))),
            Returned::Timeout => (Verdict::Timeout, on("too slow:")),
            Returned::NotRun if outcome.verdict == slm_sandbox::Verdict::Passed => not_run(),
            Returned::NotRun => (verdict(outcome.verdict), outcome.detail.clone()),
        }
    };
    let calls = asked.iter().zip(&outcome.calls);
    calls
        .map(|(asked, call)| fate(asked, &call.returned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_results_are_spread_over_several_runs() {
        let arguments = String::new();
        let check = |bytes: &[usize], expected: &[(usize, usize)]| {
            let answers: Vec<Answer> = bytes.iter().map(|&bytes| Answer::unknown(bytes)).collect();
            let asked: Vec<Asked> = answers
                .iter()
                .map(|answer| Asked {
                    arguments: &arguments,
                    answer,
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
