//! The hidden tests of programs that were written outside of a run.

use anyhow::Result;
use slm_artifacts::Verdict;
use slm_benchmarks::{ScoringPhase, Task};
use slm_harvest::reads_like_test_table;
use slm_sandbox::Sandbox;
use slm_scoring::{Program, Scorer, TreePools, for_each_parallel, names_test_machinery};

use crate::experiment::expected_outputs;
use crate::experiment::tasks::RunTask;
use crate::repositories;

/// Tests the programs in answers to tasks; `None` for those that could not be scored.
///
/// # Errors
/// The sandbox fails, or a repository has changed.
pub(crate) fn verdicts(
    answers: &[(&RunTask, &str)],
    sandbox: &Sandbox,
    phase: &ScoringPhase,
) -> Result<Vec<Option<Verdict>>> {
    let (outputs, trees) = (expected_outputs(), TreePools::new());
    let scorer = Scorer {
        sandbox,
        expected_outputs: &outputs,
        phase,
        trees: &trees,
    };
    let tasks: Vec<&Task> = answers.iter().map(|(of, _)| &of.task).collect();
    repositories::check(&tasks, &scorer)?;
    let mut verdicts = vec![None; answers.len()];
    for_each_parallel(
        answers,
        sandbox.workers(),
        |(of, text)| verdict(of, text, &scorer),
        |at, verdict| {
            verdicts[at] = verdict;
            Ok(())
        },
    )?;
    Ok(verdicts)
}

fn verdict(of: &RunTask, answer: &str, scorer: &Scorer) -> Result<Option<Verdict>> {
    let program = Program::in_answer(None, &of.view, answer);
    if program.fault.is_some() {
        return Ok(Some(Verdict::Unparsable));
    }
    // What would be left out as an answer shows nothing about a plan or a lesson either.
    let (view, text) = (&of.view, &program.text);
    let names = |text: &str| names_test_machinery(text).is_some();
    if reads_like_test_table(text, &view.entry_point, &view.public_examples)
        || view.repository.is_some() && names(text) && !names(&view.prompt)
    {
        return Ok(Some(Verdict::Failed));
    }
    let score = scorer.score(&of.task, text)?;
    Ok(score.total().map(|total| total.verdict))
}
