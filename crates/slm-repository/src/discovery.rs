//! Finds the tests of a repository and the functions whose bodies each of them enters.

use std::collections::{BTreeMap, BTreeSet};

use slm_benchmarks::{RepositoryTest, RepositoryTestKind};
use slm_sandbox::{Sandbox, Verdict, for_each_parallel};

use crate::driver::{self, DriverJob, Need, TestEnd, TestName, TestVerdict, TracedTarget};
use crate::error::RepositoryError;
use crate::files::text_of;
use crate::pool::{LentTree, TreePool};
use crate::reason::Reason;
use crate::targets::{Survey, Target};

/// A hidden file with all targets, which each copy contains while the tests are found: as part of every job they would
/// take gigabytes in a large repository.
const TARGETS_FILE: &str = ".slm-repository-targets.json";

/// Boxes for the tests of one file; each but the last ended early.
const MOST_BOXES: usize = 24;

/// The tests of a repository.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Discovery {
    /// The tests that ran to their end.
    pub(crate) tests: BTreeMap<TestName, FoundTest>,
    /// What went wrong otherwise, by file.
    pub(crate) problems: Vec<Problem>,
}

/// A test that ran to its end twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundTest {
    pub(crate) verdict: TestVerdict,
    pub(crate) class: String,
    pub(crate) needs: Option<Need>,
    /// Indices of targets, ascending.
    pub(crate) hits: Vec<u32>,
    /// Its verdict or its targets differ between the runs.
    pub(crate) is_flaky: bool,
}

/// A file of tests that did not run to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) file: String,
    /// The test that did not end; `None` if the problem concerns the whole file.
    pub(crate) test: Option<String>,
    pub(crate) reason: Reason,
    /// Names of targets among the words of the file.
    pub(crate) mentions: BTreeSet<String>,
}

/// What a box, or a sequence of boxes, runs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// All tests of a file.
    TestFile(String),
    /// The examples in the docstrings of a file, by the targets' indices.
    Examples(String, Vec<usize>),
}

/// The tests of one source in one run.
#[derive(Debug, Default)]
struct SourceRun {
    ends: BTreeMap<TestName, TestEnd>,
    problems: Vec<(Option<String>, Reason)>,
    /// The tests that ended a box.
    early: Vec<TestName>,
}

/// Runs all tests twice, in fresh boxes.
pub(crate) fn discover(
    sandbox: &Sandbox,
    pool: &TreePool,
    survey: &Survey,
    on_source: &mut dyn FnMut(usize, usize),
) -> Result<Discovery, RepositoryError> {
    let list: Vec<TracedTarget> = survey.targets.iter().map(traced).collect();
    let traced = Traced {
        json: serde_json::to_string(&list).expect("a list of texts and numbers always serialises"),
        list,
    };
    let names: BTreeSet<&str> = survey.targets.iter().map(|t| t.name.as_str()).collect();
    let mut sources: Vec<Source> = survey
        .test_files
        .iter()
        .cloned()
        .map(Source::TestFile)
        .collect();
    for (i, target) in survey
        .targets
        .iter()
        .enumerate()
        .filter(|(_, t)| t.has_examples)
    {
        match sources.last_mut() {
            Some(Source::Examples(file, places)) if *file == target.file => places.push(i),
            _ => sources.push(Source::Examples(target.file.clone(), vec![i])),
        }
    }
    let (mut done, total) = (0, sources.len());
    on_source(done, total);
    let mut found: Vec<Option<Discovery>> = vec![None; total];
    for_each_parallel(
        &sources,
        sandbox.workers(),
        |source| {
            let first = run_source(sandbox, pool, survey, &traced, source, &[])?;
            // What ended a box once does not run again.
            let second = if first.ends.is_empty() {
                SourceRun::default()
            } else {
                run_source(sandbox, pool, survey, &traced, source, &first.early)?
            };
            let mut discovery = compare(first, second, source);
            if !discovery.problems.is_empty() {
                let mentions = mentions(pool, source, &names)?;
                for problem in &mut discovery.problems {
                    problem.mentions.clone_from(&mentions);
                }
            }
            Ok::<_, RepositoryError>(discovery)
        },
        |i, discovery| {
            found[i] = Some(discovery);
            done += 1;
            on_source(done, total);
            Ok(())
        },
    )?;
    pool.remove_hidden(TARGETS_FILE)?;
    let mut all = Discovery::default();
    for discovery in found.into_iter().flatten() {
        all.tests.extend(discovery.tests);
        all.problems.extend(discovery.problems);
    }
    Ok(all)
}

/// The targets, as a list and as the content of [`TARGETS_FILE`].
struct Traced {
    list: Vec<TracedTarget>,
    json: String,
}

fn traced(target: &Target) -> TracedTarget {
    (
        target.file.clone(),
        target.name.clone(),
        target.first_line,
        target.body_first_line,
    )
}

impl Source {
    fn file(&self) -> &str {
        match self {
            Self::TestFile(file) | Self::Examples(file, _) => file,
        }
    }
}

/// Runs the tests of a source except `skip`. If a box ends early, the rest runs in further boxes, and a test that was open at a
/// time limit runs alone.
fn run_source(
    sandbox: &Sandbox,
    pool: &TreePool,
    survey: &Survey,
    traced: &Traced,
    source: &Source,
    skip: &[TestName],
) -> Result<SourceRun, RepositoryError> {
    let tree = pool.lend()?;
    let (tests, targets) = match source {
        Source::TestFile(_) => {
            tree.add_hidden(TARGETS_FILE, &traced.json)?;
            (Vec::new(), 0..traced.list.len())
        }
        Source::Examples(file, places) => {
            // The targets of a file are consecutive.
            let first = traced.list.partition_point(|target| target.0 < *file);
            let n = traced.list[first..].partition_point(|target| target.0 == *file);
            (examples(&tree, survey, places)?, first..first + n)
        }
    };
    let run_boxed = |only: Option<&TestName>, skip: &[TestName], closed: &[String]| {
        let is_run = |test: &&RepositoryTest| {
            let is = |name: &TestName| name.0 == test.kind && name.1 == test.id;
            !skip.iter().any(is) && only.is_none_or(is)
        };
        let tests: Vec<RepositoryTest> = tests.iter().filter(is_run).cloned().collect();
        let job = DriverJob {
            targets: &traced.list[targets.clone()],
            targets_file: match source {
                Source::TestFile(_) => Some(TARGETS_FILE),
                Source::Examples(..) => None,
            },
            import: None,
            collect: match source {
                Source::TestFile(file) => Some(file),
                Source::Examples(..) => None,
            },
            only: only.map(|name| vec![name.clone()]),
            skip: skip.to_vec(),
            closed: closed.to_vec(),
            tests: &tests,
        };
        let mut run = driver::run(sandbox, tree.path(), &tree.original().roots, &job)?;
        for hit in run.ends.iter_mut().flat_map(|end| &mut end.hits) {
            // Below the number of targets, which the driver's results can express.
            *hit += targets.start as u32;
        }
        Ok::<_, RepositoryError>(run)
    };
    let mut run = SourceRun::default();
    let mut done: Vec<TestName> = skip.to_vec();
    let mut unusable_ids = 0;
    let mut closed: Vec<String> = skip.iter().map(|(_, id)| id.clone()).collect();
    for _ in 0..MOST_BOXES {
        let boxed = run_boxed(None, &done, &closed)?;
        let n_ended = boxed.ends.len();
        done.extend(boxed.ends.iter().map(|end| end.name.clone()));
        let passed = boxed.ends.iter();
        let passed = passed.filter(|end| end.verdict == TestVerdict::Passed);
        closed.extend(passed.map(|end| end.name.1.clone()));
        run.add(boxed.ends);
        if let Some((class, text)) = boxed.import {
            let error = format!("{class}: {text}");
            run.problems.push((None, Reason::ImportFails { error }));
        }
        unusable_ids = unusable_ids.max(boxed.unusable_ids);
        if boxed.is_done {
            run.add_unusable(unusable_ids);
            return Ok(run);
        }
        let Some(open) = boxed.open else {
            if n_ended == 0 {
                run.add_unusable(unusable_ids);
                run.problems.push((None, early(boxed.verdict)));
                return Ok(run);
            }
            continue;
        };
        done.push(open.clone());
        closed.push(open.1.clone());
        let mut verdict = boxed.verdict;
        if verdict == Verdict::Timeout && n_ended > 0 {
            // The tests before it may have used up the time.
            let alone = run_boxed(Some(&open), &[], &[])?;
            if alone.ends.iter().any(|end| end.name == open) {
                run.add(alone.ends);
                continue;
            }
            verdict = alone.verdict;
        }
        run.problems.push((Some(open.1.clone()), early(verdict)));
        run.early.push(open);
    }
    run.add_unusable(unusable_ids);
    run.problems.push((None, early(Verdict::Timeout)));
    Ok(run)
}

impl SourceRun {
    fn add(&mut self, ends: Vec<TestEnd>) {
        for end in ends {
            self.ends.insert(end.name.clone(), end);
        }
    }

    fn add_unusable(&mut self, n: usize) {
        if n > 0 {
            self.problems.push((None, Reason::UnusableIds { n }));
        }
    }
}

/// Returns the reason for a box that ended early.
fn early(verdict: Verdict) -> Reason {
    let word = match verdict {
        Verdict::Timeout => "time limit",
        Verdict::Memory => "memory limit",
        Verdict::OutputLimit => "output limit",
        Verdict::Violation => {
            return Reason::Needs {
                need: Need::Forbidden,
                class: "violation".to_owned(),
            };
        }
        Verdict::Passed | Verdict::Failed | Verdict::Error | Verdict::Unparsable => {
            "ended its process"
        }
    };
    Reason::TimesOut {
        verdict: word.to_owned(),
    }
}

/// Returns the doctests of targets of one file.
fn examples(
    tree: &LentTree<'_>,
    survey: &Survey,
    places: &[usize],
) -> Result<Vec<RepositoryTest>, RepositoryError> {
    let mut tests = Vec::new();
    let Some(first) = places.first() else {
        return Ok(tests);
    };
    let functions = survey.targets[*first].functions_of_file(tree.path())?;
    for &place in places {
        let target = &survey.targets[place];
        if let Some(function) = functions.iter().find(|function| target.is(function)) {
            tests.push(RepositoryTest {
                kind: RepositoryTestKind::Doctest,
                id: target.id(),
                text: function.docstring.clone(),
            });
        }
    }
    Ok(tests)
}

/// Combines two runs of a source.
fn compare(first: SourceRun, mut second: SourceRun, source: &Source) -> Discovery {
    let mut discovery = Discovery::default();
    for (name, end) in first.ends {
        let again = second.ends.remove(&name);
        let is_flaky = again
            .as_ref()
            .is_none_or(|again| again.verdict != end.verdict || again.hits != end.hits);
        discovery.tests.insert(name, FoundTest::of(end, is_flaky));
    }
    for (name, end) in second.ends {
        discovery.tests.insert(name, FoundTest::of(end, true));
    }
    let mut problems = first.problems;
    for problem in second.problems {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    discovery.problems = problems
        .into_iter()
        .map(|(test, reason)| Problem {
            file: source.file().to_owned(),
            test,
            reason,
            mentions: BTreeSet::new(),
        })
        .collect();
    discovery
}

impl FoundTest {
    fn of(end: TestEnd, is_flaky: bool) -> Self {
        Self {
            verdict: end.verdict,
            class: end.class,
            needs: end.needs,
            hits: end.hits,
            is_flaky,
        }
    }
}

/// Returns the targets' names among the words of a file.
fn mentions(
    pool: &TreePool,
    source: &Source,
    names: &BTreeSet<&str>,
) -> Result<BTreeSet<String>, RepositoryError> {
    let text = text_of(&pool.original()?.file(source.file()))?;
    let text = text.as_deref().unwrap_or_default();
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    Ok(words
        .filter(|word| names.contains(word))
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ends: &[(&str, TestVerdict, &[u32])]) -> SourceRun {
        let mut run = SourceRun::default();
        run.add(
            ends.iter()
                .map(|(id, verdict, hits)| TestEnd {
                    name: (RepositoryTestKind::Plain, (*id).to_owned()),
                    verdict: *verdict,
                    class: String::new(),
                    text: String::new(),
                    needs: None,
                    hits: hits.to_vec(),
                })
                .collect(),
        );
        run
    }

    #[test]
    fn a_test_with_another_verdict_or_other_hits_is_flaky() {
        use TestVerdict::{Failed, Passed};
        let first = run(&[
            ("same", Passed, &[1]),
            ("verdict", Passed, &[1]),
            ("hits", Passed, &[1]),
            ("gone", Passed, &[1]),
        ]);
        let second = run(&[
            ("same", Passed, &[1]),
            ("verdict", Failed, &[1]),
            ("hits", Passed, &[1, 2]),
            ("new", Passed, &[1]),
        ]);
        let found = compare(first, second, &Source::TestFile("a.py".to_owned()));
        let flaky: Vec<(&str, bool)> = found
            .tests
            .iter()
            .map(|((_, id), test)| (id.as_str(), test.is_flaky))
            .collect();
        assert_eq!(
            flaky,
            [
                ("gone", true),
                ("hits", true),
                ("new", true),
                ("same", false),
                ("verdict", true)
            ]
        );
    }
}
