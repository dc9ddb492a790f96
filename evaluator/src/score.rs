//! `evaluator score`: a file of samples against a benchmark's hidden tests, top to bottom.

pub(crate) mod answers;
pub(crate) mod cache;
mod calls;
mod document;
mod oracle;
mod printed;
mod samples;
mod stream;
pub(crate) mod suite;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use anyhow::Result;
use slm_benchmarks::{BenchmarkError, ScoringPhase, TaskSet, Tests};
use slm_cli::{Failure, Progress, Provenance, UserMistake};
use slm_sandbox::{Limits, Sandbox};
use slm_table::ENDINGS;

use crate::arguments::ScoreArguments;
use crate::digest::sha256_of;
use answers::AnswerCache;
use cache::ScoreCache;
use document::{Document, count};
use samples::Sample;
use slm_artifacts::Verdict;
use suite::Score;

/// Changes when the same program would get another score.
const VERSION: &str = "score 5";

/// Scores a file of samples, and prints the scores in its order.
pub(crate) fn run(arguments: &ScoreArguments) -> Result<(), Failure> {
    let document = score(arguments)?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&document).map_err(anyhow::Error::from)?;
        slm_cli::document(&text);
    } else {
        slm_cli::result(&document.table());
    }
    if !arguments.extract
        && let Some(hint) = document.hint()
    {
        slm_cli::note(&hint);
    }
    let unscored = document.n_unscored();
    if unscored == 0 {
        return Ok(());
    }
    for (reason, n) in document.reasons_unscored() {
        slm_cli::note(&format!("unscored: {}: {reason}", count(n, "sample")));
    }
    Err(Failure::Incomplete(format!(
        "{} could not be scored\nhint: --python names an interpreter that has what the tasks need",
        count(unscored, "sample")
    )))
}

fn score(arguments: &ScoreArguments) -> Result<Document> {
    let (cache_dir, name) = (slm_cli::cache_dir(), &arguments.benchmark);
    let (set, _) = load_tasks(name, arguments.data.as_deref())?;
    let samples = samples::read(&arguments.samples, &set.tasks, arguments.extract)?;

    let mut sandbox = arguments
        .sandbox
        .open(arguments.python.as_deref(), Limits::default())?;
    if let Some(workers) = arguments.workers {
        sandbox = sandbox.with_workers(workers);
    }
    let mut cache = ScoreCache::open(&cache_dir.join("scores").join(format!("{name}.jsonl")))?;
    slm_cli::saved_so_far("every verdict so far is kept in the cache of scores");
    if cache.damaged() > 0 {
        let lines = count(cache.damaged(), "damaged line");
        slm_cli::note(&format!("{lines} in the cache of scores passed over"));
    }
    let keys: Vec<String> = samples
        .iter()
        .map(|sample| key(&set, sample, &sandbox))
        .collect();
    // Of equal programs for one task, the first is run.
    let mut seen = HashSet::new();
    let open: Vec<(&Sample, &String)> = samples
        .iter()
        .zip(&keys)
        .filter(|(_, key)| cache.get(key).is_none() && seen.insert(*key))
        .collect();
    if !open.is_empty() {
        let answers = AnswerCache::new(cache_dir.join("answers"));
        run_open(&set, &open, &answers, &sandbox, &mut cache)?;
    }
    let scores: Vec<Score> = keys
        .iter()
        .filter_map(|key| cache.get(key).cloned())
        .collect();
    let level = sandbox.level().to_string();
    let python = &sandbox.interpreter().version;
    let phase = ScoringPhase::begin();
    Ok(Document::new(
        &set, &samples, &scores, python, &level, &phase,
    ))
}

/// The tasks of a benchmark, from the file `data`, perhaps one on the hub, or else from the one in the cache folder; and
/// what the hub says that the file is.
///
/// # Errors
/// A [`UserMistake`] if there is no such benchmark, or no such file, or another one than that benchmark's.
pub(crate) fn load_tasks(name: &str, data: Option<&Path>) -> Result<(TaskSet, Option<Provenance>)> {
    load_tasks_by(slm_benchmarks::load, name, data)
}

/// As [`load_tasks`], with the requests after solved examples.
pub(crate) fn load_few_shot_tasks(
    name: &str,
    data: Option<&Path>,
) -> Result<(TaskSet, Option<Provenance>)> {
    load_tasks_by(slm_benchmarks::load_few_shot, name, data)
}

fn load_tasks_by(
    load: fn(&str, Option<&Path>) -> Result<TaskSet, slm_benchmarks::BenchmarkError>,
    name: &str,
    data: Option<&Path>,
) -> Result<(TaskSet, Option<Provenance>)> {
    let default = slm_benchmarks::data_of(name).map(|data| data.file);
    let (data, provenance) = slm_cli::benchmark_data(data, default, &ENDINGS)?;
    let set = load(name, data.as_deref()).map_err(user_mistake)?;
    Ok((set, provenance))
}

/// A hash of all that a score follows from.
fn key(set: &TaskSet, sample: &Sample, sandbox: &Sandbox) -> String {
    let task = &set.tasks[sample.task];
    let settings = format!(
        "{:?} {:?} {:?}",
        sandbox.limits(),
        sandbox.interpreter(),
        sandbox.level()
    );
    let view = task.view();
    let texts = [
        VERSION,
        &view.task_id,
        &view.prompt,
        &view.entry_point,
        &settings,
    ];
    let hidden = task.hidden().sha256();
    let fault = sample.fault.unwrap_or_default();
    sha256_of(
        texts
            .into_iter()
            .chain([hidden.as_str(), &sample.program, fault]),
    )
}

/// Runs what has no score yet; each score is kept as soon as it is known.
fn run_open(
    set: &TaskSet,
    open: &[(&Sample, &String)],
    answers: &AnswerCache,
    sandbox: &Sandbox,
    cache: &mut ScoreCache,
) -> Result<()> {
    // All samples were written before this command began: their generation is over.
    let phase = ScoringPhase::begin();
    let mut needed: Vec<usize> = open.iter().map(|(sample, _)| sample.task).collect();
    needed.sort_unstable();
    needed.dedup();
    let calls: Vec<(usize, &slm_benchmarks::Calls)> = needed
        .into_iter()
        .filter_map(|task| match set.tasks[task].hidden().open(&phase) {
            Tests::Calls(calls) => Some((task, calls)),
            _ => None,
        })
        .collect();
    // Made ready before any program waits for them; on disk, since those of all tasks may not fit into memory.
    let mut unknown: BTreeMap<usize, String> = BTreeMap::new();
    if !calls.is_empty() {
        let mut progress = Progress::new("right results", calls.len() as u64, "tasks");
        let mut done = 0;
        in_parallel(
            &calls,
            sandbox.workers(),
            |(_, calls)| {
                let trouble = answers.get(calls, sandbox).err();
                Ok(trouble.map(|error| format!("{error:#}")))
            },
            |i, trouble| {
                unknown.extend(trouble.map(|trouble| (calls[i].0, trouble)));
                done += 1;
                progress.set(done, "");
                Ok(())
            },
        )?;
        progress.finish();
    }

    let mut progress = Progress::new("scoring", open.len() as u64, "samples");
    let (mut done, mut passed) = (0, 0);
    in_parallel(
        open,
        sandbox.workers(),
        |(sample, _)| {
            if let Some(reason) = unknown.get(&sample.task) {
                return Ok(Score {
                    base: None,
                    plus: None,
                    unscored: Some(reason.clone()),
                });
            }
            let task = &set.tasks[sample.task];
            let tests = task.hidden().open(&phase);
            if let Some(fault) = &sample.fault {
                return Ok(Score::not_run(tests, Verdict::Unparsable, fault));
            }
            let answers = match tests {
                Tests::Calls(calls) => Some(answers.get(calls, sandbox)?),
                _ => None,
            };
            suite::score(task, &sample.program, answers.as_ref(), &phase, sandbox)
        },
        |i, score| {
            done += 1;
            passed += usize::from(
                score
                    .base
                    .as_ref()
                    .is_some_and(|suite| suite.failed.is_empty()),
            );
            progress.set(done, format!("{passed} passed"));
            cache.insert(open[i].1.clone(), score)
        },
    )?;
    progress.finish();
    Ok(())
}

/// Applies `work` to all items on some threads, and `take` to each result on this one, as they come.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    workers: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
    mut take: impl FnMut(usize, R) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let (results, inbox) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers.min(items.len()) {
            let (results, next, work) = (results.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else {
                        return;
                    };
                    // The other side is gone after an error: nothing more is asked for.
                    if results.send((i, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        inbox
            .into_iter()
            .try_for_each(|(i, result)| take(i, result?))
    })
}

/// What a benchmark's file lacks is the user's mistake, unless the system refuses it.
fn user_mistake(error: BenchmarkError) -> anyhow::Error {
    match error {
        BenchmarkError::Unreadable { .. }
        | BenchmarkError::Table(slm_table::TableError::Unreadable { .. }) => error.into(),
        other => UserMistake(other.to_string()).into(),
    }
}
