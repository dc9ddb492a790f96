//! The stages of a run: their folders, recipes and commands, what they are made from and what they make.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use slm_artifacts::DatasetKind;
use slm_config::{
    Data, Dataset, Evaluate, HypothesisId, Improve, Lora, Objective, Output, Prefer, Recipe,
    Sampling, Sweep, Train, Workflow,
};

use super::children::{Program, Words};
use super::hashes::FileHashes;
use super::judge;
use super::state::Kind;
use super::tasks::{Part, Tasks};

/// Temperature of the answers by which rounds are compared, beside a greedy one.
const JUDGE_TEMPERATURE: f64 = 0.8;

/// Largest seed that a recipe may have, as a power of two.
const SEED_LIMIT: u64 = 1 << 53;

/// What all stages of a run share.
#[derive(Debug)]
pub(super) struct Stages<'a> {
    /// The user's recipe.
    pub(super) recipe: &'a Recipe,
    /// The folder of the run.
    pub(super) folder: PathBuf,
    /// The tasks.
    pub(super) tasks: &'a Tasks,
    /// Where to compute.
    pub(super) device: String,
    /// Whether programs may run without a sandbox.
    pub(super) unsafe_execution: bool,
    /// Hashes of files that did not change during the run.
    pub(super) hashes: FileHashes,
}

/// Returns what the recipe's objective learns from.
pub(super) fn kind_of_rows(recipe: &Recipe) -> DatasetKind {
    match recipe.train.objective {
        Objective::Sft => DatasetKind::Sft,
        Objective::Dpo | Objective::Orpo | Objective::Simpo => DatasetKind::Pairs,
        Objective::Kto => DatasetKind::Kto,
    }
}

impl Stages<'_> {
    fn round_folder(&self, round: usize) -> PathBuf {
        self.folder.join(format!("round-{round}"))
    }

    /// The folder that a stage writes.
    pub(super) fn folder_of(&self, kind: Kind, round: usize) -> PathBuf {
        self.round_folder(round).join(kind.name())
    }

    /// The recipe that a stage follows.
    pub(super) fn recipe_of(&self, kind: Kind, round: usize) -> PathBuf {
        let name = format!("{}.yaml", kind.name());
        self.round_folder(round).join(name)
    }

    /// The file that records what a stage was started with.
    pub(super) fn started_with(&self, kind: Kind, round: usize) -> PathBuf {
        let name = format!("{}.inputs.json", kind.name());
        self.round_folder(round).join(name)
    }

    /// The adapter of a round.
    pub(super) fn adapter_of(&self, round: usize) -> PathBuf {
        self.folder_of(Kind::Fit, round).join("adapter")
    }

    /// The folder of the files with the ids of tasks.
    pub(super) fn ids_folder(&self) -> PathBuf {
        self.folder.join("tasks")
    }

    /// The user's recipe without what does not change answers.
    fn answering(&self) -> Recipe {
        let mut recipe = self.recipe.clone();
        recipe.lora = Lora::default();
        recipe.data = Data::default();
        recipe.train = Train::default();
        recipe.output = Output::default();
        recipe.improve = Improve::default();
        let evaluate = &mut recipe.evaluate;
        evaluate.max_tasks = None;
        evaluate.workflows = vec![Workflow::Single];
        // Which point of the grid is best is not asked, but a sweep needs a declared effect.
        evaluate.hypotheses = Evaluate::default().hypotheses;
        evaluate.hypotheses.retain(|row| row.id == HypothesisId::H2);
        recipe
    }

    /// Returns the recipe of the answers that are learned from.
    pub(super) fn sample_recipe(&self, round: usize) -> Recipe {
        let Improve {
            samples,
            temperatures,
            top_p,
            workflow,
            ..
        } = &self.recipe.improve;
        let mut recipe = self.answering();
        let each = samples / temperatures.len().max(1);
        let evaluate = &mut recipe.evaluate;
        evaluate.benchmarks = self.tasks.benchmarks(Part::Train, &self.ids_folder());
        evaluate.sampling = Sampling {
            temperature: temperatures.first().copied().unwrap_or(1.0),
            top_p: *top_p,
            seed: (evaluate.sampling.seed + round as u64) % SEED_LIMIT,
            ..evaluate.sampling.clone()
        };
        evaluate.samples_per_task = each;
        evaluate.sweep = Sweep {
            temperatures: temperatures.clone(),
            top_p: vec![*top_p],
            samples_per_task: each,
            workflow: *workflow,
        };
        unambiguous(recipe)
    }

    /// Returns the recipe of the answers by which rounds are compared, the same in every round.
    pub(super) fn judge_recipe(&self) -> Recipe {
        let mut recipe = self.answering();
        let evaluate = &mut recipe.evaluate;
        evaluate.benchmarks = self.tasks.benchmarks(Part::Dev, &self.ids_folder());
        evaluate.sampling = Sampling {
            temperature: 0.0,
            top_p: 1.0,
            ..evaluate.sampling.clone()
        };
        evaluate.samples_per_task = 1;
        evaluate.sweep = Sweep {
            temperatures: vec![JUDGE_TEMPERATURE],
            top_p: vec![1.0],
            samples_per_task: self.recipe.improve.judge_samples,
            workflow: Workflow::Single,
        };
        unambiguous(recipe)
    }

    /// Returns the recipe whose evaluated tasks no row may come from.
    pub(super) fn data_recipe(&self) -> Recipe {
        let mut recipe = self.answering();
        let dev = self.tasks.benchmarks(Part::Dev, &self.ids_folder());
        recipe.evaluate.benchmarks.extend(dev);
        unambiguous(recipe)
    }

    /// Returns the recipe of a training on the `rows` rows of a round's data set.
    ///
    /// # Errors
    /// This version cannot train on rows of this kind.
    pub(super) fn fit_recipe(&self, round: usize, rows: usize) -> Result<Recipe> {
        let mut recipe = self.recipe.clone();
        let kind = kind_of_rows(&recipe);
        let own = std::mem::take(&mut recipe.data.datasets);
        recipe.data.datasets = vec![harvested(
            &self.folder_of(Kind::Data, round),
            kind,
            recipe.train.objective,
        )?];
        if kind == DatasetKind::Sft {
            let replayed = (recipe.improve.replay * rows as f64).round() as usize;
            recipe.data.datasets.extend(replay(own, replayed));
        }
        recipe.output.output_dir = Some(self.folder_of(Kind::Fit, round));
        recipe.improve = Improve::default();
        let dev = self.tasks.benchmarks(Part::Dev, &self.ids_folder());
        recipe.evaluate.benchmarks.extend(dev);
        Ok(unambiguous(recipe))
    }

    /// Returns the command of a stage; `adapter` is the one that answers in [`Kind::Sample`].
    ///
    /// # Errors
    /// The answers of an earlier round are missing.
    pub(super) fn command(
        &self,
        kind: Kind,
        round: usize,
        adapter: Option<&Path>,
    ) -> Result<Words> {
        let runs = (1..=round).map(|round| judge::run_below(&self.folder_of(Kind::Sample, round)));
        let runs = match kind {
            Kind::Data => runs.collect::<Result<Vec<_>>>()?,
            _ => Vec::new(),
        };
        Ok(self.command_over(kind, round, adapter, &runs))
    }

    /// Returns the command of a stage before there are runs, whose folders are shown as patterns.
    pub(super) fn planned_command(
        &self,
        kind: Kind,
        round: usize,
        adapter: Option<&Path>,
    ) -> Words {
        let runs = (1..=round).map(|round| self.folder_of(Kind::Sample, round).join("RUN"));
        self.command_over(kind, round, adapter, &runs.collect::<Vec<_>>())
    }

    fn command_over(
        &self,
        kind: Kind,
        round: usize,
        adapter: Option<&Path>,
        runs: &[PathBuf],
    ) -> Words {
        let text = |path: &Path| path.display().to_string();
        let recipe = text(&self.recipe_of(kind, round));
        let folder = text(&self.folder_of(kind, round));
        let mut words: Vec<String> = Vec::new();
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        let program = match kind {
            Kind::Sample | Kind::Judge => {
                add(&["sweep"]);
                let own = (round > 0).then(|| self.adapter_of(round));
                let answering = if kind == Kind::Sample {
                    adapter
                } else {
                    own.as_deref()
                };
                if let Some(adapter) = answering {
                    add(&[&text(adapter)]);
                }
                add(&["--recipe", &recipe, "--reports", &folder]);
                add(&["--device", &self.device]);
                if kind == Kind::Sample {
                    add(&["--allow-learned-tasks"]);
                }
                if self.unsafe_execution {
                    add(&["--unsafe-execution"]);
                }
                Program::Evaluator
            }
            Kind::Data => {
                let Improve {
                    keep,
                    prefer,
                    per_task,
                    rule,
                    ..
                } = &self.recipe.improve;
                let kind = kind_of_rows(self.recipe);
                add(&["dataset"]);
                for run in runs {
                    add(&[&text(run)]);
                }
                add(&["--to", kind.name(), "-o", &folder, "--recipe", &recipe]);
                add(&["--keep", keep.name(), "--prefer", prefer.name()]);
                add(&["--per-task", &per_task.to_string()]);
                if *prefer == Prefer::Likelihood {
                    add(&["--device", &self.device]);
                }
                if kind == DatasetKind::Pairs {
                    add(&["--rule", rule.name()]);
                }
                Program::Evaluator
            }
            Kind::Fit => {
                add(&["fit", &recipe, "--device", &self.device]);
                Program::Trainer
            }
        };
        Words { program, words }
    }
}

/// Returns the data set in `folder` as a recipe names it.
fn harvested(folder: &Path, kind: DatasetKind, objective: Objective) -> Result<Dataset> {
    let format = match kind {
        DatasetKind::Sft | DatasetKind::Plans | DatasetKind::Sketches | DatasetKind::Verifier => {
            "prompt_completion"
        }
        DatasetKind::Pairs => "pairs",
        DatasetKind::Kto | DatasetKind::Routes | DatasetKind::Decompositions => "kto",
    };
    let path = serde_json::to_string(&folder.display().to_string())?;
    let objective = objective.name();
    let text = format!(
        "model: {{name_or_path: x}}\ntrain: {{objective: {objective}}}\n\
         data: {{datasets: [{{path: {path}, format: {format}}}]}}\n"
    );
    let recipe = Recipe::parse(&text, Path::new("data"), &[], slm_benchmarks::NAMES)?;
    let dataset = recipe.data.datasets.into_iter().next();
    dataset.context("a recipe with a data set has one")
}

/// Returns the recipe's own data sets with `n` examples in all, divided by their weights.
fn replay(own: Vec<Dataset>, n: usize) -> Vec<Dataset> {
    let total: f64 = own.iter().map(|dataset| dataset.weight).sum();
    let (mut weight, mut taken) = (0.0, 0);
    let mut replayed = Vec::new();
    for dataset in own {
        weight += dataset.weight;
        // Rounded sums, so that the shares add up to `n`.
        let until = (n as f64 * weight / total).round() as usize;
        let share = until.saturating_sub(taken);
        taken = until;
        let most = dataset.max_examples.unwrap_or(usize::MAX).min(share);
        if most > 0 {
            replayed.push(Dataset {
                weight: 1.0,
                max_examples: Some(most),
                ..dataset
            });
        }
    }
    replayed
}

/// Writes relative paths in full where the folder of a stage's recipe could contain another file of that name.
fn unambiguous(mut recipe: Recipe) -> Recipe {
    let full = |path: &Path| -> Option<PathBuf> {
        let first = path.components().find_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
        let kinds = Kind::OF_ROUND.map(Kind::name);
        let is_taken = first.is_some_and(|first| kinds.contains(&first));
        let is_file = path.is_relative() && is_taken && path.exists();
        is_file.then(|| std::path::absolute(path).ok()).flatten()
    };
    let replace_text = |text: &mut String| {
        if let Some(path) = full(Path::new(text.as_str())) {
            *text = path.display().to_string();
        }
    };
    replace_text(&mut recipe.model.name_or_path);
    for dataset in &mut recipe.data.datasets {
        replace_text(&mut dataset.path);
    }
    let prompts = recipe.evaluate.prompts.entries_mut();
    let prompts = prompts.map(|(_, file)| file);
    let benchmarks = recipe.evaluate.benchmarks.iter_mut();
    let files = benchmarks.flat_map(|named| [&mut named.path, &mut named.task_ids]);
    for file in files.chain(prompts) {
        if let Some(path) = file.as_deref().and_then(full) {
            *file = Some(path);
        }
    }
    recipe
}
