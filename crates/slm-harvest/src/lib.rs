//! Training data from the tested answers of runs: which answers become rows, and why others do not.
//!
//! [`harvest`] maps answers, their tasks and [`Settings`] to a [`Harvest`]: rows, and for every other answer one
//! [`Reason`]. Nothing depends on the order of the answers. There is no I/O, and no model: a [`Row`] holds the code that
//! a task gives and the continuation to be learned; the caller renders both for its model. Where to start reading:
//!
//! - `candidate`: what every answer must satisfy, before the rules of a kind of data set
//! - `sft`, `pairs`, `kto`: the rules of each kind
//! - `memory`: which answers a memory holds
//! - `routes`: which workflow is the cheapest that solves a task
//! - `plan`: what a plan must satisfy; the caller asks a model for plans of the rows, and for programs by them
//! - `continuation`: a program as the continuation of its task's prompt
//! - `test_table`: programs that contain the tests instead of solving the task

mod answer;
mod candidate;
mod continuation;
mod decompositions;
mod description;
mod kto;
mod lengths;
mod memory;
mod pairs;
mod plan;
mod reason;
mod routes;
mod row;
mod select;
mod settings;
mod sft;
mod test_table;

use std::collections::BTreeMap;

pub use answer::{Answer, LearnableTask};
pub use continuation::continuation;
pub use decompositions::{Split, decompositions};
pub use description::describe;
pub use memory::{KeptAnswer, Memorable, memorable};
pub use pairs::explained_by_lloc;
pub use plan::{MOST_STEPS, check_plan};
pub use reason::Reason;
pub use routes::{RouteRules, Routed, routes};
pub use row::{Asks, Row, Side};
pub use settings::{Keep, Kind, PairRule, Prefer, Settings};
pub use test_table::reads_like_test_table;

use candidate::Group;

/// The rows that answers became, and what became of the other answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Harvest {
    /// The rows, by task, run and sample.
    pub rows: Vec<Row>,
    /// Number of answers that the rules saw.
    pub answers: usize,
    /// Number of answers that are no side of a row, by reason.
    pub left_out: BTreeMap<Reason, usize>,
}

/// Why answers are no data set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HarvestError {
    /// No answer became a row.
    #[error("none of {answers} answers became a row{}", listed(.left_out))]
    NoRows {
        /// Number of answers that the rules saw.
        answers: usize,
        /// Number of answers left out, by reason.
        left_out: BTreeMap<Reason, usize>,
    },
    /// No answer became an entry of a memory.
    #[error("none of {answers} answers became a memory entry{}", listed(.left_out))]
    NoEntries {
        /// Number of answers that the rules saw.
        answers: usize,
        /// Number of answers left out, by reason.
        left_out: BTreeMap<Reason, usize>,
    },
    /// All rows have one label.
    #[error("all {rows} rows are {}, but the objective needs good and bad answers{}", if *.label { "good answers" } else { "bad answers" }, listed(.left_out))]
    OneLabel {
        /// Number of rows.
        rows: usize,
        /// Their label.
        label: bool,
        /// Number of answers left out, by reason.
        left_out: BTreeMap<Reason, usize>,
    },
}

fn listed(left_out: &BTreeMap<Reason, usize>) -> String {
    let lines = left_out
        .iter()
        .map(|(reason, count)| format!("\n  {count} {reason}"));
    lines.collect::<Vec<_>>().concat()
}

/// Selects the rows. `names_machinery` decides whether a program for a function of a repository names what could forge
/// the verdict of its tests.
///
/// # Errors
/// There are no rows, or all rows of [`Kind::Kto`] or [`Kind::Verifier`] have one label.
pub fn harvest(
    answers: &[Answer],
    tasks: &[LearnableTask],
    settings: &Settings,
    names_machinery: &dyn Fn(&str) -> bool,
) -> Result<Harvest, HarvestError> {
    let mut left_out = LeftOut::default();
    let groups = candidate::groups(answers, tasks, settings, names_machinery, &mut left_out);
    let mut rows = match settings.kind {
        Kind::Sft | Kind::Plans | Kind::Sketches | Kind::Routes | Kind::Decompositions => {
            sft::rows(&groups, settings, &mut left_out)
        }
        Kind::Pairs(rule) => pairs::rows(&groups, rule, settings, &mut left_out),
        Kind::Kto | Kind::Verifier => kto::rows(&groups, settings, &mut left_out),
    };
    rows.sort_by(|a, b| a.order().cmp(&b.order()));
    let left_out = left_out.0;
    if rows.is_empty() {
        return Err(HarvestError::NoRows {
            answers: answers.len(),
            left_out,
        });
    }
    if matches!(settings.kind, Kind::Kto | Kind::Verifier)
        && let Some(label) = rows[0].label
        && rows.iter().all(|row| row.label == Some(label))
    {
        return Err(HarvestError::OneLabel {
            rows: rows.len(),
            label,
            left_out,
        });
    }
    Ok(Harvest {
        rows,
        answers: answers.len(),
        left_out,
    })
}

/// The counts of answers left out.
#[derive(Default)]
struct LeftOut(BTreeMap<Reason, usize>);

impl LeftOut {
    fn add(&mut self, reason: Reason, count: usize) {
        if count > 0 {
            *self.0.entry(reason).or_default() += count;
        }
    }
}

/// The answers to one task that may become rows.
type Groups<'a> = Vec<Group<'a>>;
