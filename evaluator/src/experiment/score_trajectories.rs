//! Turns closed trajectories into records: static metrics and hidden tests of their final programs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use slm_artifacts::{FinishReason, Verdict};
use slm_cli::Progress;
use slm_report::{ProgramMetrics, RECORD_VERSION, SampleRecord};
use slm_scoring::{ProgramFault, Score, Scorer, TotalResult, for_each_parallel};

use super::human::{Comparison, Losses};
use super::tasks::RunTask;
use crate::run_folder::RunFolder;
use crate::workflow::event::{AnswerName, name_of_record};
use crate::workflow::trajectory::Finished;

/// Measures and tests the programs without a record, on all cores, and writes each record at once. Returns the
/// reasons why some could not be scored; these get no record.
///
/// The caller has closed every trajectory of the run, which is the condition for [`Scorer::phase`].
///
/// # Errors
/// Only errors of the sandbox itself; a program's behaviour is part of its record.
pub(super) fn score_trajectories(
    finished: &[Finished],
    tasks: &[RunTask],
    losses: &Losses,
    scorer: &Scorer,
    run: &mut RunFolder,
) -> Result<Vec<String>> {
    let tasks: BTreeMap<&str, &RunTask> = tasks
        .iter()
        .map(|task| (task.view.task_id.as_str(), task))
        .collect();
    let recorded: BTreeSet<AnswerName> = run.records().iter().map(name_of_record).collect();
    let open: Vec<(&Finished, &RunTask)> = finished
        .iter()
        .filter(|finished| !recorded.contains(&finished.key.name()))
        .filter_map(|finished| Some((finished, *tasks.get(finished.key.task_id.as_str())?)))
        .collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }

    let mut progress = Progress::new("hidden tests", open.len() as u64, "samples");
    let (mut done, mut passed, mut unscored) = (0, 0, Vec::new());
    for_each_parallel(
        &open,
        scorer.sandbox.workers(),
        |(finished, task)| record(finished, task, losses, scorer),
        |at, recorded| {
            match recorded {
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

/// Why a program cannot be scored, for a reason outside of the program.
struct Unscored(String);

/// Measures and tests one program.
fn record(
    finished: &Finished,
    of: &RunTask,
    losses: &Losses,
    scorer: &Scorer,
) -> Result<Result<SampleRecord, Unscored>> {
    let task = &of.task;
    let chosen = finished.chosen.as_ref();
    let program = chosen.map_or("", |chosen| chosen.program.text.as_str());
    let fault = chosen.and_then(|chosen| chosen.program.fault);
    let is_empty = fault == Some(ProgramFault::NothingAdded);
    let metrics = match (chosen, fault) {
        (Some(_), None) => ProgramMetrics::measure(program, &of.view.prompt),
        _ => None,
    };
    let tests = if metrics.is_some() {
        let score = scorer.score(task, program)?;
        match score.total() {
            Some(total) => total,
            None => return Ok(Err(Unscored(reason_unscored(score)))),
        }
    } else {
        let reason = match chosen {
            None => "no call requested a program",
            Some(_) => fault.map_or("not counted by the metrics", ProgramFault::text),
        };
        TotalResult {
            verdict: if is_empty {
                Verdict::Empty
            } else {
                Verdict::Unparsable
            },
            passed: 0,
            tests: task.hidden().open(scorer.phase).len(),
            detail: reason.to_owned(),
            cpu_s: 0.0,
            executable: Some(false),
        }
    };
    let key = &finished.key;
    let compared = Comparison::new(of, program, metrics.is_some(), scorer.phase);
    let of_arm = (key.arm.clone(), key.task_id.clone());
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
        lookups: finished.spent.lookups,
        masked: finished.looked_up.masked,
        recall: finished.looked_up.recall,
        copied: finished.looked_up.copied,
        sketch_kept: finished.looked_up.sketch_kept,
        rounds: finished.rounds,
        attempts: chosen.map(|chosen| chosen.attempt.number),
        tokens_to_program: chosen.map(|chosen| chosen.attempt.completion_tokens),
        seconds_to_program: chosen.map(|chosen| chosen.attempt.generation_s),
        stop: finished.stop,
        phase: finished.phases.last().copied(),
        phases: finished.phases.clone(),
        complete: finished.complete,
        routed_to: finished.routed_to.map(|of| of.name().to_owned()),
        format_failures: finished.format_failures.len(),
        unspent: finished.left,
        finish_reason: chosen.map_or(FinishReason::Length, |chosen| chosen.finish_reason),
        generation_s: finished.generation_s,
        reused_s: finished.reused_s,
        retries: finished.retries,
        tokens_estimated: finished.tokens_estimated,
        completion: chosen.map_or_else(String::new, |chosen| chosen.text.clone()),
        program: program.to_owned(),
        parsable: is_empty || metrics.is_some(),
        metrics,
        verdict: tests.verdict,
        tests_passed: tests.passed,
        tests_total: tests.tests,
        executable: tests.executable.filter(|_| tests.tests > 0),
        detail: Some(tests.detail).filter(|detail| !detail.is_empty()),
        cpu_s: tests.cpu_s,
        same_signature: compared.same_signature,
        similarity: compared.similarity,
        reference_loss: losses.get(&of_arm).copied(),
        bleu: compared.bleu,
        line_use: task.line_use(program, scorer.phase),
    }))
}

fn reason_unscored(score: Score) -> String {
    let reason = score.unscored;
    reason.unwrap_or_else(|| "no reason was given".to_owned())
}

#[cfg(test)]
mod tests {
    use slm_artifacts::{Expects, StopReason};
    use slm_benchmarks::ScoringPhase;
    use slm_config::{Prompting, Workflow};
    use slm_report::{Decoding, Spending};
    use slm_sandbox::{Interpreter, LevelChoice, Limits, Sandbox};
    use slm_scoring::ExpectedOutputCache;

    use super::*;
    use crate::workflow::event::Key;
    use crate::workflow::read::{Reading, Subject, read};
    use crate::workflow::trajectory::{Attempt, ChosenProgram};

    fn tasks(n: usize) -> Vec<RunTask> {
        let set = slm_benchmarks::load("embedded", None).expect("embedded tasks");
        let tasks = set.tasks.into_iter().take(n).map(|task| RunTask {
            benchmark: "embedded".to_owned(),
            view: task.view().clone(),
            task,
        });
        tasks.collect()
    }

    /// Returns a trajectory of one call with this answer.
    fn finished(task: &RunTask, text: &str) -> Finished {
        let (reading, _) = read(
            Expects::Program,
            &[],
            &[],
            Prompting::Training,
            Subject::from(&task.view),
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
            chosen: Some(ChosenProgram {
                program,
                text: text.to_owned(),
                finish_reason: FinishReason::Stop,
                attempt: Attempt {
                    number: 1,
                    completion_tokens: 5,
                    generation_s: 0.5,
                },
            }),
            spent: Spending {
                completion_tokens: 5,
                calls: 1,
                executions: 0,
                lookups: 0,
            },
            left: Spending::default(),
            prompt_tokens: 9,
            generation_s: 0.5,
            reused_s: 0.0,
            retries: 0,
            tokens_estimated: false,
            rounds: 0,
            format_failures: Vec::new(),
            phases: Vec::new(),
            complete: None,
            routed_to: None,
            looked_up: crate::knowledge::LookedUp::default(),
        }
    }

    fn records(finished: &[Finished], tasks: &[RunTask]) -> Vec<SampleRecord> {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = tempfile::tempdir().expect("a folder");
        let mut run = RunFolder::open(folder.path().to_owned()).expect("a run's folder");
        let python = Interpreter::resolve(None).expect("python3");
        // These programs are trusted, and the test's process cannot act as the sandbox's helper.
        let level = LevelChoice::Exactly(slm_sandbox::Level::C);
        let sandbox = Sandbox::with_level(python, Limits::default(), level)
            .expect("a sandbox, whose helper `cargo test --workspace` builds");
        let mut score_all = || {
            let scorer = Scorer {
                sandbox: &sandbox,
                expected_outputs: &ExpectedOutputCache::new(cache.path().to_owned(), |_| ()),
                phase: &ScoringPhase::begin(),
                trees: &slm_scoring::TreePools::new(),
            };
            score_trajectories(finished, tasks, &Losses::new(), &scorer, &mut run).expect("records")
        };
        assert_eq!(score_all(), Vec::<String>::new());
        score_all();
        let records = run.records().to_vec();
        assert_eq!(records.len(), finished.len(), "each is scored once");
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
            Some("no call requested a program")
        );
        assert_eq!(records[0].program, "");
    }
}
