//! Two sets of answers that were made elsewhere, compared task by task with the statistics of a run's report.
//!
//! Of such answers only the programs are known. Whether both sets come from the same prompts, budget and sampling is the
//! caller's knowledge, and the table states that it was not checked; no hypothesis is concluded.

use serde::Serialize;
use slm_artifacts::{BASE_ARM, FinishReason, StopReason, Verdict};

use crate::cell::Decoding;
use crate::code_metric::ProgramMetrics;
use crate::markdown;
use crate::paired::{NamedRecords, Paired, PairedPage, compared};
use crate::record::{RECORD_VERSION, SampleRecord};
use crate::sample_metric::{COMPLETION_TOKENS, SampleMetric};
use crate::spending::Spending;

/// Seed of resampling and permutations, the same in every comparison.
const SEED: u64 = 1;

/// An answer that was made elsewhere, as scored here.
#[derive(Debug, Clone, PartialEq)]
pub struct OutsideAnswer {
    /// The task's id in the benchmark.
    pub task_id: String,
    /// Number of earlier answers to the same task.
    pub sample: u32,
    /// The program.
    pub program: String,
    /// Its metrics; `None` if it does not parse or is empty.
    pub metrics: Option<ProgramMetrics>,
    /// The outcome of the hidden tests.
    pub verdict: Verdict,
    /// Hidden tests that passed.
    pub tests_passed: usize,
    /// Hidden tests of the task.
    pub tests_total: usize,
}

impl OutsideAnswer {
    /// Returns the answer as a record, of which a contrast reads only what is known.
    fn record(&self, arm: &str, benchmark: &str) -> SampleRecord {
        SampleRecord {
            version: RECORD_VERSION,
            arm: arm.to_owned(),
            workflow: "single".to_owned(),
            decoding: Decoding {
                temperature: 0.0,
                top_p: 1.0,
            },
            benchmark: benchmark.to_owned(),
            task_id: self.task_id.clone(),
            sample: self.sample,
            seed: 0,
            prompt_tokens: 0,
            completion_tokens: 0,
            calls: 0,
            executions: 0,
            lookups: 0,
            masked: 0,
            recall: None,
            copied: None,
            sketch_kept: None,
            rounds: 0,
            attempts: None,
            tokens_to_program: None,
            seconds_to_program: None,
            stop: StopReason::Finished,
            phase: None,
            phases: Vec::new(),
            complete: None,
            routed_to: None,
            format_failures: 0,
            unspent: Spending::default(),
            finish_reason: FinishReason::Stop,
            generation_s: 0.0,
            reused_s: 0.0,
            retries: 0,
            tokens_estimated: false,
            completion: self.program.clone(),
            program: self.program.clone(),
            parsable: self.metrics.is_some() || self.verdict == Verdict::Empty,
            metrics: self.metrics,
            verdict: self.verdict,
            tests_passed: self.tests_passed,
            tests_total: self.tests_total,
            executable: None,
            detail: None,
            cpu_s: 0.0,
            same_signature: None,
            similarity: None,
            reference_loss: None,
            bleu: None,
            line_use: None,
        }
    }
}

/// The answers of one side.
#[derive(Debug, Clone, Copy)]
pub struct OutsideAnswers<'a> {
    /// Its name, usually the file.
    pub name: &'a str,
    /// Its answers; those without a score are left out.
    pub answers: &'a [OutsideAnswer],
}

/// The paired comparison of two sets of answers.
#[derive(Debug, Serialize)]
pub struct OutsideComparison {
    /// Always true: no model of this toolkit made these answers.
    made_elsewhere: bool,
    benchmark: String,
    #[serde(flatten)]
    found: Paired,
}

impl OutsideComparison {
    /// Compares `other` with `base`. Pairs are tasks for which both sides have a value, the mean over a task's answers.
    pub fn new(benchmark: &str, base: OutsideAnswers<'_>, other: OutsideAnswers<'_>) -> Self {
        let records = |of: OutsideAnswers<'_>, arm: &str| -> Vec<SampleRecord> {
            let answers = of.answers.iter();
            answers
                .map(|answer| answer.record(arm, benchmark))
                .collect()
        };
        let (of_base, of_other) = (records(base, BASE_ARM), records(other, "other"));
        let [of_base, of_other] =
            [&of_base, &of_other].map(|records| records.iter().collect::<Vec<_>>());
        Self {
            made_elsewhere: true,
            benchmark: benchmark.to_owned(),
            found: Paired::new(
                &known(),
                NamedRecords {
                    name: base.name,
                    records: &of_base,
                },
                NamedRecords {
                    name: other.name,
                    records: &of_other,
                },
                SEED,
            ),
        }
    }

    /// Renders the comparison as Markdown.
    pub fn markdown(&self) -> String {
        markdown::render(
            &TEMPLATES,
            &Page {
                benchmark: &self.benchmark,
                page: self.found.page(&known()),
            },
        )
    }
}

const TEMPLATES: [(&str, &str); 3] = [
    (
        "answers_elsewhere",
        include_str!("templates/answers_elsewhere.md.jinja"),
    ),
    ("paired", include_str!("templates/paired.md.jinja")),
    ("phrases", include_str!("templates/phrases.md.jinja")),
];

/// The context of the template.
#[derive(Serialize)]
struct Page<'a> {
    benchmark: &'a str,
    page: PairedPage<'a>,
}

/// The metrics that are known of such answers: those of a report's paired differences, without tokens.
fn known() -> Vec<SampleMetric> {
    let mut metrics = compared();
    metrics.retain(|metric| metric.key != COMPLETION_TOKENS.key);
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(task: usize, program: &str, passes: bool) -> OutsideAnswer {
        OutsideAnswer {
            task_id: format!("t/{task}"),
            sample: 0,
            program: program.to_owned(),
            metrics: ProgramMetrics::measure(program, ""),
            verdict: if passes {
                Verdict::Passed
            } else {
                Verdict::Failed
            },
            tests_passed: if passes { 2 } else { 1 },
            tests_total: 2,
        }
    }

    const PLAIN: &str = "def f(x):\n    return x + 1\n";
    const BRANCHED: &str = "def f(x):\n    if x > 0:\n        return x + 1\n    return 1 + x\n";

    /// Ten tasks: both solve three, the other side four more, and the base model one more.
    fn sides() -> (Vec<OutsideAnswer>, Vec<OutsideAnswer>) {
        let base = (0..10).map(|task| answer(task, BRANCHED, task < 3 || task == 9));
        let other = (0..11).map(|task| answer(task, PLAIN, task < 7));
        (base.collect(), other.collect())
    }

    fn compare(base: &[OutsideAnswer], other: &[OutsideAnswer]) -> OutsideComparison {
        let side = |name, answers| OutsideAnswers { name, answers };
        OutsideComparison::new(
            "humaneval",
            side("base.jsonl", base),
            side("tuned.jsonl", other),
        )
    }

    #[test]
    fn the_differences_are_those_of_the_tasks_that_both_answered() {
        let (base, other) = sides();
        let found = compare(&base, &other);
        assert_eq!(
            (
                found.found.tasks,
                found.found.base.alone,
                found.found.other.alone
            ),
            (10, 0, 1)
        );
        let of = |key: &str| {
            let mut contrasts = found.found.contrasts.iter();
            contrasts.find(|of| of.metric == key).expect("a contrast")
        };
        let rate = of("pass_rate");
        assert_eq!((rate.n, rate.differing), (10, 5));
        // 7 of 10 less 4 of 10.
        assert!((rate.difference.expect("pairs") - 0.3).abs() < 1e-12);
        assert_eq!(
            (
                found.found.solved.both,
                found.found.solved.reference_only,
                found.found.solved.other_only
            ),
            (3, 1, 4)
        );
        // Twice the tail of a binomial: 2 (C(5,0) + C(5,1)) / 2^5.
        let p = found.found.solved.mcnemar_p.expect("discordant tasks");
        assert!((p - 0.375).abs() < 1e-12, "{p}");
        let cc = of("cyclomatic_complexity");
        assert!((cc.difference.expect("pairs") + 1.0).abs() < 1e-12);
        let solved = of("cyclomatic_complexity_of_solved");
        assert_eq!(solved.n, 3);
        assert_eq!(found.found.same_text.same, 0);
    }

    #[test]
    fn the_table_states_where_the_answers_come_from_and_what_is_missing() {
        let (base, other) = sides();
        let text = compare(&base, &other).markdown();
        for part in [
            "## humaneval: answers made elsewhere",
            "`tuned.jsonl` less `base.jsonl`, by task: 10 tasks that both answered (11 and 10 answers)",
            "1 of the 11 tasks of `tuned.jsonl` have no answer on the other side",
            "| Pass rate (%) | 10 | 5 | 40.0 | 70.0 | +30.0 |",
            "Of 10 tasks both solve 3, base alone 1, other alone 4 (exact McNemar p = 0.375).",
            "Fewer than 6 tasks differ, too few for a conclusion, in: Pass rate (%)",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("Completion tokens"), "{text}");
    }

    #[test]
    fn equal_sets_have_no_difference_and_no_p_value_below_one() {
        let (base, _) = sides();
        let found = compare(&base, &base);
        assert_eq!(
            (found.found.same_text.same, found.found.same_text.of),
            (10, 10)
        );
        for contrast in &found.found.contrasts {
            assert!(
                contrast.difference.unwrap_or(0.0).abs() < 1e-12,
                "{}",
                contrast.metric
            );
            assert!(contrast.sign_flip_p.is_none_or(|p| p >= 1.0));
        }
        let nothing = compare(&[], &base);
        assert_eq!((nothing.found.tasks, nothing.found.other.alone), (0, 10));
        assert!(nothing.markdown().contains("Of 0 tasks"));
    }
}
