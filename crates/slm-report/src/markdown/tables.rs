//! The tables of arms, paired differences and subsets.

use slm_statistics::RESAMPLES;

use super::super::contrast::Contrast;
use super::super::hypotheses::h1::{AdapterComparison, Comparison};
use super::super::metric::{BONUS, BONUS_PARTS, MI, MI_CODE, Metric, PAIRED, SUBSETS};
use super::super::number::{
    count, grouped, number, p_value, percent, seconds, signed, signed_interval,
};
use super::super::summary::{ArmSummary, Rate};
use super::text::{name, table};

/// One row of the arms' table: its label and its text for an arm.
type ArmRow = (&'static str, fn(&ArmSummary) -> String);

const ARM_ROWS: [ArmRow; 19] = [
    ("Passed all tests", rate_with_interval_and_count),
    ("Tests passed, share", |arm| percent(arm.tests_passed_share)),
    ("Runs without an exception", |arm| {
        rate_with_interval(&arm.executable)
    }),
    ("Parses", |arm| rate_with_interval(&arm.parsable)),
    ("Empty: adds nothing to the prompt", |arm| {
        percent(arm.empty.share)
    }),
    ("MI, mean", |arm| number(arm.maintainability_index, 1)),
    ("`mi_code`, mean", |arm| number(arm.mi_code, 1)),
    ("CC, mean", |arm| number(arm.cyclomatic_complexity, 2)),
    ("LLOC, mean", |arm| number(arm.lloc, 1)),
    ("MI exactly 100", |arm| percent(arm.mi_at_100.share)),
    ("No operator (V = 0)", |arm| {
        percent(arm.without_operators.share)
    }),
    ("Cut off by the token limit", |arm| {
        percent(arm.cut_off.share)
    }),
    ("Prompt tokens", |arm| grouped(arm.prompt_tokens)),
    ("Completion tokens", |arm| grouped(arm.completion_tokens)),
    ("Completion tokens, mean", |arm| {
        number(per(arm.completion_tokens as f64, arm.samples), 0)
    }),
    ("Completion tokens per passed sample", |arm| {
        number(per(arm.completion_tokens as f64, arm.pass_rate.count), 0)
    }),
    ("Generation time per sample", |arm| {
        per(arm.generation_s, arm.samples).map_or_else(|| number(None, 0), seconds)
    }),
    ("Test CPU time of passed samples, mean", |arm| {
        arm.cpu_s_of_passed
            .map_or_else(|| number(None, 0), |s| format!("{:.0} ms", s * 1000.0))
    }),
    (
        "The same, relative to the task's own solution, median",
        |arm| number(arm.cpu_relative_to_canonical, 2),
    ),
];

/// What each arm achieved, a column an arm.
pub(super) fn arms(comparison: &Comparison) -> String {
    let names: Vec<String> = comparison.arms.iter().map(|arm| name(&arm.name)).collect();
    let header: Vec<&str> = std::iter::once("")
        .chain(names.iter().map(String::as_str))
        .collect();
    let mut rows: Vec<Vec<String>> = ARM_ROWS
        .iter()
        .map(|(label, text)| {
            std::iter::once((*label).to_owned())
                .chain(comparison.arms.iter().map(text))
                .collect()
        })
        .collect();
    if comparison.arms.iter().any(|arm| arm.pass_at_k.is_some()) {
        let cells = comparison.arms.iter().map(|arm| {
            arm.pass_at_k.as_ref().map_or_else(
                || number(None, 0),
                |estimate| format!("{} (k = {})", percent(estimate.rate), estimate.k),
            )
        });
        rows.insert(
            1,
            std::iter::once("pass@k".to_owned()).chain(cells).collect(),
        );
    }
    let several = comparison.arms.iter().any(|arm| arm.samples > arm.tasks);
    let intervals = if several {
        "bootstrap over tasks"
    } else {
        "Wilson"
    };
    format!(
        "{}\nIn parentheses: 95 % intervals ({intervals}). MI, `mi_code`, CC, LLOC and their shares are over programs \
         that parse and are not empty.\n",
        table(&header, 1, &rows),
    )
}

fn per(total: f64, n: usize) -> Option<f64> {
    (n > 0).then(|| total / n as f64)
}

fn rate_with_interval_and_count(arm: &ArmSummary) -> String {
    let Rate { count, of, .. } = arm.pass_rate;
    format!("{count} of {of}: {}", rate_with_interval(&arm.pass_rate))
}

fn rate_with_interval(rate: &Rate) -> String {
    rate.interval.map_or_else(
        || percent(rate.share),
        |interval| {
            format!(
                "{} ({} to {})",
                percent(rate.share),
                number(interval.low * 100.0, 0),
                number(interval.high * 100.0, 0),
            )
        },
    )
}

/// Paired differences of every metric, a table an adapter.
pub(super) fn paired(comparison: &Comparison) -> String {
    let header = [
        "metric",
        "pairs",
        "differ",
        "base",
        "adapter",
        "difference",
        "95 % interval",
        "p",
        "p Wilcoxon",
        "r",
        "δ",
    ];
    let tables: Vec<String> = comparison
        .adapters
        .iter()
        .map(|adapter| {
            let rows: Vec<Vec<String>> = PAIRED
                .iter()
                .zip(&adapter.paired)
                .map(|(metric, contrast)| {
                    let scaled = |value: Option<f64>| value.map(|value| value * metric.scale);
                    vec![
                        metric.label.to_owned(),
                        contrast.n.to_string(),
                        contrast.differing.to_string(),
                        number(scaled(contrast.reference_mean), metric.digits),
                        number(scaled(contrast.mean), metric.digits),
                        signed(scaled(contrast.difference), metric.digits),
                        signed_interval(contrast.interval, metric.digits, metric.scale),
                        p_value(contrast.sign_flip_p),
                        p_value(contrast.wilcoxon_p),
                        signed(contrast.rank_biserial, 2),
                        signed(contrast.cliffs_delta, 2),
                    ]
                })
                .collect();
            format!(
                "Adapter {} less base, by task:\n\n{}\n{}\n",
                name(&adapter.name),
                table(&header, 1, &rows),
                solved(adapter),
            )
        })
        .collect();
    format!(
        "{}\nA pair is a task of which both arms have a value; a program that does not parse or is empty has no MI. *differ*: pairs whose \
         values are not the same. Intervals: BCa bootstrap over tasks, {} resamples; a dash where the differences give \
         none. p: sign-flip permutation, two-sided, raw. p Wilcoxon: signed-rank test with Pratt's zeros. r: matched \
         rank-biserial correlation. δ: Cliff's delta. Only the rows of the table at the top were asked for: of so many \
         p-values some are small by chance.\n",
        tables.join("\n"),
        grouped(RESAMPLES),
    )
}

fn solved(adapter: &AdapterComparison) -> String {
    let solved = &adapter.solved;
    let test = solved.mcnemar_p.map_or_else(String::new, |p| {
        format!(
            " (exact McNemar p {})",
            match p_value(Some(p)) {
                small if small.starts_with('<') => small,
                p => format!("= {p}"),
            }
        )
    });
    format!(
        "Of {} both solve {}, the base model alone {}, the adapter alone {}{test}.",
        count(solved.tasks, "task"),
        solved.both,
        solved.reference_only,
        solved.other_only,
    )
}

/// MI and `mi_code` on subsets of the programs, and at equal length.
pub(super) fn subsets(comparison: &Comparison) -> String {
    let header = [
        "pairs where",
        "metric",
        "pairs",
        "base",
        "adapter",
        "difference",
        "95 % interval",
        "p",
    ];
    let tables: Vec<String> = comparison
        .adapters
        .iter()
        .map(|adapter| {
            let of_subset = SUBSETS
                .iter()
                .zip(&adapter.subsets)
                .flat_map(|(subset, found)| {
                    found
                        .contrasts
                        .iter()
                        .zip([MI.label, MI_CODE.label])
                        .map(|(contrast, metric)| subset_row(subset.label, metric, contrast))
                });
            let at_equal_length = adapter
                .at_equal_length
                .iter()
                .zip([MI.label, MI_CODE.label])
                .map(|(found, metric)| {
                    vec![
                        "both parse, at equal length of the code".to_owned(),
                        metric.to_owned(),
                        found.n.to_string(),
                        number(None, 1),
                        number(None, 1),
                        signed(found.difference, 1),
                        signed_interval(found.interval, 1, 1.0),
                        p_value(None),
                    ]
                });
            let rows: Vec<Vec<String>> = of_subset.chain(at_equal_length).collect();
            format!(
                "Adapter {} less base:\n\n{}",
                name(&adapter.name),
                table(&header, 2, &rows)
            )
        })
        .collect();
    format!(
        "{}\n*At equal length of the code*: of `mi_code` the intercept of the regression of its difference on the difference \
         of ln LLOC, docstrings not counted; of MI the same and the comment bonus.\n",
        tables.join("\n"),
    )
}

/// MI as `mi_code` and the comment bonus, the bonus in its parts, and how many programs lie past the curve's peak.
pub(super) fn bonus(comparison: &Comparison) -> String {
    let header = [
        "part of MI, points",
        "pairs",
        "base",
        "adapter",
        "difference",
        "95 % interval",
    ];
    let tables: Vec<String> = comparison
        .adapters
        .iter()
        .map(|adapter| {
            let whole = [
                (&MI, String::new(), adapter.mi()),
                (&MI_CODE, String::new(), adapter.mi_code()),
                (&BONUS, String::new(), &adapter.bonus),
            ];
            let parts = BONUS_PARTS.iter().zip(&adapter.bonus_parts);
            let parts = parts.map(|(metric, found)| (metric, "of the bonus: ".to_owned(), found));
            let rows: Vec<Vec<String>> = whole
                .into_iter()
                .chain(parts)
                .map(|(metric, prefix, found)| part_row(metric, &prefix, found))
                .collect();
            format!(
                "Adapter {} less base:\n\n{}",
                name(&adapter.name),
                table(&header, 1, &rows)
            )
        })
        .collect();
    format!(
        "{}\n*Comment curve*: 50 sin(√(2.46 c)) · 100/171. *Docstrings as logical lines*: a docstring counts in LLOC, and \
         MI loses 9.47 ln(LLOC / LLOC without docstrings) by it. *Cut at 0 and 100*: what the bounds take from MI or from \
         `mi_code`. The parts add up to the bonus, and the bonus and `mi_code` to MI.\n\n{}\n",
        tables.join("\n"),
        past_the_peak(comparison),
    )
}

fn part_row(metric: &Metric, prefix: &str, found: &Contrast) -> Vec<String> {
    vec![
        format!("{prefix}{}", metric.label),
        found.n.to_string(),
        number(found.reference_mean, 1),
        number(found.mean, 1),
        signed(found.difference, 1),
        signed_interval(found.interval, 1, 1.0),
    ]
}

fn past_the_peak(comparison: &Comparison) -> String {
    let total = |rate: fn(&ArmSummary) -> &Rate| -> (usize, usize) {
        let rates = comparison.arms.iter().map(rate);
        rates.fold((0, 0), |(count, of), rate| {
            (count + rate.count, of + rate.of)
        })
    };
    let by_arm = |rate: fn(&ArmSummary) -> &Rate| -> String {
        let shares = comparison.arms.iter().map(|arm| {
            let Rate { count, of, .. } = rate(arm);
            format!("{} {count} of {of}", name(&arm.name))
        });
        shares.collect::<Vec<_>>().join(", ")
    };
    let ((past, programs), (negative, _)) =
        (total(|arm| &arm.past_peak), total(|arm| &arm.past_zero));
    format!(
        "{} of {} lie past the curve's peak, with more than 57.5 comment lines per 100 source lines, where one more comment \
         lowers MI ({}); {} of them past 229.9, where the curve is negative ({}).",
        grouped(past),
        count(programs, "program"),
        by_arm(|arm| &arm.past_peak),
        grouped(negative),
        by_arm(|arm| &arm.past_zero),
    )
}

/// MI, `mi_code` and pass rate in the recipe's other workflows; nothing where it has none.
pub(super) fn elsewhere(comparison: &Comparison) -> String {
    if comparison.elsewhere.is_empty() {
        return String::new();
    }
    let header = [
        "workflow",
        "adapter",
        "MI, difference",
        "95 % interval",
        "mi_code, difference",
        "95 % interval",
        "pass rate, points",
        "95 % interval",
    ];
    let rows: Vec<Vec<String>> = comparison
        .elsewhere
        .iter()
        .map(|found| {
            let mut row = vec![name(&found.workflow), name(&found.adapter)];
            for (contrast, scale) in [
                (&found.maintainability_index, 1.0),
                (&found.mi_code, 1.0),
                (&found.pass_rate, 100.0),
            ] {
                row.push(signed(contrast.difference.map(|value| value * scale), 1));
                row.push(signed_interval(contrast.interval, 1, scale));
            }
            row
        })
        .collect();
    format!(
        "\nAdapter less base in the recipe's other workflows, which decide nothing:\n\n{}",
        table(&header, 2, &rows)
    )
}

fn subset_row(subset: &str, metric: &str, contrast: &Contrast) -> Vec<String> {
    vec![
        subset.to_owned(),
        metric.to_owned(),
        contrast.n.to_string(),
        number(contrast.reference_mean, 1),
        number(contrast.mean, 1),
        signed(contrast.difference, 1),
        signed_interval(contrast.interval, 1, 1.0),
        p_value(contrast.sign_flip_p),
    ]
}
