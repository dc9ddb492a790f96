//! From a repository to its tasks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use slm_artifacts::Sha256;
use slm_benchmarks::{RepositoryTarget, RepositoryTest, RepositoryTestKind};
use slm_metrics::syntax::FunctionSource;
use slm_sandbox::{Sandbox, for_each_parallel};

use crate::discovery::{Discovery, discover};
use crate::driver::TestVerdict;
use crate::error::RepositoryError;
use crate::pool::TreePool;
use crate::proof::{MOST_CANDIDATES, Proof, prove};
use crate::reason::Reason;
use crate::report::Report;
use crate::row::{Row, seen_from};
use crate::split::{Part, Split};
use crate::targets::{Survey, Target};

/// Functions whose texts are in memory at one time.
const BATCH: usize = 64;

/// How tasks are made.
#[derive(Debug, Clone)]
pub struct TaskOptions {
    /// The file that will contain the tasks; it is not written here.
    pub output: PathBuf,
    /// Share of the files whose tasks are for training; `None` makes no split.
    pub split: Option<f64>,
    /// Seed of the split and of the choice of mutants.
    pub seed: u64,
}

/// Progress of making tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskProgress {
    /// Reading the functions of the files.
    Files {
        /// Files read.
        done: usize,
    },
    /// Running the tests of files.
    Tests {
        /// Files of tests or of examples that were run.
        done: usize,
        /// All of them.
        total: usize,
    },
    /// Proving the tests of functions.
    Functions {
        /// Functions decided.
        done: usize,
        /// Functions that may become tasks.
        total: usize,
    },
}

/// Makes the tasks of the repository in the folder `root`; passes each row to `on_row`, in the order of files and
/// lines. Two calls on the same files pass the same rows. The output may be inside the repository.
///
/// # Errors
/// The repository cannot be read, the folder of the output does not exist, the sandbox fails, or `on_row` does.
pub fn make_tasks<E: From<RepositoryError>>(
    root: &Path,
    sandbox: &Sandbox,
    options: &TaskOptions,
    on_progress: &mut dyn FnMut(TaskProgress),
    on_row: &mut dyn FnMut(&Row) -> Result<(), E>,
) -> Result<Report, E> {
    let known_root = fs::canonicalize(root).map_err(|_| RepositoryError::NoFolder {
        root: root.to_owned(),
    })?;
    let folder = folder_of(&options.output)?;
    let pool = TreePool::new(known_root.clone(), None);
    let original = pool.original()?;
    let survey = Survey::of(&original.file(""), &original.listing, &mut |done| {
        on_progress(TaskProgress::Files { done });
    })?;
    if survey.n_files == 0 {
        let root = root.to_owned();
        return Err(RepositoryError::NoPython { root }.into());
    }
    let discovery = discover(sandbox, &pool, &survey, &mut |done, total| {
        on_progress(TaskProgress::Tests { done, total });
    })?;
    let split = options
        .split
        .map(|fraction| Split::new(fraction, options.seed, &survey.shared));
    let plan = Plan::of(&survey, &discovery);
    let mut report = first_report(&survey, &discovery);
    report.repository_sha256.clone_from(&original.sha256);
    report.files = original.listing.files.len();
    report.identifying_files = original.listing.identifying().count();
    report.too_large = original.listing.too_large;
    report.odd_names = original.listing.odd_names;
    let seen_root = seen_from(&folder, &known_root);
    let (mut done, total) = (0, survey.targets.len());
    on_progress(TaskProgress::Functions { done, total });
    for (batch, places) in survey.targets.chunks(BATCH).zip((0..).step_by(BATCH)) {
        let items = load(batch, places, &original.file(""))?;
        let mut proofs: Vec<Option<Proof>> = vec![None; items.len()];
        for_each_parallel(
            &items,
            sandbox.workers(),
            |item| {
                let target = item.target.place(&known_root, &original.sha256);
                plan.decide(item, &target, sandbox, &pool, options.seed)
            },
            |i, proof| {
                proofs[i] = Some(proof);
                done += 1;
                on_progress(TaskProgress::Functions { done, total });
                Ok::<_, RepositoryError>(())
            },
        )?;
        for (item, proof) in items.iter().zip(proofs.into_iter().flatten()) {
            let part = split.as_ref().map(|split| split.part(&item.target.file));
            count(&mut report, &proof, part);
            let target = item.target.place(&seen_root, &original.sha256);
            let Proof { tests, reason, .. } = proof;
            on_row(&Row::new(
                &target,
                report.identifying_files,
                &item.function,
                tests,
                reason.as_ref(),
                part,
            ))?;
        }
    }
    Ok(report)
}

/// Returns the folder of the output file.
fn folder_of(output: &Path) -> Result<PathBuf, RepositoryError> {
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::canonicalize(folder).map_err(RepositoryError::io("find the folder", folder))
}

/// A target with its texts.
struct Item<'a> {
    target: &'a Target,
    /// Its index among all targets.
    place: usize,
    function: FunctionSource,
}

/// Reads the functions of consecutive targets, each file once.
fn load<'a>(
    targets: &'a [Target],
    first: usize,
    root: &Path,
) -> Result<Vec<Item<'a>>, RepositoryError> {
    let mut items = Vec::with_capacity(targets.len());
    let mut place = first;
    for of_file in targets.chunk_by(|a, b| a.file == b.file) {
        let functions = of_file[0].functions_of_file(root)?;
        for target in of_file {
            if let Some(function) = functions.iter().find(|function| target.is(function)) {
                items.push(Item {
                    target,
                    place,
                    function: function.clone(),
                });
            }
            place += 1;
        }
    }
    Ok(items)
}

impl Target {
    fn place(&self, root: &Path, sha256: &str) -> RepositoryTarget {
        RepositoryTarget {
            root: root.to_owned(),
            sha256: sha256.to_owned(),
            file: self.file.clone(),
            qualified_name: self.qualified_name.clone(),
            first_line: self.first_line,
        }
    }
}

/// The tests that may prove each target, and the reasons of the others.
struct Plan {
    /// By index of the target: its tests, the most specific first.
    candidates: Vec<Vec<RepositoryTest>>,
    /// By index of the target: why it has no candidates.
    reasons: Vec<Option<Reason>>,
}

impl Plan {
    fn of(survey: &Survey, discovery: &Discovery) -> Self {
        let n = survey.targets.len();
        let mut ranked: Vec<Vec<(usize, RepositoryTest)>> = vec![Vec::new(); n];
        let mut failing: Vec<Option<Reason>> = vec![None; n];
        for ((kind, id), test) in &discovery.tests {
            let failure = if test.is_flaky {
                Some(Reason::Flaky)
            } else if test.verdict == TestVerdict::Passed {
                None
            } else if let Some(need) = test.needs {
                let class = test.class.clone();
                Some(Reason::Needs { need, class })
            } else {
                let class = match test.verdict {
                    TestVerdict::Skipped => "skipped".to_owned(),
                    _ => test.class.clone(),
                };
                Some(Reason::FailsWithOwnBody { class })
            };
            for &hit in &test.hits {
                let hit = hit as usize;
                // Examples are tests of the function that shows them.
                if *kind == RepositoryTestKind::Doctest && survey.targets[hit].id() != *id {
                    continue;
                }
                match &failure {
                    None => ranked[hit].push((
                        test.hits.len(),
                        RepositoryTest {
                            kind: *kind,
                            id: id.clone(),
                            text: String::new(),
                        },
                    )),
                    Some(reason) => keep_first(&mut failing[hit], reason),
                }
            }
        }
        let mut plan = Self {
            candidates: Vec::with_capacity(n),
            reasons: Vec::with_capacity(n),
        };
        for (i, (mut tests, failing)) in ranked.into_iter().zip(failing).enumerate() {
            tests.sort();
            tests.truncate(MOST_CANDIDATES);
            let reason = match (tests.is_empty(), failing) {
                (false, _) => None,
                (true, Some(reason)) => Some(reason),
                (true, None) => Some(reason_of_problems(&survey.targets[i], discovery)),
            };
            plan.candidates
                .push(tests.into_iter().map(|(_, test)| test).collect());
            plan.reasons.push(reason);
        }
        plan
    }

    fn decide(
        &self,
        item: &Item<'_>,
        target: &RepositoryTarget,
        sandbox: &Sandbox,
        pool: &TreePool,
        seed: u64,
    ) -> Result<Proof, RepositoryError> {
        if let Some(reason) = &self.reasons[item.place] {
            return Ok(Proof::refuted(reason.clone()));
        }
        let mut tests = self.candidates[item.place].clone();
        let own = item.target.id();
        for test in &mut tests {
            if test.kind == RepositoryTestKind::Doctest {
                test.text.clone_from(&item.function.docstring);
            }
        }
        let seed = seed_of(seed, &own);
        prove(sandbox, pool, target, &item.function, &tests, seed)
    }
}

/// Keeps the reason that is closest to a proof; the first of equals.
fn keep_first(kept: &mut Option<Reason>, reason: &Reason) {
    let rank = |reason: &Reason| match reason {
        Reason::Flaky => 0,
        Reason::Needs { .. } => 1,
        _ => 2,
    };
    if kept.as_ref().is_none_or(|kept| rank(reason) < rank(kept)) {
        *kept = Some(reason.clone());
    }
}

/// Returns the reason of a target that no test enters: a problem of a file that names it, if there is one.
fn reason_of_problems(target: &Target, discovery: &Discovery) -> Reason {
    let problems = discovery.problems.iter();
    let mut named = problems.filter(|problem| problem.mentions.contains(&target.name));
    named
        .next()
        .map_or(Reason::NoTestHitsIt, |problem| problem.reason.clone())
}

/// Returns the seed of one function's mutants, which does not depend on other functions.
fn seed_of(seed: u64, id: &str) -> u64 {
    let hash = Sha256::new().chain(seed.to_le_bytes()).chain(id).digest();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn first_report(survey: &Survey, discovery: &Discovery) -> Report {
    let mut report = Report {
        unparsable: survey.unparsable.clone(),
        found: survey.n_found(),
        test_files: survey.test_files.len(),
        ..Report::default()
    };
    for reason in &survey.left_out {
        *report.left_out.entry(reason.key()).or_default() += 1;
    }
    let mut kinds: BTreeMap<&'static str, usize> = BTreeMap::new();
    for ((kind, _), test) in &discovery.tests {
        *kinds.entry(kind.word()).or_default() += 1;
        report.flaky_tests += usize::from(test.is_flaky);
        let passes = test.verdict == TestVerdict::Passed && !test.is_flaky;
        report.passing_tests += usize::from(passes);
    }
    report.tests_by_kind = kinds;
    report.problems = discovery
        .problems
        .iter()
        .map(|problem| {
            let words = problem.reason.words();
            (problem.file.clone(), problem.test.clone(), words)
        })
        .collect();
    report
}

fn count(report: &mut Report, proof: &Proof, part: Option<Part>) {
    if let Some(reason) = &proof.reason {
        *report.measured.entry(reason.key()).or_default() += 1;
    } else {
        report.tested += 1;
        report.without_mutants += usize::from(proof.mutants == 0);
    }
    for kind in RepositoryTestKind::ALL {
        if proof.tests.iter().any(|test| test.kind == kind) {
            *report.tested_by_kind.entry(kind.word()).or_default() += 1;
        }
    }
    report.mutants += proof.mutants;
    report.mutants_killed += proof.killed;
    match part {
        Some(Part::Train) => report.train += 1,
        Some(Part::Eval) | None => report.eval += 1,
    }
}
