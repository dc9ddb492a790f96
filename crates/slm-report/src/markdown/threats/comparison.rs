//! What limits H1: how many pairs there are, what is left out, and what the index rewards.

use slm_statistics::POWER;

use super::super::super::arms::Arms;
use super::super::super::hypotheses::h1::{AdapterComparison, Comparison};
use super::super::super::number::{count, grouped, number, percent, signed};
use super::super::super::summary::{ArmSummary, Rate};
use super::super::super::verdict::MIN_PAIRS;
use super::super::text::name;
use super::FEW_PAIRS;
use crate::record::RunInfo;

/// All points, adapter by adapter, then of all arms.
pub(super) fn points(comparison: &Comparison, arms: &Arms, run: &RunInfo) -> Vec<String> {
    let mut points = Vec::new();
    for adapter in &comparison.adapters {
        points.push(sample_size(adapter));
        points.extend(dropped(comparison, adapter));
        points.extend(comments(adapter));
        points.extend(length(adapter));
    }
    points.extend(missing_tasks(arms, comparison));
    points.extend(of_arms(comparison, run));
    points
}

fn sample_size(adapter: &AdapterComparison) -> String {
    let mi = adapter.mi();
    let few = if mi.interval.is_some() && mi.n < FEW_PAIRS {
        " With so few pairs the interval itself is a rough guide."
    } else {
        ""
    };
    let spread = mi
        .minimal_detectable_effect
        .zip(mi.standard_deviation)
        .filter(|_| mi.differing >= MIN_PAIRS);
    let detectable = spread.map_or_else(
        || format!("{} differ, too few to say what could be detected", grouped(mi.differing)),
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
            "**Left out of MI.** {}: {} of {} have no MI in at least one arm. With unparsable and empty answers counted as \
             0 the mean difference in MI would be {} instead of {}.",
            name(&adapter.name),
            n_dropped,
            count(comparison.tasks, "task"),
            signed(as_zero.contrasts[0].difference, 1),
            signed(adapter.mi().difference, 1),
        )
    })
}

/// How much of the change is not the code's.
fn comments(adapter: &AdapterComparison) -> Option<String> {
    if adapter.bonus.differing == 0 {
        return None;
    }
    Some(format!(
        "**Comments.** {}: of MI's difference of {}, {} is the comment bonus and {} `mi_code`. MI rates how much is \
         commented, not what the comments say, and past 57.5 comment lines per 100 source lines it falls with every further \
         one.",
        name(&adapter.name),
        signed(adapter.mi().difference?, 1),
        signed(adapter.bonus.difference?, 1),
        signed(adapter.mi_code().difference?, 1),
    ))
}

/// How much of the change of `mi_code` is the code's length alone: its formula says so exactly.
fn length(adapter: &AdapterComparison) -> Option<String> {
    let length = &adapter.code_length;
    Some(format!(
        "**Length.** {}: without docstrings the code has {} logical lines, the base model's {}. The index falls with their \
         logarithm: that term alone changes `mi_code` by {}, all terms together by {}.",
        name(&adapter.name),
        number(length.mean?, 1),
        number(length.reference_mean?, 1),
        signed(adapter.length_term.difference?, 1),
        signed(adapter.mi_code().difference?, 1),
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

/// What programs of the comparison may hide.
fn of_arms(comparison: &Comparison, run: &RunInfo) -> Vec<String> {
    let mut points = vec![
        format!(
            "**Token limit.** Cut off at {}: {}.{}",
            count(run.sampling.max_new_tokens, "token"),
            by_arm(comparison, |arm| &arm.cut_off),
            parse_though_cut_off(comparison),
        ),
        format!(
            "**Trivial programs.** A program without operators scores 100 whatever it does. At 100: {}; without \
             operators: {}.",
            by_arm(comparison, |arm| &arm.mi_at_100),
            by_arm(comparison, |arm| &arm.without_operators),
        ),
        format!(
            "**MI is not correctness.** Programs that fail their tests count in MI too. Mean MI of programs that pass and \
             of those that fail: {}. Read MI together with the pass rate and the rows for pairs that both pass.",
            passed_and_failed(comparison),
        ),
    ];
    points.extend(same_format(run));
    points
}

fn parse_though_cut_off(comparison: &Comparison) -> String {
    if comparison.arms.iter().all(|arm| arm.cut_off.count == 0) {
        return String::new();
    }
    format!(
        " Of those that were cut off, programs that parse: {}; the others have no MI.",
        by_arm(comparison, |arm| &arm.cut_off_parsable)
    )
}

fn passed_and_failed(comparison: &Comparison) -> String {
    let means: Vec<String> = comparison
        .arms
        .iter()
        .map(|arm| {
            let [passed, failed] = [arm.mi_of_passed, arm.mi_of_failed].map(|mi| number(mi, 1));
            format!("{} {passed} and {failed}", name(&arm.name))
        })
        .collect();
    means.join(", ")
}

/// Whether the adapter knows the requests better than the base model does.
fn same_format(run: &RunInfo) -> Option<String> {
    if run.adapters.is_empty() {
        return None;
    }
    let renders_here = run
        .endpoint
        .as_ref()
        .is_none_or(|endpoint| endpoint.api != slm_config::Api::Chat.name());
    let rendering = if renders_here {
        "Both arms get the same requests."
    } else {
        "Both arms get the same conversations, which the server renders."
    };
    Some(format!(
        "**Same format.** {rendering} An adapter may have seen their format in its training and the base model not, so part \
         of a difference may be familiarity with the format."
    ))
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
