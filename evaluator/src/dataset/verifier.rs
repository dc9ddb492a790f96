//! Data for the role `verifier`: the question whether a program does what its task asks, and tasks held out to measure a
//! verifier by.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::{Value, json};
use slm_artifacts::sha256_of_texts;
use slm_cli::UserMistake;
use slm_harvest::{Harvest, Reason, Row};
use slm_model::Message;

use super::runs::{Chosen, HarvestedRun};
use crate::workflow::prompt::Template;

/// One task of this many is held out.
const HELD_OUT: usize = 5;

/// Returns the messages of the question about a row's program: those of the built-in prompt `verifier`.
pub(super) fn asking(row: &Row) -> Result<Vec<Message>> {
    let template = Template::parse(
        include_str!("../workflow/prompts/verifier.md"),
        "verifier",
        &["task", "entry_point", "code"],
    )?;
    let body = row.sides.first().map_or("", |side| side.body.as_str());
    let program = format!("{}\n{body}", row.stub.trim_end());
    Ok(template.render(&[
        ("task", &row.stub),
        ("entry_point", &row.entry_point),
        ("code", &program),
    ]))
}

/// Returns the answer that a row teaches.
pub(super) fn answer(row: &Row) -> &'static str {
    if row.label == Some(true) { "yes" } else { "no" }
}

/// The rows of the tasks that are held out.
pub(super) struct HeldOut {
    pub(super) rows: Vec<Row>,
    /// What `dataset.json` has about the split: the tasks, the numbers of each answer, and how well what a run knows
    /// without a verifier separates the held-out answers.
    pub(super) rules: BTreeMap<String, Value>,
}

/// Removes the rows of one task of five, drawn by the seed, and returns them.
///
/// # Errors
/// The rows that are left have one answer.
pub(super) fn hold_out(harvest: &mut Harvest, runs: &[HarvestedRun], seed: u64) -> Result<HeldOut> {
    let tasks: BTreeSet<String> = harvest.rows.iter().map(|row| row.task_id.clone()).collect();
    let held_out = drawn(&tasks, seed);
    let all = std::mem::take(&mut harvest.rows);
    let is_held_out = |row: &Row| held_out.contains(&row.task_id);
    let (held, kept): (Vec<Row>, Vec<Row>) = all.into_iter().partition(is_held_out);
    if labels(&kept).0 == 0 || labels(&kept).1 == 0 {
        let (yes, no) = labels(&kept);
        return Err(UserMistake(format!(
            "after {} of {} tasks are held out, {yes} rows answer yes and {no} answer no: a verifier needs both\n\
             hint: sample answers to more tasks, or more answers (evaluate.samples_per_task)",
            held_out.len(),
            tasks.len()
        ))
        .into());
    }
    if !held.is_empty() {
        harvest.left_out.insert(Reason::HeldOut, held.len());
    }
    let known: Vec<(bool, Chosen)> = held
        .iter()
        .map(|row| (row.label == Some(true), chosen(row, runs)))
        .collect();
    let count = |(yes, no): (usize, usize)| json!({"yes": yes, "no": no});
    let split = json!({
        "tasks": held_out,
        "answers": count(labels(&held)),
        "auc": {
            "visible_tests": measured(&known, |of| of.visible),
            "log_probability": measured(&known, |of| of.log_probability),
        },
    });
    let answers = count(labels(&kept));
    harvest.rows = kept;
    let rules = BTreeMap::from([
        ("held_out".to_owned(), split),
        ("answers".to_owned(), answers),
        ("seed".to_owned(), json!(seed)),
    ]);
    Ok(HeldOut { rows: held, rules })
}

/// Draws one task of five: those with the smallest hashes. A single task is not held out.
fn drawn(tasks: &BTreeSet<String>, seed: u64) -> BTreeSet<String> {
    let seed = seed.to_string();
    let hash = |task: &String| sha256_of_texts([seed.as_str(), task]);
    let mut hashed: Vec<(String, &String)> = tasks.iter().map(|task| (hash(task), task)).collect();
    hashed.sort();
    let n = if tasks.len() < 2 {
        0
    } else {
        (tasks.len() / HELD_OUT).max(1)
    };
    hashed
        .into_iter()
        .take(n)
        .map(|(_, task)| task.clone())
        .collect()
}

/// Counts the rows whose answer is yes and no.
fn labels(rows: &[Row]) -> (usize, usize) {
    let yes = rows.iter().filter(|row| row.label == Some(true)).count();
    (yes, rows.len() - yes)
}

fn chosen(row: &Row, runs: &[HarvestedRun]) -> Chosen {
    let source = row.sides.first().map(|side| &side.source);
    let found = source.and_then(|source| {
        let run = runs.iter().find(|run| run.info.name == source.run)?;
        Some(run.chosen(source))
    });
    found.unwrap_or_default()
}

/// Returns the AUC of a score with the number of answers that have one; `null` if these do not differ in their verdict.
fn measured(known: &[(bool, Chosen)], score: impl Fn(&Chosen) -> Option<f64>) -> Value {
    let scored: Vec<(bool, f64)> = known
        .iter()
        .filter_map(|(passed, of)| Some((*passed, score(of)?)))
        .collect();
    json!({"auc": auc(&scored), "answers": scored.len()})
}

/// Returns the area under the ROC curve: the probability that a passing answer has a larger score than a failing one, where
/// equal scores count half. `None` without both kinds.
///
/// # Source
/// Hanley and `McNeil` 1982, Radiology 143(1).
pub(super) fn auc(scored: &[(bool, f64)]) -> Option<f64> {
    let of = |passed: bool| {
        scored
            .iter()
            .filter(move |of| of.0 == passed)
            .map(|of| of.1)
    };
    let pairs = of(true).count() * of(false).count();
    let won: f64 = of(true)
        .flat_map(|good| {
            of(false).map(move |bad| match good.total_cmp(&bad) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            })
        })
        .sum();
    (pairs > 0).then(|| won / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_auc_is_the_share_of_pairs_in_the_right_order() {
        assert_eq!(auc(&[(true, 0.9), (false, 0.1)]), Some(1.0));
        assert_eq!(auc(&[(true, 0.1), (false, 0.9)]), Some(0.0));
        assert_eq!(auc(&[(true, 0.5), (false, 0.5)]), Some(0.5));
        // scikit-learn's example: roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) is 0.75.
        let scored = [(false, 0.1), (false, 0.4), (true, 0.35), (true, 0.8)];
        assert_eq!(auc(&scored), Some(0.75));
        assert_eq!(auc(&[(true, 0.9)]), None);
    }

    #[test]
    fn one_task_of_five_is_drawn_by_the_seed() {
        let tasks: BTreeSet<String> = (0..23).map(|n| format!("t/{n}")).collect();
        assert_eq!(drawn(&tasks, 0).len(), 4);
        assert_eq!(drawn(&tasks, 0), drawn(&tasks, 0));
        assert_ne!(drawn(&tasks, 0), drawn(&tasks, 1));
        let one = BTreeSet::from(["t/1".to_owned()]);
        assert!(drawn(&one, 0).is_empty());
        let two = BTreeSet::from(["t/1".to_owned(), "t/2".to_owned()]);
        assert_eq!(drawn(&two, 0).len(), 1);
    }
}
