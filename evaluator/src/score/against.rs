//! Compares the samples of two files, task by task, with the statistics of a run's report.

use slm_artifacts::Verdict;
use slm_benchmarks::TaskSet;
use slm_report::{OutsideAnswer, OutsideAnswers, OutsideComparison, ProgramMetrics};
use slm_scoring::{Sample, Score};

/// The name of a file, its samples, and their scores in the same order.
type Side<'a> = (&'a str, &'a [Sample], &'a [Score]);

/// Compares the samples of `other` with those of `base`. Samples without a score are in no pair.
pub(super) fn compare(set: &TaskSet, base: Side<'_>, other: Side<'_>) -> OutsideComparison {
    let (of_base, of_other) = (answers(set, base), answers(set, other));
    OutsideComparison::new(
        set.benchmark,
        OutsideAnswers {
            name: base.0,
            answers: &of_base,
        },
        OutsideAnswers {
            name: other.0,
            answers: &of_other,
        },
    )
}

fn answers(set: &TaskSet, (_, samples, scores): Side<'_>) -> Vec<OutsideAnswer> {
    let scored = samples.iter().zip(scores);
    scored
        .filter_map(|(sample, score)| {
            let total = score.total()?;
            let view = set.tasks[sample.task].view();
            let is_program = !matches!(total.verdict, Verdict::Unparsable | Verdict::Empty);
            let metrics = is_program
                .then(|| ProgramMetrics::measure(&sample.program, &view.prompt))
                .flatten();
            Some(OutsideAnswer {
                task_id: view.task_id.clone(),
                sample: sample.number,
                program: sample.program.clone(),
                metrics,
                verdict: total.verdict,
                tests_passed: total.passed,
                tests_total: total.tests,
            })
        })
        .collect()
}
