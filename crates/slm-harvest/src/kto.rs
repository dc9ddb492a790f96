//! Answers, each good or bad.

use crate::candidate::Candidate;
use crate::reason::Reason;
use crate::row::Row;
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
                row: Row::of_answer(of, Some(label), settings),
            }));
        }
    }
    limit(choices, settings, left_out)
}
