//! What every answer must satisfy, before the rules of a kind of data set.

use std::collections::{BTreeMap, HashMap, HashSet};

use slm_artifacts::{FinishReason, Verdict};
use slm_metrics::syntax::normalised_hash;

use crate::answer::{Answer, LearnableTask};
use crate::continuation::continuation;
use crate::reason::Reason;
use crate::settings::{Keep, Kind, PairRule, Settings};
use crate::test_table::reads_like_test_table;
use crate::{Groups, LeftOut};

/// A task counts as easy if more than this share of its answers pass.
const EASY: (usize, usize) = (9, 10);

/// An answer that may become a side of a row.
#[derive(Debug, Clone)]
pub(crate) struct Candidate<'a> {
    pub(crate) answer: &'a Answer,
    pub(crate) task: &'a LearnableTask,
    /// The continuation of the task's prompt.
    pub(crate) body: String,
    /// Hash of the program's syntax tree.
    pub(crate) hash: u64,
    pub(crate) mi_code: f64,
    pub(crate) lloc: usize,
    /// Cyclomatic complexity.
    pub(crate) complexity: f64,
}

/// The answers to one task: those with the same id and prompt.
pub(crate) struct Group<'a> {
    /// The task's name in its benchmark.
    pub(crate) id: &'a str,
    /// The possible sides of rows, by run and sample. The rules of a kind have not been applied.
    pub(crate) candidates: Vec<Candidate<'a>>,
    /// Number of tested answers.
    pub(crate) tested: usize,
    /// Number of answers that pass.
    pub(crate) passed: usize,
}

impl Group<'_> {
    /// Whether more than 90 % of the answers pass.
    pub(crate) fn is_easy(&self) -> bool {
        self.passed * EASY.1 > self.tested * EASY.0
    }
}

/// Returns the candidates by task, each program once.
pub(crate) fn groups<'a>(
    answers: &'a [Answer],
    tasks: &'a [LearnableTask],
    settings: &Settings,
    names_machinery: &dyn Fn(&str) -> bool,
    left_out: &mut LeftOut,
) -> Groups<'a> {
    let by_name: HashMap<(&str, &str), &LearnableTask> = tasks
        .iter()
        .map(|task| ((task.run.as_str(), task.name.as_str()), task))
        .collect();
    let mut sorted: Vec<&Answer> = answers.iter().collect();
    sorted.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut groups: BTreeMap<(&str, &str), Group> = BTreeMap::new();
    for answer in sorted {
        let name = (answer.run.as_str(), answer.record.task_id.as_str());
        // Every run's tasks are loaded with it: an answer without a task is none of the run.
        let Some(task) = by_name.get(&name).copied() else {
            left_out.add(Reason::Untested, 1);
            continue;
        };
        let group = groups
            .entry((&task.id, &task.prompt))
            .or_insert_with(|| Group {
                id: &task.id,
                candidates: Vec::new(),
                tested: 0,
                passed: 0,
            });
        group.tested += usize::from(answer.record.is_tested());
        group.passed += usize::from(answer.record.passed());
        match candidate(answer, task, settings, names_machinery) {
            Ok(candidate) => group.candidates.push(candidate),
            Err(reason) => left_out.add(reason, 1),
        }
    }
    groups.into_values().collect()
}

/// Keeps the first of several candidates with one program.
pub(crate) fn distinct<'a>(
    candidates: impl IntoIterator<Item = Candidate<'a>>,
    left_out: &mut LeftOut,
) -> Vec<Candidate<'a>> {
    let mut seen = HashSet::new();
    let (kept, same): (Vec<_>, Vec<_>) = candidates
        .into_iter()
        .partition(|candidate| seen.insert(candidate.hash));
    left_out.add(Reason::SameProgram, same.len());
    kept
}

/// Whether the tests, and no limit, ended the program.
fn is_judged(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Passed | Verdict::Failed | Verdict::Error)
}

fn candidate<'a>(
    answer: &'a Answer,
    task: &'a LearnableTask,
    settings: &Settings,
    names_machinery: &dyn Fn(&str) -> bool,
) -> Result<Candidate<'a>, Reason> {
    let record = &answer.record;
    if task.is_of_test_split {
        return Err(Reason::TestSplit);
    }
    if !record.is_tested() {
        return Err(Reason::Untested);
    }
    if record.finish_reason != FinishReason::Stop {
        return Err(Reason::Truncated);
    }
    let (true, Some(metrics)) = (record.parsable, &record.metrics) else {
        return Err(Reason::NoProgram);
    };
    match settings.kind {
        Kind::Sft if settings.keep == Keep::None => {}
        Kind::Sft | Kind::Plans | Kind::Sketches | Kind::Pairs(PairRule::Maintainability)
            if !record.passed() =>
        {
            return Err(Reason::FailedTests);
        }
        Kind::Pairs(PairRule::Correctness) if record.tests_passed == 0 => {
            return Err(Reason::PassesNoTest);
        }
        // Neither a bad answer nor one side of a pair: another machine or limit may give another count of tests.
        Kind::Pairs(PairRule::Correctness) | Kind::Kto | Kind::Verifier
            if !is_judged(record.verdict) =>
        {
            return Err(Reason::Stopped);
        }
        _ => {}
    }
    let program = &record.program;
    if reads_like_test_table(program, &task.entry_point, &task.examples) {
        return Err(Reason::TestTable);
    }
    if task.is_of_repository && names_machinery(program) && !names_machinery(&task.prompt) {
        return Err(Reason::TestMachinery);
    }
    let body =
        continuation(&task.prompt, program, &task.entry_point).ok_or(Reason::NoContinuation)?;
    if body.contains("```") {
        return Err(Reason::Fence);
    }
    Ok(Candidate {
        hash: normalised_hash(program).ok_or(Reason::NoProgram)?,
        answer,
        task,
        body,
        mi_code: metrics.mi_code,
        lloc: metrics.lloc_code.unwrap_or(metrics.lloc),
        complexity: metrics.cyclomatic_complexity,
    })
}
