//! The output of `evaluator score`: one JSON document, or a table.

use std::collections::BTreeMap;

use serde::Serialize;
use slm_artifacts::{Verdict, counted};
use slm_benchmarks::{ScoringPhase, TaskSet, Tests};
use slm_report::OutsideComparison;
use slm_scoring::{Sample, Samples, Score, SuiteResult};
use slm_statistics::{Interval, bootstrap_mean, mean, pass_at_k, wilson};

/// Failing samples that the table lists.
const LISTED: usize = 10;
/// Characters that the table shows of a test or of a reason.
const SHOWN_CHARS: usize = 160;
/// The values of k for which pass@k is computed, if every task has at least that many samples.
const KS: [usize; 3] = [1, 10, 100];
/// Seed of the bootstrap over tasks, the same in every run.
const SEED: u64 = 0;

/// All results of the command.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    benchmark: &'static str,
    data_sha256: String,
    /// Tasks of the benchmark.
    tasks: usize,
    /// Tasks with a sample, over which pass@k is the mean.
    tasks_sampled: usize,
    /// The format of the samples.
    format: &'static str,
    /// Entries of the file that are no program as expected, by what they are; omitted without any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    odd: BTreeMap<&'static str, usize>,
    python: String,
    sandbox: String,
    /// Whether tests run in the program's own process, where a hostile program can forge its verdict.
    forgeable: bool,
    samples: Vec<SampleScore>,
    pass_at_k: PassAtK,
    /// The samples that these are compared with; omitted without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Box<Document>>,
    /// These samples less those of `against`, by task; omitted with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    paired: Option<OutsideComparison>,
    /// Samples that do not parse and contain a Markdown fence.
    #[serde(skip)]
    fenced: usize,
}

/// The score of a sample, in the order of the file.
#[derive(Debug, Serialize)]
struct SampleScore {
    task_id: String,
    sample: u32,
    /// Null if the sample could not be scored.
    base: Option<Verdict>,
    /// Null if the sample could not be scored, or the benchmark has no extra tests.
    plus: Option<Verdict>,
    /// Indices of the base tests that did not pass, from 0.
    base_failed: Vec<usize>,
    plus_failed: Vec<usize>,
    base_tests: usize,
    plus_tests: usize,
    cpu_s: f64,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unscored: Option<String>,
    /// The text of the first test that did not pass, if its tests have texts.
    #[serde(skip)]
    first_failed: Option<String>,
}

#[derive(Debug, Serialize)]
struct PassAtK {
    base: BTreeMap<String, Rate>,
    /// Null if the benchmark has no extra tests. A sample passes them only if it passes the base tests, too.
    plus: Option<BTreeMap<String, Rate>>,
}

/// A rate over tasks.
#[derive(Debug, Serialize)]
struct Rate {
    estimate: f64,
    /// 95 %: Wilson's if every task has one sample, else a bootstrap over tasks.
    #[serde(flatten)]
    interval: Option<Interval>,
}

/// One of a sample's two verdicts.
type VerdictOf = fn(&SampleScore) -> Option<Verdict>;

impl Document {
    /// Combines the samples of `read` with their `scores`, which have the same order.
    pub(crate) fn new(
        set: &TaskSet,
        read: &Samples,
        scores: &[Score],
        python: &str,
        sandbox: &str,
        phase: &ScoringPhase,
    ) -> Self {
        let samples = &read.samples;
        let rates = |suite: fn(&Score) -> Option<&SuiteResult>| {
            let mut by_task: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
            for (sample, score) in samples.iter().zip(scores) {
                // A sample of a task without tests neither passes nor fails.
                if let Some(suite) = suite(score).filter(|suite| suite.tests > 0) {
                    let (n, passed) = by_task.entry(sample.task).or_default();
                    *n += 1;
                    *passed += usize::from(suite.verdict == Verdict::Passed);
                }
            }
            rates(&by_task.into_values().collect::<Vec<_>>())
        };
        let mut sampled: Vec<usize> = samples.iter().map(|sample| sample.task).collect();
        sampled.sort_unstable();
        sampled.dedup();
        let has_plus = scores.iter().any(|score| score.plus.is_some());
        Self {
            benchmark: set.benchmark,
            data_sha256: set.data_sha256.clone(),
            tasks: set.tasks.len(),
            tasks_sampled: sampled.len(),
            format: read.format.name(),
            odd: read.odd.clone(),
            python: python.to_owned(),
            sandbox: sandbox.to_owned(),
            forgeable: set.tasks.iter().any(slm_benchmarks::Task::is_forgeable),
            samples: samples
                .iter()
                .zip(scores)
                .map(|(sample, score)| {
                    let tests = set.tasks[sample.task].hidden().open(phase);
                    SampleScore::new(sample, score, tests)
                })
                .collect(),
            fenced: samples
                .iter()
                .zip(scores)
                .filter(|(sample, score)| {
                    let base = score.base.as_ref();
                    base.is_some_and(|suite| suite.verdict == Verdict::Unparsable)
                        && has_fence(&sample.program)
                })
                .count(),
            pass_at_k: PassAtK {
                base: rates(|score| score.base.as_ref()),
                plus: has_plus.then(|| rates(|score| score.plus.as_ref())),
            },
            against: None,
            paired: None,
        }
    }

    /// Adds the samples that these are compared with, and the comparison.
    pub(crate) fn compared(self, against: Self, paired: OutsideComparison) -> Self {
        Self {
            against: Some(Box::new(against)),
            paired: Some(paired),
            ..self
        }
    }

    /// Returns the numbers of tasks without a sample and of all tasks, and the same of the samples that these are
    /// compared with, where some have none.
    pub(crate) fn missing_tasks(&self) -> Vec<(usize, usize)> {
        std::iter::once(self)
            .chain(self.against.as_deref())
            .map(|of| (of.tasks - of.tasks_sampled, of.tasks))
            .filter(|(missing, _)| *missing > 0)
            .collect()
    }

    /// Returns the number of samples without a score.
    pub(crate) fn n_unscored(&self) -> usize {
        self.all_samples()
            .filter(|sample| sample.unscored.is_some())
            .count()
    }

    /// Returns the samples, and those that they are compared with.
    fn all_samples(&self) -> impl Iterator<Item = &SampleScore> {
        let against = self.against.iter().flat_map(|against| &against.samples);
        self.samples.iter().chain(against)
    }

    fn n_scored(&self) -> usize {
        let scored = |sample: &&SampleScore| sample.unscored.is_none();
        self.samples.iter().filter(scored).count()
    }

    /// Renders the document as text for a terminal.
    pub(crate) fn table(&self) -> String {
        let mut lines = vec![format!(
            "{}: {} of {} over {} of {} tasks (data {}, python {}, sandbox {})",
            self.benchmark,
            counted(self.n_scored(), "sample"),
            self.samples.len(),
            self.tasks_sampled,
            self.tasks,
            &self.data_sha256[..12],
            self.python,
            self.sandbox
        )];
        if self.forgeable {
            lines.push(
                "the tests share the program's process: a hostile program can forge them"
                    .to_owned(),
            );
        }
        let suites: [(&str, VerdictOf, _); 2] = [
            ("base", |sample| sample.base, Some(&self.pass_at_k.base)),
            ("plus", |sample| sample.plus, self.pass_at_k.plus.as_ref()),
        ];
        for (name, verdict, rates) in suites {
            let Some(rates) = rates else {
                continue;
            };
            let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
            for verdict in self.samples.iter().filter_map(verdict) {
                *counts.entry(verdict).or_default() += 1;
            }
            let counts: Vec<String> = counts
                .iter()
                .map(|(verdict, n)| format!("{n} {verdict}"))
                .collect();
            // A single suite needs no name.
            let (label, margin) = match &self.pass_at_k.plus {
                Some(_) => (format!("{name}  "), "      "),
                None => (String::new(), "  "),
            };
            lines.push(format!("{label}{}", counts.join(", ")));
            for (k, rate) in rates {
                let interval = rate.interval.map_or_else(String::new, |interval| {
                    format!(
                        "  [{:.1}, {:.1}]",
                        100.0 * interval.low,
                        100.0 * interval.high
                    )
                });
                lines.push(format!(
                    "{margin}{k:8} {:5.1} %{interval}",
                    100.0 * rate.estimate
                ));
            }
        }
        lines.extend(self.failing());
        if let Some((against, paired)) = self.against.as_ref().zip(self.paired.as_ref()) {
            lines.push(format!("\nagainst:\n{}", against.table()));
            lines.push(format!("\n{}", paired.markdown()));
        }
        lines.join("\n")
    }

    /// Lists the first samples that do not pass, each with its first failing test, and the number of the others.
    fn failing(&self) -> Vec<String> {
        let failing: Vec<&SampleScore> = self
            .samples
            .iter()
            .filter(|sample| {
                let verdicts = [sample.base, sample.plus];
                let is_failure = |v: Verdict| !matches!(v, Verdict::Passed | Verdict::Untested);
                verdicts.into_iter().flatten().any(is_failure)
            })
            .collect();
        let listed = failing.iter().take(LISTED).map(|sample| sample.line());
        let mut lines: Vec<String> = listed.collect();
        if !lines.is_empty() {
            lines.insert(
                0,
                "not passed, each with its first failing test:".to_owned(),
            );
        }
        if failing.len() > LISTED {
            let more = counted(failing.len() - LISTED, "more sample");
            lines.push(format!("  and {more} (--json lists all)"));
        }
        lines
    }

    /// Returns a hint for answers that contain Markdown, if there are some.
    pub(crate) fn hint(&self) -> Option<String> {
        (self.fenced > 0).then(|| {
            format!(
                "hint: {} of {} contain a Markdown fence and do not parse; --extract takes the program out of each answer",
                self.fenced,
                counted(self.samples.len(), "sample")
            )
        })
    }

    /// Returns the reasons why samples have no score, each with its number of samples.
    pub(crate) fn reasons_unscored(&self) -> BTreeMap<&str, usize> {
        let mut reasons = BTreeMap::new();
        for reason in self
            .all_samples()
            .filter_map(|sample| sample.unscored.as_deref())
        {
            *reasons.entry(reason).or_default() += 1;
        }
        reasons
    }
}

impl SampleScore {
    fn new(sample: &Sample, score: &Score, tests: &Tests) -> Self {
        let failed = |suite: &Option<SuiteResult>| {
            suite.as_ref().map_or_else(Vec::new, |s| s.failed.clone())
        };
        let n_tests = |suite: &Option<SuiteResult>| suite.as_ref().map_or(0, |suite| suite.tests);
        let suites = || [&score.base, &score.plus].into_iter().flatten();
        let detail = suites()
            .map(|suite| suite.detail.as_str())
            .find(|text| !text.is_empty());
        Self {
            task_id: sample.task_id.clone(),
            sample: sample.number,
            base: score.base.as_ref().map(|suite| suite.verdict),
            plus: score.plus.as_ref().map(|suite| suite.verdict),
            base_failed: failed(&score.base),
            plus_failed: failed(&score.plus),
            base_tests: n_tests(&score.base),
            plus_tests: n_tests(&score.plus),
            cpu_s: suites().map(|suite| suite.cpu_s).sum(),
            detail: detail.unwrap_or_default().to_owned(),
            unscored: score.unscored.clone(),
            first_failed: first_failed(score, tests),
        }
    }

    /// Renders the sample as a line of a list.
    fn line(&self) -> String {
        let base = self.base.filter(|base| *base != Verdict::Passed);
        let (suite, verdict) = match (base, self.plus) {
            (Some(verdict), Some(_)) => ("base ", verdict),
            (Some(verdict), None) => ("", verdict),
            (None, plus) => ("plus ", plus.unwrap_or(Verdict::Passed)),
        };
        let number = match self.sample {
            0 => String::new(),
            n => format!(" (sample {n})"),
        };
        let test = self.first_failed.as_deref().map(one_line);
        let detail = one_line(&self.detail);
        let parts: Vec<String> = test
            .filter(|test| !detail.contains(test.trim_end_matches('…')))
            .into_iter()
            .chain(Some(detail))
            .filter(|part| !part.is_empty())
            .collect();
        format!(
            "  {}{number}  {suite}{verdict}  {}",
            self.task_id,
            parts.join("  ")
        )
        .trim_end()
        .to_owned()
    }
}

/// Returns the first test of a task that a program did not pass, if the tests have texts.
fn first_failed(score: &Score, tests: &Tests) -> Option<String> {
    let suite = score.base.as_ref()?;
    // A program that was not run has not failed any test.
    let ran = !matches!(suite.verdict, Verdict::Unparsable | Verdict::Empty);
    let first = *suite.failed.first().filter(|_| ran)?;
    match tests {
        Tests::Asserts(asserts) => asserts.tests.get(first).cloned(),
        Tests::Unittest(unittest) => {
            let (class, method) = unittest.methods.get(first)?;
            Some(format!("{class}.{method}"))
        }
        // Their details name the call, or the output.
        Tests::Repository(repository) => Some(repository.tests.get(first)?.id.clone()),
        Tests::Calls(_) | Tests::Streams(_) | Tests::Measured => None,
    }
}

/// Returns the beginning of a text, on one line.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether a line of a text is a Markdown fence.
fn has_fence(text: &str) -> bool {
    text.contains("```")
        || text
            .lines()
            .any(|line| line.trim_start().starts_with("~~~"))
}

/// Computes pass@k from each task's numbers of samples and of passed samples.
fn rates(tasks: &[(usize, usize)]) -> BTreeMap<String, Rate> {
    let fewest = tasks.iter().map(|(n, _)| *n).min().unwrap_or(0);
    let mut rates = BTreeMap::new();
    for k in KS.into_iter().filter(|k| *k <= fewest) {
        let values: Vec<f64> = tasks
            .iter()
            .filter_map(|(n, passed)| pass_at_k(*n, *passed, k))
            .collect();
        let Some(estimate) = mean(&values) else {
            continue;
        };
        let interval = if tasks.iter().all(|(n, _)| *n == 1) {
            wilson(tasks.iter().map(|(_, passed)| passed).sum(), tasks.len())
        } else {
            bootstrap_mean(&values, SEED)
                .map(|bootstrap| bootstrap.bca)
                .ok()
        };
        rates.insert(format!("pass@{k}"), Rate { estimate, interval });
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_a_task_has_wilsons_interval_and_several_a_bootstrap() {
        let single = rates(&[(1, 1), (1, 0), (1, 0), (1, 1)]);
        assert_eq!(single.keys().collect::<Vec<_>>(), ["pass@1"]);
        let interval = single["pass@1"].interval.expect("an interval");
        let expected = wilson(2, 4).expect("trials");
        assert_eq!((interval.low, interval.high), (expected.low, expected.high));

        let several = rates(&[(10, 5), (12, 0)]);
        assert_eq!(several.keys().collect::<Vec<_>>(), ["pass@1", "pass@10"]);
        assert!((several["pass@1"].estimate - 0.25).abs() < 1e-12);
        assert!((several["pass@10"].estimate - 0.5).abs() < 1e-12);
    }

    #[test]
    fn without_a_scored_sample_there_is_no_rate() {
        assert!(rates(&[]).is_empty());
    }
}
