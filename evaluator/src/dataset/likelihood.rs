//! How likely answers are under the base model, for `--prefer likelihood`.

use anyhow::{Context, Result};
use slm_cli::{Progress, UserMistake};
use slm_config::Recipe;
use slm_harvest::{Answer, continuation};
use slm_model::DeviceChoice;

use super::runs::HarvestedRun;
use crate::experiment::answering::Answering;
use crate::experiment::timings::Timings;
use crate::run_folder::RUN;

/// Computes the mean log-probability of each answer of a run that passes, in nats per token, as the continuation of its
/// task's prompt under the base model of the run. An answer that exceeds the model's context has none, and comes last.
///
/// # Errors
/// The model cannot be opened, differs from the run's, or is behind a server.
pub(super) fn add(run: &HarvestedRun, answers: &mut [Answer], device: DeviceChoice) -> Result<()> {
    let path = run.folder.join(RUN);
    let recipe =
        Recipe::parse_without_data(&run.info.recipe.yaml, &path, &[], slm_benchmarks::NAMES)
            .with_context(|| format!("cannot read the recipe in {}", path.display()))?;
    if recipe.evaluate.endpoint.is_some() {
        return Err(UserMistake(format!(
            "{}: a server answered, which reports no log-probabilities of given answers\n\
             hint: choose --prefer mi_code or --prefer short",
            run.folder.display()
        ))
        .into());
    }
    let answering = Answering::open(&recipe, &[], &[], device, &mut Timings::default())?;
    let (then, now) = (
        &run.info.base_model,
        answering.answerer(&recipe)?.base_model,
    );
    if then.sha256 != now.sha256 {
        return Err(UserMistake(format!(
            "{}: the base model {} changed since the run\nhint: restore its files, or sample again",
            run.folder.display(),
            then.name
        ))
        .into());
    }
    let mut passing: Vec<&mut Answer> =
        answers.iter_mut().filter(|of| of.record.passed()).collect();
    let mut progress = Progress::new("likelihoods", passing.len() as u64, "answers");
    for (done, answer) in (1..).zip(&mut passing) {
        let task = run
            .tasks
            .iter()
            .find(|of| of.view.task_id == answer.record.task_id);
        let body = task.and_then(|of| {
            let body = continuation(
                &of.view.prompt,
                &answer.record.program,
                &of.view.entry_point,
            )?;
            Some((of, body))
        });
        if let Some((of, body)) = body {
            let loss = answering.body_loss(None, &of.view.prompt, &body)?;
            answer.likelihood = loss.map(|loss| -loss);
        }
        progress.set(done, "");
    }
    progress.finish();
    Ok(())
}
