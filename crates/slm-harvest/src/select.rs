//! The order in which answers to a task are chosen, and the limits of rows.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::LeftOut;
use crate::candidate::{Candidate, Group, distinct};
use crate::reason::Reason;
use crate::row::{Row, Side};
use crate::settings::{Keep, Prefer, Settings};

/// Sorts candidates by preference; equal ones keep the order of rows.
pub(crate) fn sort(candidates: &mut [Candidate], prefer: Prefer) {
    candidates.sort_by(|a, b| {
        let by_preference = match prefer {
            Prefer::MiCode => b.mi_code.total_cmp(&a.mi_code),
            Prefer::Short => Ordering::Equal,
            Prefer::Likelihood => likelihood(b).total_cmp(&likelihood(a)),
        };
        by_preference
            .then(a.lloc.cmp(&b.lloc))
            .then(a.body.chars().count().cmp(&b.body.chars().count()))
            .then_with(|| a.answer.order().cmp(&b.answer.order()))
    });
}

fn likelihood(of: &Candidate) -> f64 {
    of.answer.likelihood.unwrap_or(f64::NEG_INFINITY)
}

/// Returns the candidates of a task in the order of choice: each program once, at most `per_task`, and of an easy task
/// one.
pub(crate) fn choose<'a>(
    group: &Group,
    mut candidates: Vec<Candidate<'a>>,
    settings: &Settings,
    left_out: &mut LeftOut,
) -> Vec<Candidate<'a>> {
    sort(&mut candidates, settings.prefer);
    let mut kept = distinct(candidates, left_out);
    if group.is_easy() && kept.len() > 1 {
        left_out.add(Reason::EasyTask, kept.len() - 1);
        kept.truncate(1);
    }
    left_out.add(
        Reason::EnoughOfTask,
        kept.len().saturating_sub(settings.per_task),
    );
    kept.truncate(settings.per_task);
    kept
}

/// A row with its place in the order of choice.
pub(crate) struct Choice {
    /// Number of the row among those of its task, in the order of choice.
    pub(crate) rank: usize,
    /// Number of answers to its task that pass: rare successes first.
    pub(crate) rarity: usize,
    pub(crate) row: Row,
}

/// Returns at most `settings.max_rows` rows: the first of every task, those of rarely solved tasks first, then the second
/// of every task, and so on.
pub(crate) fn limit(
    mut choices: Vec<Choice>,
    settings: &Settings,
    left_out: &mut LeftOut,
) -> Vec<Row> {
    let Some(most) = settings.max_rows else {
        return choices.into_iter().map(|choice| choice.row).collect();
    };
    choices.sort_by(|a, b| {
        (a.rank, a.rarity)
            .cmp(&(b.rank, b.rarity))
            .then_with(|| a.row.order().cmp(&b.row.order()))
    });
    // A row of the publisher's solution is no answer: those that it replaces are counted already.
    if settings.keep != Keep::Canonical {
        let answers = |of: &[Choice]| -> BTreeSet<_> {
            let sides = of.iter().flat_map(|choice| &choice.row.sides);
            sides.map(Side::answer).collect()
        };
        let (kept, beyond) = choices.split_at(most.min(choices.len()));
        // An answer of several pairs may be in one that is kept.
        let kept = answers(kept);
        let beyond = answers(beyond);
        left_out.add(Reason::EnoughRows, beyond.difference(&kept).count());
    }
    choices.truncate(most);
    choices.into_iter().map(|choice| choice.row).collect()
}
