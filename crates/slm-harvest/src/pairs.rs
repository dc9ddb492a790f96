//! A better and a worse answer to one prompt, by tests or by maintainability.

use std::cmp::Ordering;
use std::collections::HashSet;

use slm_metrics::syntax::{comment_lines, without_comments};

use crate::candidate::{Candidate, distinct};
use crate::continuation::joined;
use crate::reason::Reason;
use crate::row::{Asks, Row, Side};
use crate::select::{Choice, limit};
use crate::settings::{PairRule, Settings};
use crate::{Groups, LeftOut};

/// Smallest difference in `mi_code` of a pair, in points: smaller ones are within the noise of naming and layout.
const LEAST_MI_CODE: f64 = 5.0;
/// Logical lines of the better program by those of the worse one: a pair should not teach length alone.
const LLOC_RATIO: (f64, f64) = (0.5, 1.5);

/// Fewest pairs of which a share of explained variance is reported: a line fits any two points.
const FEWEST_PAIRS: usize = 10;

/// A possible pair.
struct Pair {
    chosen: usize,
    rejected: usize,
    /// By how much the chosen program is better.
    difference: f64,
    /// The continuations of both.
    bodies: (String, String),
}

pub(crate) fn rows(
    groups: &Groups,
    rule: PairRule,
    settings: &Settings,
    left_out: &mut LeftOut,
) -> Vec<Row> {
    let mut choices = Vec::new();
    for group in groups {
        let candidates = distinct(group.candidates.clone(), left_out);
        let mut pairs = possible(&candidates, rule);
        // Stable: equal differences keep the order of the answers.
        pairs.sort_by(|a, b| b.difference.total_cmp(&a.difference));
        let paired: HashSet<usize> = sides_of(&pairs).collect();
        left_out.add(Reason::NoPartner, candidates.len() - paired.len());
        // An answer may be in several pairs of its task: few answers differ enough.
        let kept = &pairs[..pairs.len().min(settings.per_task)];
        let used: HashSet<usize> = sides_of(kept).collect();
        left_out.add(Reason::EnoughOfTask, paired.len() - used.len());
        for (rank, pair) in kept.iter().enumerate() {
            let [chosen, rejected] = [pair.chosen, pair.rejected].map(|at| &candidates[at]);
            choices.push(Choice {
                rank,
                rarity: group.passed,
                row: Row {
                    task_id: group.id.to_owned(),
                    stub: chosen.task.prompt.clone(),
                    entry_point: chosen.task.entry_point.clone(),
                    sides: vec![
                        Side::new("chosen", settings.rule(), chosen, pair.bodies.0.clone()),
                        Side::new("rejected", settings.rule(), rejected, pair.bodies.1.clone()),
                    ],
                    asks: Asks::Program,
                    label: None,
                },
            });
        }
    }
    limit(choices, settings, left_out)
}

fn sides_of(pairs: &[Pair]) -> impl Iterator<Item = usize> {
    pairs.iter().flat_map(|of| [of.chosen, of.rejected])
}

fn possible(candidates: &[Candidate], rule: PairRule) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (at, chosen) in candidates.iter().enumerate() {
        for (other, rejected) in candidates.iter().enumerate() {
            let found = match rule {
                PairRule::Correctness => by_tests(chosen, rejected),
                PairRule::Maintainability => by_maintainability(chosen, rejected),
            };
            if let Some((difference, bodies)) = found.filter(|(_, bodies)| bodies.0 != bodies.1) {
                pairs.push(Pair {
                    chosen: at,
                    rejected: other,
                    difference,
                    bodies,
                });
            }
        }
    }
    pairs
}

/// `AceCoder`'s rule: more than 0.8 of the tests pass, more than 0.4 above the rejected program, which passes some.
fn by_tests(chosen: &Candidate, rejected: &Candidate) -> Option<(f64, (String, String))> {
    let counts = |of: &Candidate| {
        let record = &of.answer.record;
        (record.tests_passed, record.tests_total)
    };
    let ((better, of_better), (worse, of_worse)) = (counts(chosen), counts(rejected));
    // In whole numbers, so that 0.9 and 0.5 do not differ by more than 0.4.
    let is_good = better * 10 > of_better * 8;
    let is_better = (better * of_worse) as i64 - (worse * of_better) as i64;
    let is_clear = is_better * 10 > (of_better * of_worse * 4) as i64;
    let difference = better as f64 / of_better as f64 - worse as f64 / of_worse as f64;
    (is_good && is_clear && worse > 0)
        .then(|| (difference, (chosen.body.clone(), rejected.body.clone())))
}

/// Both pass all tests; the chosen one is at least five points more maintainable and not more complex, of a similar
/// length. Comments and docstrings are equal, or removed from both.
fn by_maintainability(chosen: &Candidate, rejected: &Candidate) -> Option<(f64, (String, String))> {
    let difference = chosen.mi_code - rejected.mi_code;
    let ratio = chosen.lloc as f64 / rejected.lloc as f64;
    let is_pair = difference >= LEAST_MI_CODE
        && chosen.complexity.total_cmp(&rejected.complexity) != Ordering::Greater
        && (LLOC_RATIO.0..=LLOC_RATIO.1).contains(&ratio);
    if !is_pair {
        return None;
    }
    let bodies = if comments(chosen)? == comments(rejected)? {
        (chosen.body.clone(), rejected.body.clone())
    } else {
        (uncommented(chosen)?, uncommented(rejected)?)
    };
    Some((difference, bodies))
}

fn comments(of: &Candidate) -> Option<slm_metrics::syntax::CommentLines> {
    comment_lines(&joined(&of.task.prompt, &of.body)).ok()
}

/// Returns the continuation without its comments and docstrings; those of the prompt stay.
fn uncommented(of: &Candidate) -> Option<String> {
    let from = of.task.prompt.trim_end().len() + 1;
    let text = without_comments(&joined(&of.task.prompt, &of.body), from)?;
    let body = text.get(from..)?.trim_end();
    (!body.trim().is_empty()).then(|| body.to_owned())
}

/// Returns the share of the variance of the differences in `mi_code` that the differences in logical lines explain
/// (R²); `None` with fewer than ten pairs, and without variance of both.
pub fn explained_by_lloc(rows: &[Row]) -> Option<f64> {
    let differences: Vec<(f64, f64)> = rows
        .iter()
        .filter_map(|row| {
            let [chosen, rejected] = &row.sides[..] else {
                return None;
            };
            let lloc = chosen.lloc as f64 - rejected.lloc as f64;
            Some((lloc, chosen.source.mi_code? - rejected.source.mi_code?))
        })
        .collect();
    if differences.len() < FEWEST_PAIRS {
        return None;
    }
    let n = differences.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| differences.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|of| of.0), mean(|of| of.1));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (lloc, mi_code) in &differences {
        xx += (lloc - x).powi(2);
        yy += (mi_code - y).powi(2);
        xy += (lloc - x) * (mi_code - y);
    }
    (xx > 0.0 && yy > 0.0).then(|| (xy * xy / (xx * yy)).min(1.0))
}
