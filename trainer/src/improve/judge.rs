//! What the records of a run show about a model.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use slm_report::{SampleRecord, answers_sha256};
use slm_statistics::{Interval, bootstrap_mean, mean, pass_at_k, wilson};

use super::stop::Judged;

/// The file of a run's answers.
const RECORDS: &str = "records.jsonl";

/// Finds the folder of the one run below `reports`.
///
/// # Errors
/// There is none, or more than one.
pub(super) fn run_below(reports: &Path) -> Result<PathBuf> {
    let entries =
        fs::read_dir(reports).with_context(|| format!("cannot read {}", reports.display()))?;
    let mut runs: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join(RECORDS).is_file())
        .collect();
    match (runs.pop(), runs.len()) {
        (Some(run), 0) => Ok(run),
        (None, _) => bail!("{}: holds no run with answers", reports.display()),
        (Some(_), others) => bail!(
            "{}: holds {} runs, expected one\nhint: move the folders of other runs away",
            reports.display(),
            others + 1
        ),
    }
}

/// Reads the answers of the run below `reports`.
///
/// # Errors
/// There is no such run, or a line of it cannot be read.
pub(super) fn read(reports: &Path) -> Result<Vec<SampleRecord>> {
    let path = run_below(reports)?.join(RECORDS);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().enumerate();
    lines
        .map(|(index, line)| {
            let record: SampleRecord = serde_json::from_str(line)
                .with_context(|| format!("{}:{}: not an answer", path.display(), index + 1))?;
            Ok(record.upgraded())
        })
        .collect()
}

/// Returns the hash of the answers of the run below `reports`, which does not depend on times.
///
/// # Errors
/// As [`read`].
pub(super) fn hash(reports: &Path) -> Result<String> {
    Ok(answers_sha256(&read(reports)?)?)
}

/// Returns the tasks that some answer solves.
pub(super) fn solved(records: &[SampleRecord]) -> BTreeSet<String> {
    let passed = records.iter().filter(|record| record.passed());
    passed.map(|record| record.task_id.clone()).collect()
}

/// A model's answers to the dev tasks.
#[derive(Clone, Debug)]
pub(super) struct Judgement {
    /// Whether the greedy answer to each task passes.
    greedy: BTreeMap<String, bool>,
    /// The figures of the report.
    pub(super) figures: Figures,
}

/// Figures of a model on the dev tasks. Rates are in percent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    /// Dev tasks.
    pub(super) tasks: usize,
    /// Answers that could not be scored, which count as not passed.
    pub(super) unscored: usize,
    /// Share of the tasks whose greedy answer passes.
    pub(super) pass_1: f64,
    /// Its 95 % interval (Wilson), in percent.
    pub(super) pass_1_interval: Option<Interval>,
    /// Chance that one sampled answer passes.
    pub(super) sampled_pass_1: f64,
    /// Chance that one of `k_small` sampled answers passes.
    pub(super) pass_k_small: f64,
    /// Chance that one of `k_large` sampled answers passes.
    pub(super) pass_k_large: f64,
    /// Mean maintainability index of the code of programs that pass.
    pub(super) mi_code: Option<f64>,
    /// Mean cognitive complexity of programs that pass.
    pub(super) cognitive_complexity: Option<f64>,
    /// Mean characters of the sampled programs.
    pub(super) characters: Option<f64>,
    /// Mean logical lines of the sampled programs, without comments and docstrings.
    pub(super) lloc: Option<f64>,
}

/// A difference of rates over the same tasks, in points.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Paired {
    /// The mean difference.
    pub(super) points: f64,
    /// Its 95 % interval (BCa bootstrap over tasks); `None` if no task differs.
    pub(super) interval: Option<Interval>,
}

/// The numbers of answers for which pass@k is shown.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Ks {
    /// A quarter of the answers, at least two.
    pub(super) small: usize,
    /// All answers.
    pub(super) large: usize,
}

impl Ks {
    /// Chooses the numbers for `judge_samples` answers.
    pub(super) fn of(judge_samples: usize) -> Self {
        Self {
            small: (judge_samples / 4).max(2),
            large: judge_samples,
        }
    }
}

impl Judgement {
    /// Computes the figures of the answers below `reports` to the `tasks`, of which each has one greedy answer and
    /// `ks.large` sampled ones. A missing answer could not be scored, and counts as not passed: all models are compared
    /// on the same tasks and numbers of answers.
    ///
    /// # Errors
    /// As [`read`]; or no greedy answer was tested.
    pub(super) fn read(reports: &Path, ks: Ks, tasks: &[&str]) -> Result<Self> {
        let records = read(reports)?;
        Self::of(&records, ks, tasks).with_context(|| {
            format!(
                "{}: no answer at temperature 0 was tested, so that rounds cannot be compared",
                reports.display()
            )
        })
    }

    fn of(records: &[SampleRecord], ks: Ks, tasks: &[&str]) -> Option<Self> {
        let (greedy, sampled): (Vec<&SampleRecord>, Vec<&SampleRecord>) = records
            .iter()
            .partition(|record| record.decoding.is_greedy());
        if greedy.is_empty() {
            return None;
        }
        let passed: BTreeSet<&str> = greedy
            .iter()
            .filter(|record| record.passed())
            .map(|record| record.task_id.as_str())
            .collect();
        let scored = greedy.len() + sampled.len();
        let greedy: BTreeMap<String, bool> = tasks
            .iter()
            .map(|task| ((*task).to_owned(), passed.contains(task)))
            .collect();
        let passes = greedy.values().filter(|passes| **passes).count();
        let rates: Vec<f64> = greedy.values().map(|passes| percent(*passes)).collect();
        let mut passes_of: BTreeMap<&str, usize> = tasks.iter().map(|task| (*task, 0)).collect();
        for record in sampled.iter().filter(|record| record.passed()) {
            *passes_of.entry(&record.task_id).or_default() += 1;
        }
        let pass_at = |k: usize| {
            let passes = passes_of.values();
            let rates: Option<Vec<f64>> = passes
                .map(|&passed| pass_at_k(ks.large, passed.min(ks.large), k))
                .collect();
            Some(100.0 * mean(&rates?)?)
        };
        let passing = |value: fn(&slm_report::ProgramMetrics) -> Option<f64>| {
            let programs = records.iter().filter(|record| record.passed());
            let values: Vec<f64> = programs
                .filter_map(|record| value(record.metrics.as_ref()?))
                .collect();
            mean(&values)
        };
        let characters: Vec<f64> = sampled
            .iter()
            .map(|record| record.program.chars().count() as f64)
            .collect();
        let lines: Vec<f64> = sampled
            .iter()
            .filter_map(|record| Some(record.metrics.as_ref()?.lloc_code? as f64))
            .collect();
        Some(Self {
            figures: Figures {
                tasks: greedy.len(),
                unscored: (tasks.len() * (1 + ks.large)).saturating_sub(scored),
                pass_1: mean(&rates)?,
                pass_1_interval: wilson(passes, greedy.len()).map(in_percent),
                sampled_pass_1: pass_at(1)?,
                pass_k_small: pass_at(ks.small)?,
                pass_k_large: pass_at(ks.large)?,
                mi_code: passing(|metrics| Some(metrics.mi_code)),
                cognitive_complexity: passing(|metrics| Some(metrics.cognitive_complexity? as f64)),
                characters: mean(&characters),
                lloc: mean(&lines),
            },
            greedy,
        })
    }

    /// Returns the numbers that the rules for the end of a run use.
    pub(super) fn judged(&self) -> Judged {
        Judged {
            pass_1: self.figures.pass_1,
            pass_k: self.figures.pass_k_large,
            characters: self.figures.characters,
        }
    }

    /// Returns by how much pass@1 differs from `base` on the tasks that both answered; `None` without such tasks.
    pub(super) fn difference(&self, base: &Self, seed: u64) -> Option<Paired> {
        let pairs = self.greedy.iter().filter_map(|(task, passes)| {
            let base = base.greedy.get(task)?;
            Some(percent(*passes) - percent(*base))
        });
        let differences: Vec<f64> = pairs.collect();
        Some(Paired {
            points: mean(&differences)?,
            interval: bootstrap_mean(&differences, seed)
                .ok()
                .map(|found| found.bca),
        })
    }
}

fn percent(passes: bool) -> f64 {
    if passes { 100.0 } else { 0.0 }
}

fn in_percent(share: Interval) -> Interval {
    Interval {
        low: 100.0 * share.low,
        high: 100.0 * share.high,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(task: &str, sample: u32, temperature: f64, passes: bool) -> SampleRecord {
        let verdict = if passes { "passed" } else { "failed" };
        let spending = json!({"completion_tokens": 1, "calls": 1, "executions": 1});
        let record = json!({
            "version": slm_report::RECORD_VERSION, "arm": "base", "workflow": "single",
            "decoding": {"temperature": temperature, "top_p": 1.0}, "benchmark": "mbpp", "task_id": task,
            "sample": sample, "seed": 1, "prompt_tokens": 1, "completion_tokens": 1, "calls": 1, "executions": 0,
            "rounds": 0, "stop": "finished", "format_failures": 0, "unspent": spending, "finish_reason": "stop",
            "generation_s": 1.0, "completion": "", "program": "x = 1", "parsable": true, "metrics": null,
            "verdict": verdict, "tests_passed": usize::from(passes), "tests_total": 1, "detail": null, "cpu_s": 0.1,
        });
        serde_json::from_value(record).expect("a record")
    }

    #[test]
    fn rates_are_over_tasks_and_pass_at_k_over_samples() {
        let mut records = vec![record("a", 0, 0.0, true), record("b", 0, 0.0, false)];
        for sample in 0..4 {
            records.push(record("a", sample, 0.8, sample < 2));
            records.push(record("b", sample, 0.8, false));
        }
        let ks = Ks { small: 2, large: 4 };
        let of = |records: &[SampleRecord]| Judgement::of(records, ks, &["a", "b"]);
        let found = of(&records).expect("answers").figures;
        let close = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-9, "{found}");
        };
        close(found.pass_1, 50.0);
        close(found.sampled_pass_1, 25.0);
        // 1 - C(2, 2) / C(4, 2) = 5/6 for the first task, 0 for the second.
        close(found.pass_k_small, 100.0 * 5.0 / 12.0);
        close(found.pass_k_large, 50.0);
        assert_eq!((found.characters, found.unscored), (Some(5.0), 0));
        assert_eq!(solved(&records), BTreeSet::from(["a".to_owned()]));
    }

    #[test]
    fn an_answer_that_could_not_be_scored_counts_as_not_passed() {
        let ks = Ks { small: 2, large: 4 };
        let of =
            |records: &[SampleRecord]| Judgement::of(records, ks, &["a", "b"]).expect("answers");
        let mut records = vec![record("a", 0, 0.0, true), record("b", 0, 0.0, true)];
        for sample in 0..4 {
            records.push(record("a", sample, 0.8, true));
            records.push(record("b", sample, 0.8, sample == 0));
        }
        let (whole, is_same) = (of(&records), |a: f64, b: f64| (a - b).abs() < 1e-9);
        assert!(is_same(whole.judged().pass_k, 100.0));
        // Sample 0 of the second task, whose greedy answer is not scored either; and one sample of the first.
        records.retain(|record| record.task_id == "a" || record.sample > 0);
        records.retain(|record| record.task_id == "b" || record.sample != 3);
        let found = of(&records);
        assert!(is_same(found.judged().pass_k, 50.0), "{found:?}");
        assert!(is_same(found.judged().pass_1, 50.0), "{found:?}");
        assert!(is_same(found.figures.sampled_pass_1, 37.5), "{found:?}");
        assert_eq!((found.figures.tasks, found.figures.unscored), (2, 3));
        let difference = found.difference(&whole, 1).expect("tasks");
        assert!(is_same(difference.points, -50.0), "{difference:?}");
        // With an unscored sample of each task, pass@k is still a rate of samples.
        records.retain(|record| record.sample != 1);
        assert!(is_same(of(&records).judged().pass_k, 50.0));
    }

    #[test]
    fn a_difference_is_over_the_tasks_that_both_answered() {
        let of = |passes: &[(&str, bool)]| {
            let records: Vec<_> = passes
                .iter()
                .map(|(task, passes)| record(task, 0, 0.0, *passes))
                .collect();
            let tasks: Vec<&str> = passes.iter().map(|(task, _)| *task).collect();
            Judgement::of(&records, Ks::of(16), &tasks).expect("answers")
        };
        let base = of(&[("a", false), ("b", true), ("c", false)]);
        let round = of(&[("a", true), ("b", true), ("d", true)]);
        let found = round.difference(&base, 1).expect("tasks");
        assert!((found.points - 50.0).abs() < 1e-9, "{found:?}");
        assert!(base.difference(&base, 1).expect("tasks").interval.is_none());
        assert!(Judgement::of(&[], Ks::of(16), &["a"]).is_none());
    }
}
