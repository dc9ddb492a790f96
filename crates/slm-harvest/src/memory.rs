//! Entries of a memory: for each task one program that passes all hidden tests.

use std::collections::{BTreeMap, HashSet};

use slm_metrics::syntax::normalised_hash;

use crate::answer::{Answer, LearnableTask};
use crate::candidate::{Candidate, groups};
use crate::continuation::joined;
use crate::reason::Reason;
use crate::row::Row;
use crate::select::sort;
use crate::settings::{Keep, Kind, Prefer, Settings};
use crate::{HarvestError, LeftOut};

/// The answers that a memory holds, and what became of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Memorable {
    /// By task, run and sample.
    pub answers_kept: Vec<KeptAnswer>,
    /// Number of answers that the rules saw.
    pub answers: usize,
    /// Number of answers that are not kept, by reason.
    pub left_out: BTreeMap<Reason, usize>,
}

/// An answer that a memory holds.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptAnswer {
    /// The task's stub and the continuation, with its origin.
    pub row: Row,
    /// The stub with its continuation.
    pub program: String,
    /// Share of the tested answers to the task that do not pass, from 0 to 1.
    pub importance: f64,
}

/// The rules of answers to learn, without a limit of rows and with no regard to how easy a task is.
const RULES: Settings = Settings {
    kind: Kind::Sft,
    keep: Keep::Passed,
    prefer: Prefer::MiCode,
    per_task: 1,
    max_rows: None,
    seed: 0,
};

/// Selects the answers that a memory holds: of each task the passing program with the highest maintainability index, and
/// each program once, up to layout, comments and docstrings. What [`harvest`](crate::harvest) leaves out of
/// answers to learn is left out here, too.
///
/// # Errors
/// [`HarvestError::NoEntries`] if no answer is kept.
pub fn memorable(
    answers: &[Answer],
    tasks: &[LearnableTask],
    names_machinery: &dyn Fn(&str) -> bool,
) -> Result<Memorable, HarvestError> {
    let mut left_out = LeftOut::default();
    let mut kept: Vec<KeptAnswer> = Vec::new();
    let mut programs = HashSet::new();
    for group in groups(answers, tasks, &RULES, names_machinery, &mut left_out) {
        let mut passing: Vec<Candidate> = group.candidates.clone();
        sort(&mut passing, RULES.prefer);
        let mut of_task = passing.iter();
        let mut first = None;
        for candidate in of_task.by_ref() {
            let program = joined(&candidate.task.prompt, &candidate.body);
            if normalised_hash(&program).is_none_or(|hash| programs.insert(hash)) {
                first = Some((candidate, program));
                break;
            }
            left_out.add(Reason::SameProgram, 1);
        }
        left_out.add(Reason::OtherKept, of_task.count());
        if let Some((candidate, program)) = first {
            let failed = group.tested - group.passed;
            kept.push(KeptAnswer {
                row: Row::of_answer(candidate, None, &RULES),
                program,
                importance: failed as f64 / group.tested as f64,
            });
        }
    }
    kept.sort_by(|a, b| a.row.order().cmp(&b.row.order()));
    let left_out = left_out.0;
    if kept.is_empty() {
        return Err(HarvestError::NoEntries {
            answers: answers.len(),
            left_out,
        });
    }
    Ok(Memorable {
        answers_kept: kept,
        answers: answers.len(),
        left_out,
    })
}
