//! Which workflow a task should be routed to: the cheapest one that solves it.

use std::collections::BTreeMap;

use slm_artifacts::{RouteCell, RouteTask, RowSource};
use slm_report::Decoding;

use crate::answer::{Answer, LearnableTask};
use crate::reason::Reason;
use crate::row::{Asks, Row, Side};
use crate::settings::CHEAPEST;
use crate::{HarvestError, LeftOut};

/// The least share of answers that pass, of a workflow that solves a task.
const SOLVES: f64 = 0.5;

/// What the answers of one arm teach a router.
#[derive(Debug, Clone, PartialEq)]
pub struct Routed {
    /// The tasks, by name, with what each workflow made of them.
    pub tasks: Vec<RouteTask>,
    /// For each task that some workflow solves, a row for each workflow that answered it, by name; the label is whether
    /// it is the cheapest one that solves the task.
    pub rows: Vec<Row>,
    /// Number of answers that the rules saw.
    pub answers: usize,
    /// Number of answers that count for no row, by reason.
    pub left_out: BTreeMap<Reason, usize>,
}

/// What the caller knows of the answers and the request of a row.
pub struct RouteRules<'a> {
    /// The workflows as the router's request lists them.
    pub listed: &'a str,
    /// The sampling of a run's cells that count, by the run's name.
    pub reference: &'a dyn Fn(&str) -> Option<Decoding>,
    /// Whether the workflow of this name routes tasks itself.
    pub chooses: &'a dyn Fn(&str) -> bool,
    /// The words by which a task is found.
    pub words: &'a dyn Fn(&LearnableTask) -> String,
}

/// The answers to one task, by workflow.
struct Answered<'a> {
    task: &'a LearnableTask,
    cells: BTreeMap<&'a str, Vec<&'a Answer>>,
}

/// Makes routes of the answers of one arm. Nothing depends on their order.
///
/// # Errors
/// No workflow solves any task.
pub fn routes(
    answers: &[Answer],
    tasks: &[LearnableTask],
    rules: &RouteRules,
) -> Result<Routed, HarvestError> {
    let mut left_out = LeftOut::default();
    let mut made = Routed {
        tasks: Vec::new(),
        rows: Vec::new(),
        answers: answers.len(),
        left_out: BTreeMap::new(),
    };
    for of in answered(answers, tasks, rules, &mut left_out).values() {
        let cells: Vec<RouteCell> = of
            .cells
            .iter()
            .map(|(workflow, answers)| cell(workflow, answers))
            .collect();
        let label = cheapest_solving(&cells).map(|cell| cell.workflow.clone());
        if let Some(label) = &label {
            made.rows.extend(rows(of, label, rules));
        } else {
            let unsolved = of.cells.values().map(Vec::len).sum();
            left_out.add(Reason::UnsolvedTask, unsolved);
        }
        made.tasks.push(RouteTask {
            task_id: of.task.id.clone(),
            words: (rules.words)(of.task),
            label,
            cells,
        });
    }
    made.left_out = left_out.0;
    if made.rows.is_empty() {
        return Err(HarvestError::NoRows {
            answers: made.answers,
            left_out: made.left_out,
        });
    }
    Ok(made)
}

/// Returns the workflow that solves a task with the fewest tokens, then the first.
fn cheapest_solving(cells: &[RouteCell]) -> Option<&RouteCell> {
    let solving = cells.iter().filter(|cell| cell.pass_rate() >= SOLVES);
    // `min_by` returns the first of equals.
    solving.min_by(|a, b| a.completion_tokens.total_cmp(&b.completion_tokens))
}

fn cell(workflow: &str, answers: &[&Answer]) -> RouteCell {
    let tokens = answers.iter().map(|of| of.record.completion_tokens);
    let tokens: usize = tokens.sum();
    RouteCell {
        workflow: workflow.to_owned(),
        answers: answers.len(),
        passed: answers.iter().filter(|of| of.record.passed()).count(),
        completion_tokens: tokens as f64 / answers.len().max(1) as f64,
    }
}

/// Returns the answers that count, by task and workflow.
fn answered<'a>(
    answers: &'a [Answer],
    tasks: &'a [LearnableTask],
    rules: &RouteRules,
    left_out: &mut LeftOut,
) -> BTreeMap<(&'a str, &'a str), Answered<'a>> {
    let by_name: BTreeMap<(&str, &str), &LearnableTask> = tasks
        .iter()
        .map(|task| ((task.run.as_str(), task.name.as_str()), task))
        .collect();
    let mut sorted: Vec<&Answer> = answers.iter().collect();
    sorted.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut found: BTreeMap<(&str, &str), Answered> = BTreeMap::new();
    for answer in sorted {
        let record = &answer.record;
        let name = (answer.run.as_str(), record.task_id.as_str());
        let task = by_name.get(&name).copied();
        let reason = match task {
            None => Some(Reason::Untested),
            Some(task) if task.is_of_test_split => Some(Reason::TestSplit),
            _ if !record.is_tested() => Some(Reason::Untested),
            _ if (rules.chooses)(&record.workflow) => Some(Reason::Routed),
            _ if (rules.reference)(&answer.run) != Some(record.decoding) => {
                Some(Reason::OtherSampling)
            }
            _ => None,
        };
        let (Some(task), None) = (task, reason) else {
            left_out.add(reason.unwrap_or(Reason::Untested), 1);
            continue;
        };
        let of_task = found
            .entry((&task.id, &task.prompt))
            .or_insert_with(|| Answered {
                task,
                cells: BTreeMap::new(),
            });
        of_task
            .cells
            .entry(&record.workflow)
            .or_default()
            .push(answer);
    }
    found
}

/// Returns a row for each workflow that answered a task; its origin is the workflow's first answer.
fn rows<'a>(of: &'a Answered, label: &'a str, rules: &'a RouteRules) -> impl Iterator<Item = Row> {
    let firsts = of.cells.iter().filter_map(|(workflow, answers)| {
        let first = answers.first()?;
        Some((*workflow, *first))
    });
    firsts.map(move |(workflow, first)| Row {
        task_id: of.task.id.clone(),
        stub: of.task.prompt.clone(),
        entry_point: of.task.entry_point.clone(),
        sides: vec![Side {
            body: workflow.to_owned(),
            lloc: 0,
            source: RowSource {
                row: 0,
                side: "completion".to_owned(),
                rule: CHEAPEST.to_owned(),
                run: first.run.clone(),
                arm: first.record.arm.clone(),
                workflow: workflow.to_owned(),
                temperature: first.record.decoding.temperature,
                top_p: first.record.decoding.top_p,
                task_id: first.record.task_id.clone(),
                sample: first.record.sample,
                step: first.step,
                verdict: first.record.verdict,
                tests_passed: first.record.tests_passed,
                tests_total: first.record.tests_total,
                mi_code: None,
            },
        }],
        asks: Asks::Route(rules.listed.to_owned()),
        label: Some(workflow == label),
    })
}
