//! What limits the conclusions, with the numbers of this run.

use statistics::{POWER, minimal_detectable_rate_difference};

use super::super::arms::Arms;
use super::super::cells::CellSummary;
use super::super::hypotheses::h1::{AdapterComparison, Comparison};
use super::super::hypotheses::h2::SweepFindings;
use super::super::hypotheses::h3::CollaborationFindings;
use super::super::metric::{LLOC, MI};
use super::super::number::{count, grouped, number, percent, signed};
use super::super::summary::{ArmSummary, Rate};
use super::Content;
use super::text::name;
use crate::record::{AdapterInfo, RunInfo, SampleRecord, Verdict};

/// The benchmark whose texts the trainer searched for before it told which.
const SEARCHED: &str = "embedded";

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
        for adapter in &comparison.adapters {
            points.push(sample_size(adapter));
            points.extend(dropped(comparison, adapter));
            points.extend(length(adapter));
        }
        points.extend(missing_tasks(arms, comparison));
        points.extend(of_arms(comparison, run));
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
    points.push(decoding(run));
    points.extend(run.adapters.iter().filter_map(small_training));
    points.push(contamination(run));
    points.push(ended_by_limits(content.records));
    points.push(sandbox(run));
    format!("- {}\n", points.join("\n- "))
}

/// What programs of the comparison may hide.
fn of_arms(comparison: &Comparison, run: &RunInfo) -> Vec<String> {
    vec![
        format!(
            "**Token limit.** Cut off at {}: {}. A program that is cut off seldom parses, and then has no MI.",
            count(run.sampling.max_new_tokens, "token"),
            by_arm(comparison, |arm| &arm.cut_off),
        ),
        format!(
            "**Trivial programs.** A program without operators scores 100 whatever it does. At 100: {}; without \
             operators: {}.",
            by_arm(comparison, |arm| &arm.mi_at_100),
            by_arm(comparison, |arm| &arm.without_operators),
        ),
        "**MI is not correctness.** Programs that fail their tests count in MI too, and stubs score well; read MI \
         together with the pass rate and the rows for pairs that both pass."
            .to_owned(),
        "**Same format.** Training and evaluation render a request by the same function, and both arms get the same \
         requests. The adapter has seen this format during training and the base model may not have, so part of a \
         difference may be familiarity with the format."
            .to_owned(),
    ]
}

fn of_sweep(found: &SweepFindings) -> String {
    let tested = found.test.as_ref().map(|test| &test.complexity);
    let solved = tested.map_or(0, |complexity| complexity.n);
    let chosen_on = found.chosen().map_or(0, |point| point.choosing_pairs);
    let few = if solved < FEW_PAIRS {
        " With so few the interval itself is a rough guide."
    } else {
        ""
    };
    let detectable = tested
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
         is best, and {solved} of the testing half tested it.{few}{detectable} Tasks that a model solves are its easy \
         ones, and easy programs are less complex: the result holds for them.",
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

/// What is known of tasks in the training data.
fn contamination(run: &RunInfo) -> String {
    if run.adapters.is_empty() {
        return "**Contamination.** Whether the base model has seen the tasks in its own training cannot be measured here: \
                its training data are not known."
            .to_owned();
    }
    let of_adapter = |adapter: &AdapterInfo| {
        let before = [SEARCHED.to_owned()];
        let searched = adapter.search.as_ref();
        let searched = searched.map_or(&before[..], |search| &search.benchmarks[..]);
        let not_searched = run.benchmarks.iter().map(|benchmark| &benchmark.name);
        let not_searched = names(not_searched.filter(|name| !searched.contains(name)));
        let found = match &adapter.search {
            None => format!(
                "examples that hold a sentence of a task of {} were left out of its training",
                names(searched)
            ),
            Some(search) => format!(
                "its training left out {} that shared text or code with a task of {}",
                count(search.left_out, "example"),
                names(searched)
            ),
        };
        let text = match adapter.decontaminated {
            None => "how it was trained is not known, so overlap with the tasks was not measured".to_owned(),
            Some(false) => "trained without a search for the tasks' texts (`data.decontaminate: false`), so overlap \
                            was not measured"
                .to_owned(),
            Some(true) if not_searched.is_empty() => found,
            Some(true) => format!("{found}; overlap with {not_searched} was not measured"),
        };
        format!("{}: {text}", name(&adapter.name))
    };
    let adapters: Vec<String> = run.adapters.iter().map(of_adapter).collect();
    format!(
        "**Contamination.** {}. Whether the base model has seen the tasks in its own training cannot be measured here.",
        adapters.join("; "),
    )
}

/// Names in a row.
fn names<'a>(all: impl IntoIterator<Item = &'a String>) -> String {
    let all: Vec<String> = all.into_iter().map(|text| name(text)).collect();
    all.join(", ")
}

fn sample_size(adapter: &AdapterComparison) -> String {
    let mi = adapter.mi();
    let few = if mi.n < FEW_PAIRS {
        " With so few pairs the interval itself is a rough guide."
    } else {
        ""
    };
    let detectable = mi.minimal_detectable_effect.zip(mi.standard_deviation).map_or_else(
        || "too few to say what could be detected".to_owned(),
        |(effect, spread)| {
            format!(
                "standard deviation of the differences {}, so a mean difference of {} points is the smallest that such \
                 a run detects at the 5 % level in {} of cases",
                number(spread, 1),
                number(effect, 1),
                percent(POWER),
            )
        },
    );
    format!(
        "**Sample size.** {}: {} in MI; {detectable}.{few}",
        name(&adapter.name),
        count(mi.n, "pair"),
    )
}

/// Tasks without an MI in one arm, and what they could change.
fn dropped(comparison: &Comparison, adapter: &AdapterComparison) -> Option<String> {
    let n_dropped = comparison.tasks - adapter.mi().n;
    let as_zero = adapter
        .subsets
        .iter()
        .find(|subset| subset.subset == "unparsable_as_zero")?;
    (n_dropped > 0).then(|| {
        format!(
            "**Left out of MI.** {}: {} of {} have no MI in at least one arm. With an unparsable program counted as 0 \
             the mean difference in MI would be {} instead of {}.",
            name(&adapter.name),
            n_dropped,
            count(comparison.tasks, "task"),
            signed(as_zero.contrasts[0].difference, 1),
            signed(adapter.mi().difference, 1),
        )
    })
}

/// How much of the change a change of length may explain.
fn length(adapter: &AdapterComparison) -> Option<String> {
    let lloc = adapter
        .paired
        .iter()
        .find(|contrast| contrast.metric == LLOC.key)?;
    let at_equal_length = adapter
        .at_equal_length
        .iter()
        .find(|found| found.metric == MI.key)?;
    Some(format!(
        "**Length.** {}: programs changed by {} logical lines, and MI falls with length. At equal length MI changes by \
         {} instead of {}.",
        name(&adapter.name),
        signed(lloc.difference?, 1),
        signed(at_equal_length.difference?, 1),
        signed(adapter.mi().difference?, 1),
    ))
}

fn missing_tasks(arms: &Arms, comparison: &Comparison) -> Option<String> {
    let missing: Vec<String> = arms
        .all()
        .filter(|arm| arm.n_tasks() < comparison.tasks)
        .map(|arm| format!("{} {}", name(arm.name), comparison.tasks - arm.n_tasks()))
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "**Unfinished run.** Tasks without any sample: {}. They are in no paired comparison.",
            missing.join(", ")
        )
    })
}

fn by_arm(comparison: &Comparison, rate: fn(&ArmSummary) -> &Rate) -> String {
    let shares: Vec<String> = comparison
        .arms
        .iter()
        .map(|arm| {
            let Rate { count, of, .. } = rate(arm);
            format!("{} {count} of {of}", name(&arm.name))
        })
        .collect();
    shares.join(", ")
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
        "**One decoding.** Greedy but for H2: the same request gives the same answer, and how much a result varies \
         under sampling is measured for H2 alone."
            .to_owned()
    } else {
        "**One decoding.** Greedy: the same request gives the same answer, and how much answers vary under sampling is \
         not measured."
            .to_owned()
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

#[cfg(test)]
mod tests {
    use super::contamination;
    use crate::record::ContaminationSearch;
    use crate::report::synthetic;

    #[test]
    fn what_was_searched_for_and_left_out_is_told_and_what_was_not_is_too() {
        let mut run = synthetic::run(&["adapter"]);
        let mut check = |benchmarks: &[&str], left_out, expected: &str| {
            run.adapters[0].search = Some(ContaminationSearch {
                benchmarks: benchmarks.iter().map(ToString::to_string).collect(),
                left_out,
            });
            let text = contamination(&run);
            assert!(text.contains(expected), "`{expected}` is not in {text}");
        };
        check(
            &["starter", "mbpp+"],
            1,
            "`adapter`: its training left out 1 example that shared text or code with a task of `starter`, `mbpp+`. ",
        );
        check(
            &["humaneval"],
            20,
            "left out 20 examples that shared text or code with a task of `humaneval`; overlap with `starter` was not \
             measured. ",
        );
    }
}
