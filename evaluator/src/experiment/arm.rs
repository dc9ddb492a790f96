//! One cell of a run: one arm answers every task in one workflow; resumable.

use std::rc::Rc;
use std::time::Instant;

use anyhow::{Result, bail};
use slm_benchmarks::TaskView;
use slm_cli::Progress;
use slm_config::Workflow;
use slm_report::Decoding;

use crate::backend::Backend;
use crate::run_folder::RunFolder;
use crate::workflow::agent::Settings;
use crate::workflow::event::{Event, Key};
use crate::workflow::runner::Runner;
use crate::workflow::schedule::{self, Status};
use crate::workflow::trajectory::{Finished, Identity, Trajectory};

/// A model with its name in the run.
pub(crate) struct AnsweringArm<'a> {
    /// [`BASE_ARM`](slm_artifacts::BASE_ARM) or the adapter's name.
    pub(crate) name: &'a str,
    pub(crate) model: &'a dyn Backend,
    pub(crate) identity: Rc<Identity>,
}

/// Runs every trajectory of an arm in one workflow to its end, sampling as `settings` define; logged steps are not
/// repeated.
pub(crate) fn complete(
    arm: &AnsweringArm,
    workflow: Workflow,
    label: &str,
    tasks: &[&TaskView],
    settings: &Rc<Settings>,
    runner: &dyn Runner,
    run: &mut RunFolder,
) -> Result<Vec<Finished>> {
    let trajectories = trajectories(arm, workflow, tasks, settings, run)?;
    let before = trajectories.iter().filter(|of| of.is_decided_in_log());
    let before = before.count();
    if before == trajectories.len() {
        slm_cli::note(&format!("{label}: all answers exist already"));
    }
    let total = trajectories.len() as u64;
    let mut progress = Progress::resumed(before as u64, label, total, "answers");
    let started = Instant::now();
    let finished = schedule::run(
        trajectories,
        arm.model,
        runner,
        run.log(),
        &mut |status: Status| {
            let rate = status.tokens as f64 / started.elapsed().as_secs_f64();
            progress.set(status.finished as u64, format!("{rate:.0} tokens/s"));
        },
    )?;
    progress.finish();
    Ok(finished)
}

/// Creates a trajectory for each sample of each task, with the steps that earlier starts logged.
///
/// # Errors
/// The log belongs to another configuration.
pub(crate) fn trajectories(
    arm: &AnsweringArm,
    workflow: Workflow,
    tasks: &[&TaskView],
    settings: &Rc<Settings>,
    run: &mut RunFolder,
) -> Result<Vec<Trajectory>> {
    let decoding = Decoding::of(&settings.evaluate);
    let mut trajectories = Vec::new();
    for task in tasks {
        for sample in 0..settings.evaluate.samples_per_task as u32 {
            let key = Key {
                arm: arm.name.to_owned(),
                workflow,
                decoding,
                task_id: task.task_id.clone(),
                sample,
            };
            let logged = run.take_events(&key);
            let is_foreign = |event: &Event| event.config_sha256 != arm.identity.config_sha256;
            if logged.iter().any(is_foreign) {
                bail!(
                    "the trajectory log holds steps of another configuration\n\
                     hint: move the run's folder away and run again"
                );
            }
            let identity = Rc::clone(&arm.identity);
            let settings = Rc::clone(settings);
            trajectories.push(Trajectory::new(key, task, identity, settings, logged));
        }
    }
    Ok(trajectories)
}
