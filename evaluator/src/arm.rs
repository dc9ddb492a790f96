//! One side of a comparison: every task answered, tested and recorded.

use std::collections::HashSet;
use std::sync::mpsc;
use std::time::Instant;

use anyhow::{Result, anyhow};
use benchmarks::Task;
use cli::Progress;
use config::Evaluate;
use sandbox::Sandbox;
use sha2::{Digest, Sha256};

use crate::backend::{Answer, Backend, Event, Query};
use crate::judge::{SampleKey, judge};
use crate::record::SampleRecord;
use crate::run_folder::RunFolder;
use crate::workflow::single;

/// Answers, tests and records what is not recorded yet of one arm.
///
/// Tests run on a thread of their own, so that the model does not wait for them; each record is written as soon as it is
/// made.
pub(crate) fn complete(
    arm: &str,
    model: &dyn Backend,
    tasks: &[Task],
    evaluate: &Evaluate,
    sandbox: &Sandbox,
    run: &mut RunFolder,
) -> Result<()> {
    let recorded: HashSet<(&str, u32)> = run
        .records()
        .iter()
        .filter(|record| record.arm == arm)
        .map(|record| (record.task_id.as_str(), record.sample))
        .collect();
    let mut work = Vec::new();
    for task in tasks {
        for sample in 0..evaluate.samples_per_task as u32 {
            let task_id = task.view().task_id.clone();
            if !recorded.contains(&(task_id.as_str(), sample)) {
                let seed = sample_seed(evaluate.sampling.seed, &task_id, sample);
                work.push((
                    SampleKey {
                        arm: arm.to_owned(),
                        task_id,
                        sample,
                        seed,
                    },
                    task,
                ));
            }
        }
    }
    if work.is_empty() {
        cli::note(&format!("{arm}: all samples are recorded already"));
        return Ok(());
    }
    let queries: Vec<Query> = work
        .iter()
        .map(|(key, task)| single::query(task.view(), key.seed))
        .collect();

    let mut progress = Progress::new(arm, work.len() as u64, "samples");
    let (answers, inbox) = mpsc::channel::<(usize, Answer)>();
    let (results, records) = mpsc::channel::<Result<SampleRecord>>();
    let work = &work;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for (index, answer) in inbox {
                let (key, task) = &work[index];
                if results.send(judge(key, task, answer, sandbox)).is_err() {
                    return;
                }
            }
        });
        let (mut done, mut passed, mut tokens) = (0, 0, 0);
        let started = Instant::now();
        let mut take = |record: Result<SampleRecord>, tokens: usize| -> Result<()> {
            let record = record?;
            done += 1;
            passed += u64::from(record.passed());
            run.append(record)?;
            let rate = tokens as f64 / started.elapsed().as_secs_f64();
            progress.set(done, format!("{passed} passed  {rate:.0} tokens/s"));
            Ok(())
        };
        model.answer(&queries, &mut |event| {
            match event {
                Event::Answered { index, answer } => {
                    answers
                        .send((index, answer))
                        .map_err(|_| anyhow!("the testing thread ended early"))?;
                }
                Event::Tokens(count) => tokens = count,
            }
            records
                .try_iter()
                .try_for_each(|record| take(record, tokens))
        })?;
        drop(answers);
        records.iter().try_for_each(|record| take(record, tokens))
    })?;
    progress.finish();
    Ok(())
}

/// A seed of its own for each sample, so that it does not depend on which others are made.
fn sample_seed(seed: u64, task_id: &str, sample: u32) -> u64 {
    let digest = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(sample.to_le_bytes())
        .chain_update(task_id)
        .finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::scripted::Scripted;
    use crate::record::{BASE_ARM, Verdict};
    use benchmarks::ScoringPhase;
    use sandbox::{Interpreter, Limits};

    fn sandbox() -> Sandbox {
        Sandbox::new(
            Interpreter::resolve(None).expect("python3"),
            Limits::default(),
        )
    }

    fn tasks(n: usize) -> Vec<Task> {
        let mut tasks = benchmarks::by_name("embedded")
            .and_then(|b| b.tasks())
            .expect("embedded tasks");
        tasks.truncate(n);
        tasks
    }

    /// Answers every task with its canonical solution, and counts the questions.
    fn solver(tasks: &[Task]) -> Scripted<impl Fn(&str) -> String> {
        let solutions: Vec<(String, String)> = tasks
            .iter()
            .map(|task| {
                (
                    task.view().prompt.clone(),
                    task.canonical_solution(&ScoringPhase::begin()).to_owned(),
                )
            })
            .collect();
        Scripted::new(move |stub: &str| {
            solutions
                .iter()
                .find(|(prompt, _)| prompt == stub)
                .expect("a task's prompt")
                .1
                .clone()
        })
    }

    fn run(folder: &tempfile::TempDir, model: &dyn Backend, tasks: &[Task]) -> Vec<SampleRecord> {
        let mut run = RunFolder::open(folder.path().to_owned()).expect("run folder");
        complete(
            BASE_ARM,
            model,
            tasks,
            &Evaluate::default(),
            &sandbox(),
            &mut run,
        )
        .expect("records");
        run.records().to_vec()
    }

    #[test]
    fn canonical_solutions_pass_and_are_counted() {
        let (folder, tasks) = (tempfile::tempdir().expect("folder"), tasks(3));
        let records = run(&folder, &solver(&tasks), &tasks);
        assert_eq!(records.len(), 3);
        for record in &records {
            assert_eq!(
                (record.verdict, record.tests_passed),
                (Verdict::Passed, record.tests_total),
                "{}",
                record.task_id
            );
            let metrics = record.metrics.expect("metrics of a program that parses");
            assert!(
                metrics.maintainability_index > 0.0 && metrics.lloc > 1,
                "{metrics:?}"
            );
        }
    }

    #[test]
    fn answers_that_are_no_python_are_unparsable_and_stay_without_metrics() {
        let (folder, tasks) = (tempfile::tempdir().expect("folder"), tasks(1));
        let records = run(
            &folder,
            &Scripted::new(|_: &str| "    return (".to_owned()),
            &tasks,
        );
        assert_eq!(records[0].verdict, Verdict::Unparsable);
        assert!(!records[0].parsable && records[0].metrics.is_none());
    }

    #[test]
    fn an_answer_that_adds_nothing_to_the_prompt_is_no_program() {
        let (folder, tasks) = (tempfile::tempdir().expect("folder"), tasks(1));
        for answer in ["", "    # to be done\n", "```\nprint('over')"] {
            let folder = folder.path().join(answer.len().to_string());
            let mut run = RunFolder::open(folder).expect("run folder");
            let model = Scripted::new(|_: &str| answer.to_owned());
            complete(
                BASE_ARM,
                &model,
                &tasks,
                &Evaluate::default(),
                &sandbox(),
                &mut run,
            )
            .expect("records");
            assert_eq!(run.records()[0].verdict, Verdict::Unparsable, "{answer:?}");
            assert!(run.records()[0].metrics.is_none());
        }
    }

    #[test]
    fn an_interrupted_run_goes_on_without_asking_again() {
        let (folder, tasks) = (tempfile::tempdir().expect("folder"), tasks(4));
        let whole = run(&folder, &solver(&tasks), &tasks);
        // As after a crash: two whole lines, and the third cut off in the middle.
        let file = folder.path().join("records.jsonl");
        let text = std::fs::read_to_string(&file).expect("records");
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        std::fs::write(&file, &text[..ends[1] + 40]).expect("write");

        let model = solver(&tasks);
        let resumed = run(&folder, &model, &tasks);
        assert_eq!(model.asked(), 2);
        let essence = |records: &[SampleRecord]| {
            let mut all: Vec<_> = records
                .iter()
                .map(|r| (r.task_id.clone(), r.sample, r.program.clone(), r.verdict))
                .collect();
            all.sort();
            all
        };
        assert_eq!(essence(&resumed), essence(&whole));
        let again = solver(&tasks);
        run(&folder, &again, &tasks);
        assert_eq!(again.asked(), 0);
    }

    #[test]
    fn seeds_differ_by_task_and_sample_and_repeat() {
        let seeds = [
            sample_seed(1, "a", 0),
            sample_seed(1, "a", 1),
            sample_seed(1, "b", 0),
            sample_seed(2, "a", 0),
        ];
        for (i, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..i].contains(seed));
        }
        assert_eq!(seeds[0], sample_seed(1, "a", 0));
    }
}
