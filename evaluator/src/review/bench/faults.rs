//! Faults in reference solutions, each proven by the hidden tests of its task.

use std::collections::BTreeMap;

use anyhow::Result;
use slm_artifacts::Verdict;
use slm_benchmarks::{ScoringPhase, Task, TaskSet, TaskView};
use slm_cli::Progress;
use slm_metrics::syntax::{Mutant, MutationKind, choose, mutants_of};
use slm_sandbox::Sandbox;
use slm_scoring::{Scorer, TreePools, for_each_parallel};

use crate::digest::step_seed;
use crate::experiment::expected_outputs;
use crate::repositories;
use crate::review::subject::{Flagged, functions_of};

/// Candidates that are tested for each wanted fault.
const CANDIDATES: usize = 3;

/// All functions that a reviewer sees.
pub(super) struct Faults {
    /// Of each task the reference solution, then those with a fault.
    pub(super) subjects: Vec<Subject>,
    /// Tasks without a subject, by reason.
    pub(super) left_out: BTreeMap<&'static str, usize>,
    /// Edited solutions that were tested.
    pub(super) candidates: usize,
    /// Those among them that the tests do not notice.
    pub(super) survived: usize,
}

/// A function that a reviewer sees.
pub(super) struct Subject {
    pub(super) task_id: String,
    /// The function in the program, with the static findings in it.
    pub(super) function: Flagged,
    /// `None` for the reference solution.
    pub(super) fault: Option<Fault>,
    /// Lines of the program's body that a reviewer may name: neither blank nor comments.
    pub(super) code_lines: usize,
}

/// One edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: MutationKind,
    /// Its line in the program.
    pub(super) line: usize,
    /// Its number in the task, from 0.
    pub(super) number: usize,
}

impl Subject {
    /// Returns a name that seeds the sampling of an answer.
    pub(super) fn id(&self) -> String {
        match &self.fault {
            None => self.task_id.clone(),
            Some(fault) => format!("{}#{}", self.task_id, fault.number),
        }
    }
}

/// Makes at most `most` faults in the solution of each task; the same `seed` gives the same faults.
///
/// # Errors
/// The sandbox fails, or a repository has changed since its tasks were made.
pub(super) fn make(set: &TaskSet, sandbox: &Sandbox, most: usize, seed: u64) -> Result<Faults> {
    let (phase, outputs, trees) = (ScoringPhase::begin(), expected_outputs(), TreePools::new());
    let scorer = Scorer {
        sandbox,
        expected_outputs: &outputs,
        phase: &phase,
        trees: &trees,
    };
    repositories::check(&set.tasks.iter().collect::<Vec<_>>(), &scorer)?;
    let mut made: Vec<Option<Proven>> = Vec::new();
    made.resize_with(set.tasks.len(), || None);
    let mut progress = Progress::new("proving faults", set.tasks.len() as u64, "tasks");
    let mut done = 0;
    for_each_parallel(
        &set.tasks,
        sandbox.workers(),
        |task| proven(task, most, seed, &scorer),
        |at, of_task| {
            made[at] = Some(of_task);
            done += 1;
            progress.set(done, "");
            Ok::<_, anyhow::Error>(())
        },
    )?;
    progress.finish();
    let mut faults = Faults {
        subjects: Vec::new(),
        left_out: BTreeMap::new(),
        candidates: 0,
        survived: 0,
    };
    for of_task in made.into_iter().flatten() {
        match of_task {
            Err(reason) => *faults.left_out.entry(reason).or_default() += 1,
            Ok(of_task) => {
                faults.candidates += of_task.candidates;
                faults.survived += of_task.survived;
                faults.subjects.extend(of_task.subjects);
            }
        }
    }
    Ok(faults)
}

/// The subjects of a task, or why it has none.
type Proven = Result<OfTask, &'static str>;

struct OfTask {
    subjects: Vec<Subject>,
    candidates: usize,
    survived: usize,
}

fn proven(task: &Task, most: usize, seed: u64, scorer: &Scorer) -> Result<Proven> {
    let (view, solution) = (task.view(), task.canonical_solution(scorer.phase));
    if solution.trim().is_empty() {
        return Ok(Err("no reference solution"));
    }
    let program = format!("{}{solution}", view.prompt);
    let name = name_of(view);
    let Some(original) = function_of(&program, &name) else {
        return Ok(Err("no function of the entry point's name"));
    };
    if verdict(task, &program, scorer)? != Some(Verdict::Passed) {
        return Ok(Err("the reference solution does not pass here"));
    }
    let first_line = view.prompt.lines().count() + 1;
    let first_line = first_line.max(original.function.keyword_line + 1);
    let last_line = original.function.last_line;
    let Ok(all) = mutants_of(&program, first_line, last_line, &MutationKind::REVIEW) else {
        return Ok(Err("no function of the entry point's name"));
    };
    let seed = step_seed(seed, &view.task_id, 0, 0);
    let candidates = choose(all, most.saturating_mul(CANDIDATES), seed);
    let n_candidates = candidates.len();
    let mut noticed = Vec::new();
    let mut survived = 0;
    for mutant in candidates {
        match verdict(task, &mutant.text, scorer)? {
            Some(Verdict::Passed) => survived += 1,
            Some(_) => noticed.push(mutant),
            None => {}
        }
    }
    let subject = |text: &str, function: Flagged, fault: Option<Fault>| {
        let lines = first_line..=function.function.last_line;
        let code = text.lines().zip(1..).filter(|(line, number)| {
            let line = line.trim();
            lines.contains(number) && !line.is_empty() && !line.starts_with('#')
        });
        Subject {
            task_id: view.task_id.clone(),
            code_lines: code.count(),
            function,
            fault,
        }
    };
    let mut subjects = vec![subject(&program, original, None)];
    for (number, mutant) in choose(noticed, most, seed).into_iter().enumerate() {
        let Mutant { kind, line, text } = mutant;
        if let Some(function) = function_of(&text, &name) {
            let fault = Fault { kind, line, number };
            subjects.push(subject(&text, function, Some(fault)));
        }
    }
    Ok(Ok(OfTask {
        subjects,
        candidates: n_candidates,
        survived,
    }))
}

/// Returns the qualified name of the function that a task asks for.
fn name_of(view: &TaskView) -> String {
    match (&view.repository, &view.method) {
        (Some(target), _) => target.qualified_name.clone(),
        (None, Some(method)) => format!("{}.{method}", view.entry_point),
        (None, None) => view.entry_point.clone(),
    }
}

/// Returns the last function of this name.
fn function_of(program: &str, name: &str) -> Option<Flagged> {
    let (_, functions) = functions_of(program).ok()?;
    let mut of_name = functions.into_iter().rev();
    of_name.find(|of| of.function.qualified_name == name && of.is_movable)
}

/// Returns the verdict of the hidden tests; `None` if the program could not be scored.
fn verdict(task: &Task, program: &str, scorer: &Scorer) -> Result<Option<Verdict>> {
    let score = scorer.score(task, program)?;
    Ok(score.total().map(|total| total.verdict))
}
