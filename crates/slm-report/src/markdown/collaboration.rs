//! H3's tables: what each workflow achieved, and what each contrast tells.

use super::super::hypotheses::h3::CollaborationFindings;
use super::super::metric::PASS_RATE;
use super::super::number::{count, number, p_value, percent, signed, signed_interval};
use super::text::{name, table};

/// Who answered, and both tables.
pub(super) fn section(found: &CollaborationFindings) -> String {
    format!(
        "Arm {} on {}; every workflow has the same budget. The first contrast decides H3, the others explain it.\n\n{}\n{}\nTests passed: mean share of a task's hidden tests. McNemar: exact, over tasks that one workflow \
         alone solves, where each has one sample a task. p: sign-flip permutation, raw. Intervals: BCa bootstrap over \
         tasks.\n",
        name(&found.arm),
        count(found.tasks, "task"),
        workflows(found),
        contrasts(found),
    )
}

fn workflows(found: &CollaborationFindings) -> String {
    let header = [
        "workflow",
        "samples",
        "pass rate",
        "95 % interval",
        "tests passed",
        "tokens a sample",
        "pass rate per 1,000 tokens",
    ];
    let rows: Vec<Vec<String>> = found
        .workflows
        .iter()
        .map(|outcomes| {
            let per_token = outcomes
                .pass_rate
                .share
                .zip(outcomes.completion_tokens)
                .filter(|(_, tokens)| *tokens > 0.0)
                .map(|(share, tokens)| share * 100.0 / tokens * 1000.0);
            vec![
                name(&outcomes.workflow),
                outcomes.samples.to_string(),
                format!(
                    "{}\u{a0}%",
                    number(outcomes.pass_rate.share.map(|share| share * 100.0), 1)
                ),
                outcomes.pass_rate.interval.map_or_else(
                    || number(None, 1),
                    |interval| {
                        let [low, high] =
                            [interval.low, interval.high].map(|end| number(end * 100.0, 1));
                        format!("{low}\u{a0}to\u{a0}{high}")
                    },
                ),
                percent(outcomes.tests_passed_share),
                number(outcomes.completion_tokens, 0),
                number(per_token, 1),
            ]
        })
        .collect();
    table(&header, 1, &rows)
}

fn contrasts(found: &CollaborationFindings) -> String {
    let header = [
        "contrast",
        "tells",
        "tasks",
        "pass rate, points",
        "95 % interval",
        "p",
        "only the first solves",
        "only the second",
        "McNemar p",
        "tests passed, points",
        "tokens",
    ];
    let rows: Vec<Vec<String>> = found
        .contrasts
        .iter()
        .map(|contrast| {
            let points = |value: Option<f64>| value.map(|value| value * PASS_RATE.scale);
            vec![
                format!("{} less {}", name(&contrast.workflow), name(&contrast.less)),
                contrast.tells.to_owned(),
                contrast.pass_rate.n.to_string(),
                signed(points(contrast.pass_rate.difference), 1),
                signed_interval(contrast.pass_rate.interval, 1, PASS_RATE.scale),
                p_value(contrast.pass_rate.sign_flip_p),
                contrast.solved.other_only.to_string(),
                contrast.solved.reference_only.to_string(),
                p_value(contrast.solved.mcnemar_p),
                signed(points(contrast.tests_passed.difference), 1),
                signed(contrast.completion_tokens.difference, 0),
            ]
        })
        .collect();
    table(&header, 2, &rows)
}
