//! Answers to learn, and two controls.

use slm_artifacts::{RowSource, Verdict};

use crate::candidate::{Candidate, Group, distinct};
use crate::continuation::joined;
use crate::reason::Reason;
use crate::row::{Asks, Row, Side};
use crate::select::{Choice, choose, limit};
use crate::settings::{Keep, Settings};
use crate::{Groups, LeftOut};

/// The arm of a row whose answer the publisher of the task wrote.
pub(crate) const PUBLISHER: &str = "publisher";

pub(crate) fn rows(groups: &Groups, settings: &Settings, left_out: &mut LeftOut) -> Vec<Row> {
    let mut choices = Vec::new();
    for group in groups {
        let kept = match settings.keep {
            Keep::Passed => passed(group, settings, left_out)
                .iter()
                .map(|of| Row::of_answer(of, None, settings))
                .collect(),
            Keep::None => drawn(group, settings, left_out)
                .iter()
                .map(|of| Row::of_answer(of, None, settings))
                .collect(),
            Keep::Canonical => canonical(group, settings, left_out),
        };
        let rarity = group.passed;
        choices.extend(kept.into_iter().enumerate().map(|(rank, row)| Choice {
            rank,
            rarity,
            row,
        }));
    }
    limit(choices, settings, left_out)
}

fn passed<'a>(
    group: &Group<'a>,
    settings: &Settings,
    left_out: &mut LeftOut,
) -> Vec<Candidate<'a>> {
    let passing = group
        .candidates
        .iter()
        .filter(|of| of.answer.record.passed());
    choose(group, passing.cloned().collect(), settings, left_out)
}

/// Draws as many answers as the rule would keep of those that pass, from all that could be learned.
fn drawn<'a>(group: &Group<'a>, settings: &Settings, left_out: &mut LeftOut) -> Vec<Candidate<'a>> {
    let n = passed(group, settings, &mut LeftOut::default()).len();
    let all = group.candidates.len();
    if n == 0 {
        left_out.add(Reason::TaskNotKept, all);
        return Vec::new();
    }
    let key = |of: &Candidate| {
        let (task, arm, workflow, decoding, sample, run) = of.answer.order();
        slm_artifacts::sha256(format!(
            "{}\n{task}\n{arm}\n{workflow}\n{} {}\n{sample}\n{run}",
            settings.seed, decoding.temperature, decoding.top_p
        ))
    };
    let mut shuffled = group.candidates.clone();
    shuffled.sort_by_cached_key(key);
    let mut kept = distinct(shuffled, left_out);
    left_out.add(Reason::NotDrawn, kept.len().saturating_sub(n));
    kept.truncate(n);
    kept
}

/// Returns the publisher's solution of a task of which the rule would keep answers.
fn canonical(group: &Group, settings: &Settings, left_out: &mut LeftOut) -> Vec<Row> {
    let kept = passed(group, settings, left_out);
    let Some(first) = kept.first() else {
        return Vec::new();
    };
    let task = first.task;
    let body = task.solution.trim_end().trim_start_matches(['\r', '\n']);
    let metrics = slm_metrics::analyze(&joined(&task.prompt, body)).ok();
    let Some(metrics) = metrics.filter(|_| !body.trim().is_empty() && !body.contains("```")) else {
        left_out.add(Reason::NoSolution, kept.len());
        return Vec::new();
    };
    left_out.add(Reason::ReplacedByPublisher, kept.len());
    let record = &first.answer.record;
    vec![Row {
        task_id: task.id.clone(),
        stub: task.prompt.clone(),
        entry_point: task.entry_point.clone(),
        sides: vec![Side {
            body: body.to_owned(),
            lloc: metrics.lloc_code,
            source: RowSource {
                row: 0,
                side: "completion".to_owned(),
                rule: settings.rule().to_owned(),
                run: first.answer.run.clone(),
                arm: PUBLISHER.to_owned(),
                workflow: record.workflow.clone(),
                temperature: 0.0,
                top_p: 1.0,
                task_id: record.task_id.clone(),
                sample: 0,
                step: None,
                verdict: Verdict::Untested,
                tests_passed: 0,
                tests_total: 0,
                mi_code: Some(metrics.mi_code),
            },
        }],
        asks: Asks::Program,
        label: None,
    }]
}
