//! What limits the conclusions, with the numbers of this run.

mod comparison;
mod contamination;

use slm_statistics::{POWER, minimal_detectable_rate_difference};

use super::super::cells::CellSummary;
use super::super::hypotheses::h2::SweepFindings;
use super::super::hypotheses::h3::CollaborationFindings;
use super::super::number::{count, grouped, number, percent};
use super::super::verdict::MIN_PAIRS;
use super::Content;
use super::text::name;
use crate::record::{AdapterInfo, RECORD_VERSION, RunInfo, SampleRecord};
use slm_artifacts::Verdict;

/// Below this many pairs an interval is a rough guide only.
const FEW_PAIRS: usize = 20;

/// A list of threats.
pub(super) fn section(content: &Content) -> String {
    let Content {
        run,
        arms,
        findings,
        cells,
        ..
    } = content;
    let mut points: Vec<String> = Vec::new();
    if let Some(comparison) = &findings.comparison {
        points.extend(comparison::points(comparison, arms, run));
    }
    if let Some(found) = &findings.sweep {
        points.push(of_sweep(found));
    }
    if let Some(found) = &findings.collaboration {
        points.push(of_collaboration(found, run));
    }
    points.extend(unfinished(cells, run));
    points.extend(part_of_a_run(run));
    points.extend(server(run, content.records));
    points.extend(earlier_versions(content.records));
    points.push(decoding(run));
    points.extend(run.adapters.iter().filter_map(small_training));
    points.push(contamination::contamination(run));
    points.push(ended_by_limits(content.records));
    points.push(sandbox(run));
    format!("- {}\n", points.join("\n- "))
}

fn of_sweep(found: &SweepFindings) -> String {
    let tested = found.test.as_ref().map(|test| &test.complexity);
    let solved = tested.map_or(0, |complexity| complexity.n);
    let chosen_on = found.chosen().map_or(0, |point| point.choosing_pairs);
    let has_interval = tested.is_some_and(|complexity| complexity.interval.is_some());
    let few = if has_interval && solved < FEW_PAIRS {
        " With so few the interval itself is a rough guide."
    } else {
        ""
    };
    let detectable = tested
        .filter(|complexity| complexity.differing >= MIN_PAIRS)
        .and_then(|complexity| complexity.minimal_detectable_effect)
        .map_or_else(String::new, |effect| {
            format!(
                " A mean difference of {} is the smallest that such a test detects in {} of cases.",
                number(effect, 2),
                percent(POWER),
            )
        });
    format!(
        "**Few solved tasks.** Complexity is compared on programs that pass: {} of the choosing half decided which point \
         is best, and {solved} of the testing half tested it.{few}{detectable} The result holds for \
         tasks that the model solves, and not for others.",
        count(chosen_on, "task"),
    )
}

fn of_collaboration(found: &CollaborationFindings, run: &RunInfo) -> String {
    let spent: Vec<String> = found
        .workflows
        .iter()
        .filter(|outcomes| outcomes.samples > 0)
        .map(|outcomes| {
            format!(
                "{} {}",
                name(&outcomes.workflow),
                number(outcomes.completion_tokens, 0)
            )
        })
        .collect();
    let detectable = found
        .contrasts
        .first()
        .and_then(|contrast| {
            let solved = &contrast.solved;
            let discordant = (solved.reference_only + solved.other_only) as f64;
            minimal_detectable_rate_difference(discordant / solved.tasks.max(1) as f64, solved.tasks)
        })
        .map_or_else(
            || "Too few tasks are solved by one of them alone to say which difference could be detected.".to_owned(),
            |difference| {
                format!(
                    "A difference of {} points is the smallest that a test of so many tasks detects in {} of cases.",
                    number(difference * 100.0, 1),
                    percent(POWER),
                )
            },
        );
    format!(
        "**Equal budgets, unequal spending.** Every workflow may spend {} completion tokens on a sample, and stops when it \
         is done. Spent on average: {}. {detectable}",
        grouped(run.budget.completion_tokens),
        spent.join(", "),
    )
}

fn unfinished(cells: &[CellSummary], run: &RunInfo) -> Option<String> {
    let planned = run.n_answers();
    let found: usize = cells.iter().map(|cell| cell.samples).sum();
    (found < planned).then(|| {
        format!(
            "**Answers missing.** {} of {} planned answers are recorded: the run is unfinished, or answers could not be \
             scored.",
            grouped(found),
            grouped(planned),
        )
    })
}

fn part_of_a_run(run: &RunInfo) -> Option<String> {
    let shard = run.shard.as_ref()?;
    Some(format!(
        "**A part.** Shard {} of {}: verdicts belong to the whole run, which `evaluator report` makes of all shards.",
        shard.index, shard.of
    ))
}

/// What is not in our hands when a server answers.
fn server(run: &RunInfo, records: &[SampleRecord]) -> Option<String> {
    let endpoint = run.endpoint.as_ref()?;
    let retries: usize = records.iter().map(|record| record.retries).sum();
    let estimated = records
        .iter()
        .filter(|record| record.tokens_estimated)
        .count();
    let prompts = endpoint
        .prompts
        .as_ref()
        .map_or_else(String::new, |prompts| {
            format!(" Prompts were sent as {}.", name(prompts))
        });
    Some(format!(
        "**Server.** {} answered.{prompts} Requests were made again {} after a failure, and tokens of {} of {} were \
         counted here because the server did not count them or went on where it should have stopped. A server's answer \
         may depend on what it computes beside, on its kernels and its precision, even where decoding is greedy.",
        name(&endpoint.url),
        count(retries, "time"),
        grouped(estimated),
        count(records.len(), "sample"),
    ))
}

/// Answers that an earlier version of this program took apart and judged.
fn earlier_versions(records: &[SampleRecord]) -> Option<String> {
    let earlier = records
        .iter()
        .filter(|record| record.version < RECORD_VERSION)
        .count();
    (earlier > 0).then(|| {
        format!(
            "**Earlier version.** {} of {} were recorded by an earlier version of this program, by its rules for taking a \
             program out of an answer and for comparing results.",
            grouped(earlier),
            count(records.len(), "answer"),
        )
    })
}

/// Programs that no test failed, but a limit ended.
fn ended_by_limits(records: &[SampleRecord]) -> String {
    let ended = |verdict| {
        records
            .iter()
            .filter(|record| record.verdict == verdict)
            .count()
    };
    format!(
        "**Limits.** Of {}, {} ended in a timeout, {} at the memory limit, {} at the output limit and {} in what the \
         sandbox forbids; all count as failed. A slower machine may turn a pass into a timeout.",
        count(records.len(), "program"),
        ended(Verdict::Timeout),
        ended(Verdict::Memory),
        ended(Verdict::OutputLimit),
        ended(Verdict::Violation),
    )
}

fn decoding(run: &RunInfo) -> String {
    let sampling = &run.sampling;
    let drawn = if sampling.temperature > 0.0 {
        format!(
            "**Sampling.** {} a task at temperature {}; intervals are over tasks and hold for this number of samples.",
            count(sampling.samples_per_task as usize, "sample"),
            number(sampling.temperature, 2),
        )
    } else if run.plan.sweep.is_some() {
        "**One decoding.** Greedy but for H2: how much a result varies under sampling is measured for H2 alone.".to_owned()
    } else {
        "**One decoding.** Greedy: how much answers vary under sampling is not measured.".to_owned()
    };
    if run.adapters.is_empty() {
        return drawn;
    }
    format!("{drawn} One adapter is one training run: another training seed may differ.")
}

fn small_training(adapter: &AdapterInfo) -> Option<String> {
    let training = adapter.training.as_ref()?;
    Some(format!(
        "**Training.** {} was trained for {} on a set of {}; what it learned depends on those examples, so another data set may turn the \
         result around.",
        name(&adapter.name),
        count(training.steps, "step"),
        count(training.examples, "example"),
    ))
}

fn sandbox(run: &RunInfo) -> String {
    let listed = |enforced: bool| {
        let names: Vec<String> = run
            .sandbox
            .properties
            .iter()
            .filter(|property| property.enforced == enforced)
            .map(|property| name(&property.name))
            .collect();
        (names.len(), names.join("; "))
    };
    let ((held_count, held), (open_count, open)) = (listed(true), listed(false));
    let open = if open_count == 0 {
        String::new()
    } else {
        format!(" **Not held against: {open}.**")
    };
    format!(
        "**Tests.** Programs ran on Python {} at sandbox level {}. Of {}, tried before the run, it held against {}.{open} \
         A timeout counts only if a second run, alone, ends in one too. <details><summary>What it held against\
         </summary>{held}.</details>",
        name(&run.python_version),
        name(&run.sandbox.level),
        count(held_count + open_count, "attack"),
        held_count,
    )
}
