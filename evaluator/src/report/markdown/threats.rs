//! What limits the conclusions, with the numbers of this run.

use super::super::arms::Arms;
use super::super::comparison::{AdapterComparison, Comparison};
use super::super::number::{count, number, percent, signed};
use super::super::summary::{ArmSummary, Rate};
use super::text::name;
use crate::record::{AdapterInfo, RunInfo};
use crate::statistics::POWER;

/// Below this many pairs an interval is a rough guide only.
const FEW_PAIRS: usize = 20;

/// A list of threats.
pub(super) fn section(arms: &Arms, comparison: &Comparison, run: &RunInfo) -> String {
    let mut points: Vec<String> = Vec::new();
    for adapter in &comparison.adapters {
        points.push(sample_size(adapter));
        points.extend(dropped(comparison, adapter));
    }
    points.extend(missing_tasks(arms, comparison));
    points.push(format!(
        "**Token limit.** Cut off at {}: {}. A program that is cut off seldom parses, and then has no MI.",
        count(run.sampling.max_new_tokens, "token"),
        by_arm(comparison, |arm| &arm.cut_off),
    ));
    points.push(format!(
        "**Trivial programs.** A program without operators scores 100 whatever it does. At 100: {}; without operators: \
         {}.",
        by_arm(comparison, |arm| &arm.mi_at_100),
        by_arm(comparison, |arm| &arm.without_operators),
    ));
    points.push(
        "**MI is not correctness.** Programs that fail their tests count in MI too, and stubs score well; read MI \
         together with the pass rate and the rows for pairs that both pass."
            .to_owned(),
    );
    points.push(decoding(run));
    points.push(
        "**Same format.** Training and evaluation render a request by the same function, and both arms get the same \
         requests. The adapter has seen this format during training and the base model may not have, so part of a \
         difference may be familiarity with the format."
            .to_owned(),
    );
    points.extend(run.adapters.iter().filter_map(small_training));
    points.push(sandbox(run));
    format!("- {}\n", points.join("\n- "))
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
    if sampling.temperature <= 0.0 {
        "**One decoding.** Greedy: the same request gives the same answer, and how much answers vary under sampling is \
         not measured. One adapter is one training run: another training seed may differ."
            .to_owned()
    } else {
        format!(
            "**Sampling.** {} a task at temperature {}; intervals are over tasks and hold for this number of samples. \
             One adapter is one training run: another training seed may differ.",
            count(sampling.samples_per_task as usize, "sample"),
            number(sampling.temperature, 2),
        )
    }
}

fn small_training(adapter: &AdapterInfo) -> Option<String> {
    let training = adapter.training.as_ref()?;
    Some(format!(
        "**Training.** {} saw {} in {}; what it learned depends on those examples, so another data set may turn the \
         result around.",
        name(&adapter.name),
        count(training.examples, "example"),
        count(training.steps, "step"),
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
