//! The CPU time of the publishers' own solutions, against which the efficiency of solved programs is measured.

use std::collections::BTreeMap;

use anyhow::Result;
use slm_artifacts::{Verdict, sha256_of_texts};
use slm_benchmarks::ScoringPhase;
use slm_cli::Progress;
use slm_sandbox::Sandbox;
use slm_scoring::{Score, ScoreCache, Scorer, for_each_parallel};

use super::tasks::RunTask;

/// Must change whenever the same solution would be measured differently.
const VERSION: &str = "canonical 1";

/// Returns the CPU seconds of the hidden tests on each task's own solution, by the task's name in the run. Tasks
/// without a solution, or whose solution does not pass here, have no entry.
///
/// A solution is run once, by the scorer of all programs, and its time is cached by content.
///
/// # Errors
/// Only errors of the sandbox itself.
pub(crate) fn cpu_seconds(tasks: &[&RunTask], scorer: &Scorer) -> Result<BTreeMap<String, f64>> {
    let mut cache = ScoreCache::open(&slm_cli::cache_dir().join("scores").join("canonical.jsonl"))?;
    let solved: Vec<(&RunTask, String, String)> = tasks
        .iter()
        .filter_map(|&task| {
            let program = program(task, scorer.phase)?;
            let key = key(task, &program, scorer.sandbox);
            Some((task, program, key))
        })
        .collect();
    let open: Vec<&(&RunTask, String, String)> = solved
        .iter()
        .filter(|(_, _, key)| cache.get(key).is_none())
        .collect();
    if !open.is_empty() {
        let mut progress = Progress::new("own solutions", open.len() as u64, "tasks");
        let mut done = 0;
        for_each_parallel(
            &open,
            scorer.sandbox.workers(),
            |(task, program, _)| scorer.score(&task.task, program),
            |at, score| {
                cache.insert(open[at].2.clone(), score)?;
                done += 1;
                progress.set(done, String::new());
                Ok(())
            },
        )?;
        progress.finish();
    }
    let time = |(task, _, key): &(&RunTask, String, String)| {
        let seconds = cpu_s(cache.get(key)?)?;
        Some((task.view.task_id.clone(), seconds))
    };
    Ok(solved.iter().filter_map(time).collect())
}

/// Returns the publisher's program; `None` if there is no solution.
fn program(task: &RunTask, scoring: &ScoringPhase) -> Option<String> {
    let solution = task.task.canonical_solution(scoring);
    (!solution.trim().is_empty()).then(|| format!("{}{solution}", task.view.prompt))
}

fn key(task: &RunTask, program: &str, sandbox: &Sandbox) -> String {
    let settings = format!(
        "{:?} {:?} {:?}",
        sandbox.limits(),
        sandbox.interpreter(),
        sandbox.level()
    );
    let hidden = task.task.hidden().sha256();
    sha256_of_texts([VERSION, &settings, &hidden, program])
}

/// Returns the CPU time of a solution that passes all tests.
fn cpu_s(score: &Score) -> Option<f64> {
    let total = score.total()?;
    let passed = total.verdict == Verdict::Passed;
    (passed && total.cpu_s > 0.0).then_some(total.cpu_s)
}
