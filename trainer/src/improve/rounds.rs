//! The rounds: which stages follow, which are finished, and when the run ends.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use slm_artifacts::{DatasetFolder, OLD, remove_folder};
use slm_cli::{EnergyMeter, EnergyUse, StopRequest, UserMistake};
use slm_config::Recipe;

use super::children::{Ended, Programs, interrupted};
use super::judge::{self, Judgement, Ks};
use super::progress;
use super::report::{Outcome, Round};
use super::spent;
use super::stages::Stages;
use super::state::{Hashes, Kind, LOG, Line, Log};
use super::stop::{self, Stop};
use super::tasks::Part;
use super::write;

/// A run in progress.
pub(super) struct Run<'a> {
    pub(super) stages: &'a Stages<'a>,
    pub(super) programs: &'a Programs,
    pub(super) stop: &'a StopRequest,
    pub(super) log: Log,
    /// Lines of the log that were confirmed or appended by this start.
    pub(super) done: usize,
}

impl Run<'_> {
    /// Carries out the rounds, and finds the best.
    ///
    /// # Errors
    /// A stage failed or was refused, or the user stopped the run.
    pub(super) fn rounds(&mut self) -> Result<Outcome> {
        let improve = &self.stages.recipe.improve;
        let ks = Ks::of(improve.judge_samples);
        let judge_recipe = self.stages.judge_recipe();
        self.stage(Kind::Judge, 0, &judge_recipe, None)?;
        let dev = self.stages.tasks.ids(Part::Dev);
        let base = Judgement::read(&self.stages.folder_of(Kind::Judge, 0), ks, &dev)?;
        let mut judged = vec![base.judged()];
        let mut rounds: Vec<Round> = Vec::new();
        let mut solved: BTreeSet<String> = BTreeSet::new();
        let mut end = Stop::Rounds;
        for round in 1..=improve.rounds {
            let best = stop::best(&judged);
            let adapter = (best > 0).then(|| self.stages.adapter_of(best));
            let recipe = self.stages.sample_recipe(round);
            self.stage(Kind::Sample, round, &recipe, adapter.as_deref())?;
            let answers = judge::read(&self.stages.folder_of(Kind::Sample, round))?;
            let now = judge::solved(&answers);
            let new = now.difference(&solved).count();
            let mut figures = Round::sampled(&answers, (best > 0).then_some(best), new);
            solved.extend(now);
            if round > 1 && new == 0 {
                rounds.push(figures);
                end = Stop::NothingNew;
                break;
            }
            let recipe = self.stages.data_recipe();
            self.stage(Kind::Data, round, &recipe, None)?;
            let folder = self.stages.folder_of(Kind::Data, round);
            let info = DatasetFolder(&folder).read_info();
            let info = info
                .with_context(|| format!("cannot read {}", folder.display()))?
                .with_context(|| format!("{}: holds no data set", folder.display()))?;
            let recipe = self.stages.fit_recipe(round, info.rows)?;
            figures.harvest(info);
            self.stage(Kind::Fit, round, &recipe, None)?;
            self.stage(
                Kind::Judge,
                round,
                &judge_recipe,
                Some(&self.stages.adapter_of(round)),
            )?;
            let folder = self.stages.folder_of(Kind::Judge, round);
            let judgement = Judgement::read(&folder, ks, &dev)?;
            judged.push(judgement.judged());
            figures.judgement = Some(judgement);
            rounds.push(figures);
            if let Some(stop) = stop::after_judge(&judged, improve.min_gain, improve.rounds) {
                end = stop;
                break;
            }
        }
        let best_round = stop::best_round(&judged).context("no round was judged")?;
        Ok(Outcome {
            base,
            rounds,
            best_round,
            beats_base: stop::best(&judged) == best_round,
            stop: end,
        })
    }

    /// Carries out a stage, unless its line is in the log and still true. `adapter` is the one that answers.
    fn stage(
        &mut self,
        kind: Kind,
        round: usize,
        recipe: &Recipe,
        adapter: Option<&Path>,
    ) -> Result<()> {
        let (stages, rounds) = (self.stages, self.stages.recipe.improve.rounds);
        let text = recipe.to_yaml();
        let inputs = stages.inputs(kind, round, recipe, adapter)?;
        if let Some(line) = self.log.lines().get(self.done) {
            match self.why_again(line, kind, round, &inputs) {
                None => {
                    self.done += 1;
                    return Ok(());
                }
                Some(reason) => self.forget(kind, round, &reason)?,
            }
        }
        self.start(kind, round, &inputs)?;
        write(&stages.recipe_of(kind, round), &text)?;
        if self.stop.is_made() {
            return Err(interrupted(&name_of(kind, round)));
        }
        slm_cli::note(&progress::line(kind, round, rounds, self.log.lines()));
        let command = stages.command(kind, round, adapter)?;
        let what = name_of(kind, round);
        let meter = EnergyMeter::of(EnergyUse::default());
        let (ended, seconds) = self.programs.run(&command, &what, self.stop)?;
        let mut energy = meter.read();
        match ended {
            Ended::Refused => {
                return Err(UserMistake(format!(
                    "{what} was refused with exit code 2; the message above states why: {}",
                    command.text()
                ))
                .into());
            }
            Ended::Incomplete => {
                let then = if kind == Kind::Judge {
                    "count as not passed"
                } else {
                    "are left out"
                };
                slm_cli::note(&format!(
                    "{what}: some answers could not be scored and {then}"
                ));
            }
            Ended::Done => {}
        }
        if let Err(changed) = stages.tasks.check_files() {
            // Without the note of its beginning, the stage's folder is removed before it starts again.
            let note = stages.started_with(kind, round);
            fs::remove_file(&note).with_context(|| format!("cannot remove {}", note.display()))?;
            return Err(changed.context(format!("{what} is not used")));
        }
        let outputs = stages.outputs(kind, round);
        let outputs = outputs.with_context(|| format!("{what} did not make what it should"))?;
        energy.add(&spent::of_gpu(stages, kind, round, seconds)?);
        self.log.append(Line {
            stage: kind,
            round,
            inputs,
            outputs,
            seconds,
            energy: Some(energy),
            command: command.text(),
        })?;
        self.done += 1;
        Ok(())
    }

    /// Why a logged stage must be done again; `None` if it need not.
    fn why_again(&self, line: &Line, kind: Kind, round: usize, inputs: &Hashes) -> Option<String> {
        if (line.stage, line.round) != (kind, round) {
            return Some(format!("{LOG} has another stage in its place"));
        }
        let differs = |name: &&String| inputs.get(*name) != line.inputs.get(*name);
        if let Some(name) = inputs.keys().chain(line.inputs.keys()).find(differs) {
            return Some(format!("its input has changed: {name}"));
        }
        match self.stages.outputs(kind, round) {
            Ok(outputs) if outputs == line.outputs => None,
            Ok(_) => Some("what it made has not the logged hash".to_owned()),
            Err(error) => Some(format!("what it made cannot be read: {error:#}")),
        }
    }

    /// Removes a stage and all after it from the log and from the disk.
    fn forget(&mut self, kind: Kind, round: usize, reason: &str) -> Result<()> {
        slm_cli::note(&format!(
            "{} and all after it is done again: {reason}",
            name_of(kind, round)
        ));
        let stages = self.stages;
        let exists = |round: usize| stages.folder.join(format!("round-{round}")).exists();
        let (mut later, mut at) = (Vec::new(), round);
        while exists(at) {
            let of_round = Kind::OF_ROUND.map(|kind| (kind, at)).into_iter();
            later.extend(of_round.filter(|&(other, _)| at > round || other >= kind));
            at += 1;
        }
        // Without the note of its beginning, a folder is removed before its stage starts, even if this process is killed
        // before it is removed here.
        for &(kind, round) in &later {
            let note = stages.started_with(kind, round);
            if note.exists() {
                fs::remove_file(&note)
                    .with_context(|| format!("cannot remove {}", note.display()))?;
            }
        }
        self.log.keep(self.done)?;
        for (kind, round) in later {
            self.remove(kind, round)?;
        }
        Ok(())
    }

    fn remove(&self, kind: Kind, round: usize) -> Result<()> {
        let folder = self.stages.folder_of(kind, round);
        let cannot = || format!("cannot remove {}", folder.display());
        // Left by a kill during an earlier removal.
        let half = folder.with_file_name(format!(".{}.{OLD}", kind.name()));
        if half.exists() {
            fs::remove_dir_all(&half).with_context(cannot)?;
        }
        if folder.exists() {
            remove_folder(&folder).with_context(cannot)?;
        }
        Ok(())
    }

    /// Notes what a stage starts with, and removes what it made from anything else.
    fn start(&self, kind: Kind, round: usize, inputs: &Hashes) -> Result<()> {
        let path = self.stages.started_with(kind, round);
        let text = serde_json::to_string_pretty(inputs)? + "\n";
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            self.remove(kind, round)?;
            write(&path, &text)?;
        }
        Ok(())
    }
}

/// A stage's name in messages.
fn name_of(kind: Kind, round: usize) -> String {
    if round == 0 {
        return format!("{} of the base model", kind.name());
    }
    format!("round {round}: {}", kind.name())
}
