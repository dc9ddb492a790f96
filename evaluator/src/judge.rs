//! From closed trajectories to records: static metrics and hidden tests of the programs that they ended with.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use slm_benchmarks::{ScoringPhase, Task, Tests};
use slm_cli::Progress;
use slm_report::{Decoding, ProgramMetrics, RECORD_VERSION, SampleRecord};
use slm_sandbox::Sandbox;

use crate::experiment::tasks::RunTask;
use crate::run_folder::RunFolder;
use crate::score::answers::AnswerCache;
use crate::score::in_parallel;
use crate::score::suite::{Score, Suite, score};
use crate::workflow::read::Broken;
use crate::workflow::trajectory::Finished;
use slm_artifacts::{FinishReason, Verdict};

/// Measures and tests what is not recorded yet, on all cores; each record is written as soon as it is made. Gives the
/// reasons why some could not be scored, which stay without a record.
///
/// Whoever calls this has closed every trajectory of the run: `scoring` is the word for it.
///
/// # Errors
/// Only the sandbox's own trouble; whatever a program does is part of its record.
pub(crate) fn all(
    finished: &[Finished],
    tasks: &[RunTask],
    answers: &AnswerCache,
    scoring: &ScoringPhase,
    sandbox: &Sandbox,
    run: &mut RunFolder,
) -> Result<Vec<String>> {
    let tasks: BTreeMap<&str, &RunTask> = tasks
        .iter()
        .map(|task| (task.view.task_id.as_str(), task))
        .collect();
    let recorded: BTreeSet<(&str, &str, Decoding, &str, u32)> = run
        .records()
        .iter()
        .map(|record| {
            let SampleRecord {
                arm,
                workflow,
                decoding,
                task_id,
                sample,
                ..
            } = record;
            (
                arm.as_str(),
                workflow.as_str(),
                *decoding,
                task_id.as_str(),
                *sample,
            )
        })
        .collect();
    let open: Vec<(&Finished, &RunTask)> = finished
        .iter()
        .filter(|finished| {
            let key = &finished.key;
            let name = (
                key.arm.as_str(),
                key.workflow.name(),
                key.decoding,
                key.task_id.as_str(),
                key.sample,
            );
            !recorded.contains(&name)
        })
        .filter_map(|finished| Some((finished, *tasks.get(finished.key.task_id.as_str())?)))
        .collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }

    let mut progress = Progress::new("hidden tests", open.len() as u64, "samples");
    let (mut done, mut passed, mut unscored) = (0, 0, Vec::new());
    in_parallel(
        &open,
        sandbox.workers(),
        |(finished, task)| judge(finished, task, answers, scoring, sandbox),
        |at, judged| {
            match judged {
                Ok(record) => {
                    passed += u64::from(record.passed());
                    run.append(record)?;
                }
                Err(Unscored(reason)) => {
                    unscored.push(format!("{}: {reason}", open[at].0.key.task_id));
                }
            }
            done += 1;
            progress.set(done, format!("{passed} passed"));
            Ok(())
        },
    )?;
    progress.finish();
    Ok(unscored)
}

/// Why a program cannot be judged, through no fault of its own.
struct Unscored(String);

/// Measures and tests one program.
fn judge(
    finished: &Finished,
    of: &RunTask,
    answers: &AnswerCache,
    scoring: &ScoringPhase,
    sandbox: &Sandbox,
) -> Result<Result<SampleRecord, Unscored>> {
    let task = &of.task;
    let chosen = finished.chosen.as_ref();
    let program = chosen.map_or("", |chosen| chosen.program.text.as_str());
    let broken = chosen.and_then(|chosen| chosen.program.broken);
    let is_empty = broken == Some(Broken::NothingAdded);
    let metrics = match (chosen, broken) {
        (Some(_), None) => slm_metrics::analyze(program).ok(),
        _ => None,
    };
    let tests = if metrics.is_some() {
        match hidden_tests(program, task, answers, scoring, sandbox)? {
            Ok(tests) => tests,
            Err(unscored) => return Ok(Err(unscored)),
        }
    } else {
        let reason = match chosen {
            None => "no call was to make a program",
            Some(_) => broken.map_or("not counted by the metrics", Broken::text),
        };
        HiddenTests {
            verdict: if is_empty {
                Verdict::Empty
            } else {
                Verdict::Unparsable
            },
            passed: 0,
            total: number_of_tests(task.hidden().open(scoring)),
            detail: reason.to_owned(),
            cpu_s: 0.0,
        }
    };
    let key = &finished.key;
    Ok(Ok(SampleRecord {
        version: RECORD_VERSION,
        arm: key.arm.clone(),
        workflow: key.workflow.name().to_owned(),
        decoding: key.decoding,
        benchmark: of.benchmark.clone(),
        task_id: key.task_id.clone(),
        sample: key.sample,
        seed: finished.seed,
        prompt_tokens: finished.prompt_tokens,
        completion_tokens: finished.spent.completion_tokens,
        calls: finished.spent.calls,
        executions: finished.spent.executions,
        rounds: finished.rounds,
        stop: finished.stop,
        format_failures: finished.format_failures.len(),
        unspent: finished.left,
        finish_reason: chosen.map_or(FinishReason::Length, |chosen| chosen.finish_reason),
        generation_s: finished.generation_s,
        retries: finished.retries,
        tokens_estimated: finished.tokens_estimated,
        completion: chosen.map_or_else(String::new, |chosen| chosen.text.clone()),
        program: program.to_owned(),
        parsable: is_empty || metrics.is_some(),
        metrics: metrics.as_ref().map(ProgramMetrics::from),
        verdict: tests.verdict,
        tests_passed: tests.passed,
        tests_total: tests.total,
        detail: Some(tests.detail).filter(|detail| !detail.is_empty()),
        cpu_s: tests.cpu_s,
    }))
}

/// What became of the hidden tests, a benchmark's extra ones included.
struct HiddenTests {
    verdict: Verdict,
    passed: usize,
    total: usize,
    detail: String,
    cpu_s: f64,
}

fn hidden_tests(
    program: &str,
    task: &Task,
    answers: &AnswerCache,
    scoring: &ScoringPhase,
    sandbox: &Sandbox,
) -> Result<Result<HiddenTests, Unscored>> {
    let known = match task.hidden().open(scoring) {
        Tests::Calls(calls) => match answers.get(calls, sandbox) {
            Ok(answers) => Some(answers),
            Err(error) => return Ok(Err(Unscored(format!("{error:#}")))),
        },
        _ => None,
    };
    let Score {
        base,
        plus,
        unscored,
    } = score(task, program, known.as_ref(), scoring, sandbox)?;
    let Some(base) = base else {
        let reason = unscored.unwrap_or_else(|| "no reason was given".to_owned());
        return Ok(Err(Unscored(reason)));
    };
    let suites: Vec<Suite> = std::iter::once(base).chain(plus).collect();
    let failed = suites.iter().find(|suite| suite.verdict != Verdict::Passed);
    Ok(Ok(HiddenTests {
        verdict: failed.map_or(Verdict::Passed, |suite| suite.verdict),
        passed: suites.iter().map(passed).sum(),
        total: suites.iter().map(|suite| suite.tests).sum(),
        detail: failed.map_or_else(String::new, |suite| suite.detail.clone()),
        cpu_s: suites.iter().map(|suite| suite.cpu_s).sum(),
    }))
}

/// Tests of a suite that passed. Extra tests that were not run because the base tests fail are not among `failed`.
fn passed(suite: &Suite) -> usize {
    if suite.verdict != Verdict::Passed && suite.failed.is_empty() {
        return 0;
    }
    suite.tests - suite.failed.len()
}

fn number_of_tests(tests: &Tests) -> usize {
    match tests {
        Tests::Asserts(asserts) => asserts.tests.len(),
        Tests::Calls(calls) => calls.base.len() + calls.plus.as_ref().map_or(0, Vec::len),
        Tests::Streams(streams) => streams.cases.len(),
        Tests::Unittest(unittest) => unittest.methods.len(),
    }
}

#[cfg(test)]
mod tests {
    use slm_config::Prompting;
    use slm_report::Spending;

    use super::*;
    use crate::workflow::event::Key;
    use crate::workflow::read::{Reading, read};
    use crate::workflow::trajectory::Chosen;
    use slm_artifacts::{Expects, StopReason};
    use slm_config::Workflow;
    use slm_sandbox::{Interpreter, LevelChoice, Limits};

    fn tasks(n: usize) -> Vec<RunTask> {
        let set = slm_benchmarks::load("embedded", None).expect("embedded tasks");
        let tasks = set.tasks.into_iter().take(n).map(|task| RunTask {
            benchmark: "embedded".to_owned(),
            view: task.view().clone(),
            task,
        });
        tasks.collect()
    }

    /// A trajectory of one call that was answered like this.
    fn finished(task: &RunTask, text: &str) -> Finished {
        let (reading, _) = read(
            Expects::Program,
            Prompting::Training,
            &task.view,
            "",
            text,
            FinishReason::Stop,
        );
        let Reading::Program(program) = reading else {
            panic!("no program: {reading:?}")
        };
        Finished {
            key: Key {
                arm: "base".to_owned(),
                workflow: Workflow::Single,
                decoding: Decoding {
                    temperature: 0.0,
                    top_p: 1.0,
                },
                task_id: task.view.task_id.clone(),
                sample: 0,
            },
            seed: 7,
            stop: StopReason::Finished,
            chosen: Some(Chosen {
                program,
                text: text.to_owned(),
                finish_reason: FinishReason::Stop,
            }),
            spent: Spending {
                completion_tokens: 5,
                calls: 1,
                executions: 0,
            },
            left: Spending::default(),
            prompt_tokens: 9,
            generation_s: 0.5,
            retries: 0,
            tokens_estimated: false,
            rounds: 0,
            format_failures: Vec::new(),
        }
    }

    fn records(finished: &[Finished], tasks: &[RunTask]) -> Vec<SampleRecord> {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = tempfile::tempdir().expect("a folder");
        let mut run = RunFolder::open(folder.path().to_owned()).expect("a run's folder");
        let python = Interpreter::resolve(None).expect("python3");
        // Programs of our own need no walls, and the test's process is no sandbox helper.
        let level = LevelChoice::Exactly(slm_sandbox::Level::C);
        let sandbox = Sandbox::with_level(python, Limits::default(), level)
            .expect("a sandbox, whose helper `cargo test --workspace` builds");
        let mut judge_all = || {
            let scoring = ScoringPhase::begin();
            let answers = AnswerCache::new(cache.path().to_owned());
            all(finished, tasks, &answers, &scoring, &sandbox, &mut run).expect("records")
        };
        assert_eq!(judge_all(), Vec::<String>::new());
        judge_all();
        let records = run.records().to_vec();
        assert_eq!(records.len(), finished.len(), "each is judged once");
        records
    }

    #[test]
    fn canonical_solutions_pass_and_are_counted() {
        let tasks = tasks(3);
        let solved: Vec<Finished> = tasks
            .iter()
            .map(|task| finished(task, task.task.canonical_solution(&ScoringPhase::begin())))
            .collect();
        for record in records(&solved, &tasks) {
            assert_eq!(
                (record.verdict, record.tests_passed),
                (Verdict::Passed, record.tests_total),
                "{}: {:?}",
                record.task_id,
                record.detail
            );
            let metrics = record.metrics.expect("metrics of a program that parses");
            assert!(
                metrics.maintainability_index > 0.0 && metrics.lloc > 1,
                "{metrics:?}"
            );
        }
    }

    #[test]
    fn what_is_no_program_stays_without_metrics() {
        let tasks = tasks(1);
        let records = records(&[finished(&tasks[0], "    return (")], &tasks);
        assert_eq!(records[0].verdict, Verdict::Unparsable);
        assert!(!records[0].parsable && records[0].metrics.is_none());
        assert!(records[0].tests_total > 0);
    }

    #[test]
    fn what_adds_nothing_to_the_prompt_is_empty_though_it_parses() {
        let tasks = tasks(1);
        for text in [
            "",
            "    # to be done\n",
            "```\nprint('over')",
            &tasks[0].view.prompt,
        ] {
            let records = records(&[finished(&tasks[0], text)], &tasks);
            assert_eq!(records[0].verdict, Verdict::Empty, "{text:?}");
            assert!(records[0].parsable && records[0].metrics.is_none());
            assert_eq!(records[0].tests_passed, 0);
            assert!(records[0].tests_total > 0);
            assert_eq!(
                records[0].detail.as_deref(),
                Some("adds no statement to the prompt")
            );
        }
    }

    #[test]
    fn a_trajectory_that_ended_before_any_program_is_recorded_as_such() {
        let tasks = tasks(1);
        let none = Finished {
            chosen: None,
            stop: StopReason::CompletionTokensSpent,
            ..finished(&tasks[0], "")
        };
        let records = records(&[none], &tasks);
        assert_eq!(records[0].verdict, Verdict::Unparsable);
        assert_eq!(
            records[0].detail.as_deref(),
            Some("no call was to make a program")
        );
        assert_eq!(records[0].program, "");
    }
}
