//! Answers, each good or bad.

use crate::candidate::Candidate;
use crate::reason::Reason;
use crate::row::{Asks, Row, Side};
use crate::select::{Choice, choose, limit, sort};
use crate::settings::Settings;
use crate::{Groups, LeftOut};

pub(crate) fn rows(groups: &Groups, settings: &Settings, left_out: &mut LeftOut) -> Vec<Row> {
    let mut choices = Vec::new();
    for group in groups {
        let (good, mut bad): (Vec<Candidate>, Vec<Candidate>) = group
            .candidates
            .iter()
            .cloned()
            .partition(|of| of.answer.record.passed());
        // A program that passed once and failed once is not a bad one.
        let before = bad.len();
        bad.retain(|of| good.iter().all(|other| other.hash != of.hash));
        left_out.add(Reason::SameProgram, before - bad.len());
        let good = choose(group, good, settings, left_out);
        sort(&mut bad, settings.prefer);
        let mut bad = crate::candidate::distinct(bad, left_out);
        left_out.add(
            Reason::EnoughOfTask,
            bad.len().saturating_sub(settings.per_task),
        );
        bad.truncate(settings.per_task);
        for (label, kept) in [(true, good), (false, bad)] {
            choices.extend(kept.iter().enumerate().map(|(rank, of)| Choice {
                rank,
                rarity: group.passed,
                row: row(of, label, settings),
            }));
        }
    }
    limit(choices, settings, left_out)
}

fn row(of: &Candidate, label: bool, settings: &Settings) -> Row {
    Row {
        task_id: of.task.id.clone(),
        stub: of.task.prompt.clone(),
        entry_point: of.task.entry_point.clone(),
        sides: vec![Side::new(
            "completion",
            settings.rule(),
            of,
            of.body.clone(),
        )],
        asks: Asks::Program,
        label: Some(label),
    }
}
