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
    let recorded: HashSet<(&str, u32)> =
        run.records().iter().filter(|record| record.arm == arm).map(|record| (record.task_id.as_str(), record.sample)).collect();
    let mut work = Vec::new();
    for task in tasks {
        for sample in 0..evaluate.samples_per_task as u32 {
            let task_id = task.view().task_id.clone();
            if !recorded.contains(&(task_id.as_str(), sample)) {
                let seed = sample_seed(evaluate.sampling.seed, &task_id, sample);
                work.push((SampleKey { arm: arm.to_owned(), task_id, sample, seed }, task));
            }
        }
    }
    if work.is_empty() {
        cli::note(&format!("{arm}: all samples are recorded already"));
        return Ok(());
    }
    let queries: Vec<Query> = work.iter().map(|(key, task)| single::query(task.view(), key.seed)).collect();

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
                    answers.send((index, answer)).map_err(|_| anyhow!("the testing thread ended early"))?;
                }
                Event::Tokens(count) => tokens = count,
            }
            records.try_iter().try_for_each(|record| take(record, tokens))
        })?;
        drop(answers);
        records.iter().try_for_each(|record| take(record, tokens))
    })?;
    progress.finish();
    Ok(())
}

/// A seed of its own for each sample, so that it does not depend on which others are made.
fn sample_seed(seed: u64, task_id: &str, sample: u32) -> u64 {
    let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(sample.to_le_bytes()).chain_update(task_id).finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(bytes)
}

