//! Scores one program, or many samples at once.

use std::collections::{BTreeMap, HashSet};

use slm_artifacts::{Verdict, sha256_of_texts};
use slm_benchmarks::{Calls, ScoringPhase, Task, TaskSet, Tests};
use slm_repository::TreePools;
use slm_sandbox::{Sandbox, for_each_parallel};

use crate::error::ScoringError;
use crate::expected_outputs::ExpectedOutputCache;
use crate::hidden_tests;
use crate::samples::Sample;
use crate::score::Score;
use crate::score_cache::ScoreCache;

/// Part of the cache key; changed when the same program would get another score.
const VERSION: &str = "score 7";

/// Runs programs against hidden tests. Can be shared among threads.
#[derive(Clone, Copy)]
pub struct Scorer<'a> {
    /// Runs the programs.
    pub sandbox: &'a Sandbox,
    /// Cache of the tasks' expected outputs.
    pub expected_outputs: &'a ExpectedOutputCache,
    /// Permission to open hidden tests.
    pub phase: &'a ScoringPhase,
    /// Copies of the repositories of which tasks were made.
    pub trees: &'a TreePools,
}

/// Progress of scoring samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoringProgress {
    /// Computing expected outputs, before any program needs them.
    ExpectedOutputs {
        /// Tasks whose outputs have been computed.
        done: usize,
        /// Tasks whose outputs are needed.
        total: usize,
    },
    /// Running programs.
    Samples {
        /// Samples scored.
        done: usize,
        /// Samples without a cached score.
        total: usize,
        /// Samples that passed their base tests.
        passed: usize,
    },
}

impl Scorer<'_> {
    /// Scores a program by the hidden tests of its task. If the task's reference itself fails, the score
    /// contains the reason in `unscored`.
    ///
    /// # Errors
    /// Only failures of the sandbox itself; everything the program does is part of the score.
    pub fn score(&self, task: &Task, program: &str) -> Result<Score, ScoringError> {
        let expected = match task.hidden().open(self.phase) {
            Tests::Calls(calls) => match self.expected_outputs.get(calls, self.sandbox) {
                Ok(expected) => Some(expected),
                Err(error) => return Ok(Score::unscored(error.to_string())),
            },
            _ => None,
        };
        hidden_tests::run(
            task,
            program,
            expected.as_ref(),
            self.phase,
            self.sandbox,
            self.trees,
        )
    }

    /// Scores samples of a benchmark's tasks on all of the sandbox's workers and returns the scores in the
    /// order of the samples. Cached scores are not recomputed, and a new one is cached as soon as it is known;
    /// of identical programs for one task only the first is run.
    ///
    /// # Errors
    /// A failure of the sandbox itself, or a score that cannot be cached.
    pub fn score_samples(
        &self,
        set: &TaskSet,
        samples: &[Sample],
        cache: &mut ScoreCache,
        on_progress: &mut dyn FnMut(ScoringProgress),
    ) -> Result<Vec<Score>, ScoringError> {
        let keys: Vec<String> = samples
            .iter()
            .map(|sample| key(&set.tasks[sample.task], sample, self.sandbox))
            .collect();
        let mut seen = HashSet::new();
        let open: Vec<(&Sample, &String)> = samples
            .iter()
            .zip(&keys)
            .filter(|(_, key)| cache.get(key).is_none() && seen.insert(*key))
            .collect();
        if !open.is_empty() {
            let failing = self.compute_expected_outputs(set, &open, on_progress)?;
            self.score_open(set, &open, &failing, cache, on_progress)?;
        }
        let scores = keys.iter().filter_map(|key| cache.get(key).cloned());
        Ok(scores.collect())
    }

    /// Computes the expected outputs that samples need, writing them only to the folder, since those of all
    /// tasks may not fit into memory. Returns the tasks whose reference fails, with the reasons.
    fn compute_expected_outputs(
        &self,
        set: &TaskSet,
        open: &[(&Sample, &String)],
        on_progress: &mut dyn FnMut(ScoringProgress),
    ) -> Result<BTreeMap<usize, String>, ScoringError> {
        let mut needed: Vec<usize> = open.iter().map(|(sample, _)| sample.task).collect();
        needed.sort_unstable();
        needed.dedup();
        let calls: Vec<(usize, &Calls)> = needed
            .into_iter()
            .filter_map(|task| match set.tasks[task].hidden().open(self.phase) {
                Tests::Calls(calls) => Some((task, calls)),
                _ => None,
            })
            .collect();
        let mut failing = BTreeMap::new();
        if calls.is_empty() {
            return Ok(failing);
        }
        let (mut done, total) = (0, calls.len());
        on_progress(ScoringProgress::ExpectedOutputs { done, total });
        for_each_parallel(
            &calls,
            self.sandbox.workers(),
            |(_, calls)| {
                let trouble = self.expected_outputs.get(calls, self.sandbox).err();
                Ok::<_, ScoringError>(trouble.map(|error| error.to_string()))
            },
            |i, trouble| {
                failing.extend(trouble.map(|trouble| (calls[i].0, trouble)));
                done += 1;
                on_progress(ScoringProgress::ExpectedOutputs { done, total });
                Ok(())
            },
        )?;
        Ok(failing)
    }

    fn score_open(
        &self,
        set: &TaskSet,
        open: &[(&Sample, &String)],
        failing: &BTreeMap<usize, String>,
        cache: &mut ScoreCache,
        on_progress: &mut dyn FnMut(ScoringProgress),
    ) -> Result<(), ScoringError> {
        let (mut done, total, mut passed) = (0, open.len(), 0);
        on_progress(ScoringProgress::Samples {
            done,
            total,
            passed,
        });
        for_each_parallel(
            open,
            self.sandbox.workers(),
            |(sample, _)| {
                if let Some(reason) = failing.get(&sample.task) {
                    return Ok(Score::unscored(reason.clone()));
                }
                let task = &set.tasks[sample.task];
                if let Some(fault) = sample.fault {
                    let tests = task.hidden().open(self.phase);
                    return Ok(Score::not_run(tests, Verdict::Unparsable, fault));
                }
                self.score(task, &sample.program)
            },
            |i, score| {
                done += 1;
                let base = score.base.as_ref();
                passed += usize::from(base.is_some_and(|suite| suite.failed.is_empty()));
                on_progress(ScoringProgress::Samples {
                    done,
                    total,
                    passed,
                });
                cache.insert(open[i].1.clone(), score)
            },
        )
    }
}

/// Returns a hash of all inputs of a score.
fn key(task: &Task, sample: &Sample, sandbox: &Sandbox) -> String {
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
    let repository = format!("{:?}", view.repository);
    let fault = sample.fault.unwrap_or_default();
    sha256_of_texts(
        texts
            .into_iter()
            .chain([hidden.as_str(), &repository, &sample.program, fault]),
    )
}
