//! `lora.init_from`: the adapter that a training starts from.

mod base;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::Device;
use serde::Serialize;
use slm_artifacts::{
    AdapterFolder, CHECKPOINTS, LearnedDataset, StartingAdapter, TrainingSummary, adapter_by_name,
    sha256_of_file, sha256_of_texts,
};
use slm_cli::{BaseModel, UserMistake};
use slm_config::{Objective, Recipe};
use slm_model::{Adapter, AdapterOrigin, LoraSettings, ModelConfig, SavedModule};

use crate::lora_settings::lora_settings;

/// The adapter that a training starts from, without its tensors.
#[derive(Debug)]
pub(crate) struct SourceAdapter {
    folder: PathBuf,
    /// SHA-256 of its tensors.
    sha256: String,
    /// SHA-256 of its settings.
    config_sha256: String,
    origin: AdapterOrigin,
    lora: LoraSettings,
    /// The summary of its training; `None` for an adapter of another program.
    training: Option<TrainingSummary>,
}

/// An adapter as `trainer plan` and `trainer data` show it.
#[derive(Debug, Serialize)]
pub(crate) struct ShownSource {
    path: String,
    sha256: String,
    base_model: String,
    r: usize,
    lora_alpha: f64,
    /// Optimizer steps of its training, and the data sets; `null` for an adapter of another program.
    steps: Option<usize>,
    datasets: Option<Vec<String>>,
}

impl SourceAdapter {
    /// Opens the adapter that the recipe starts from, if it names one, and writes its folder into the recipe.
    ///
    /// # Errors
    /// There is no such adapter, it is broken, of another base model or in the folder that the training writes, or the recipe
    /// contradicts it.
    pub(crate) fn open(recipe: &mut Recipe, base: &BaseModel) -> Result<Option<Self>> {
        let Some(init_from) = &mut recipe.lora.init_from else {
            return Ok(None);
        };
        let folder = adapter_by_name(&init_from.path, Path::new(CHECKPOINTS));
        let folder = folder.map_err(|error| UserMistake(format!("`lora.init_from`: {error}")))?;
        init_from.path.clone_from(&folder);
        refuse_output(&folder, &recipe.output_dir())?;
        let settings = Adapter::settings(&folder)?;
        let hash_of = |path: &Path| {
            sha256_of_file(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let source = Self {
            sha256: Adapter::sha256(&folder)?,
            config_sha256: hash_of(&AdapterFolder(&folder).config())?,
            training: training_of(&folder)?,
            origin: settings.origin,
            lora: settings.lora,
            folder,
        };
        for warning in settings.warnings {
            slm_cli::note(&format!("warning: {warning}"));
        }
        base::check(&source, &recipe.model, base)?;
        lora_settings(recipe, base.config())?;
        source.refuse_training(recipe, base.config())?;
        // Its tensors are read once here, so that no command that shows the training accepts one that cannot run.
        source.load(recipe, base.config(), &Device::flex())?;
        Ok(Some(source))
    }

    /// The adapter's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Identifies the adapter by its tensors and its settings.
    pub(crate) fn fingerprint(&self) -> String {
        sha256_of_texts([self.sha256.as_str(), &self.config_sha256])
    }

    /// Whether it trains the output projection.
    pub(crate) fn trains_head(&self, config: &ModelConfig) -> bool {
        self.lora.trains_head(config)
    }

    /// Loads the adapter's values onto a device, on which they can be trained if it is an autodiff device.
    ///
    /// # Errors
    /// A file is broken, or the tensors do not fit the base model.
    pub(crate) fn load(
        &self,
        recipe: &Recipe,
        config: &ModelConfig,
        device: &Device,
    ) -> Result<Adapter> {
        let name = recipe.model.base_model_name();
        let loaded = Adapter::load(&self.folder, config, name, device);
        Ok(loaded.context("`lora.init_from`")?.adapter)
    }

    /// The data sets of tested answers that the adapter and those that it started from have learned.
    pub(crate) fn learned(&self) -> impl Iterator<Item = &LearnedDataset> {
        self.training.iter().flat_map(TrainingSummary::learned)
    }

    /// The record in `training.json`, with the validation loss before the first step.
    pub(crate) fn record(&self, validation_loss: Option<f64>) -> StartingAdapter {
        StartingAdapter {
            path: self.folder.display().to_string(),
            sha256: self.sha256.clone(),
            config_sha256: self.config_sha256.clone(),
            base_model: self.origin.base_model_name_or_path.clone(),
            validation_loss,
            training: self.training.clone(),
        }
    }

    /// Describes the adapter in words that follow `init_from`.
    pub(crate) fn text(&self) -> String {
        let LoraSettings {
            r,
            lora_alpha,
            use_rslora,
            use_dora,
            ..
        } = &self.lora;
        let variants = [(*use_rslora, ", rsLoRA"), (*use_dora, ", DoRA")];
        let variants = variants.into_iter().filter(|(is_on, _)| *is_on);
        let variants: String = variants.map(|(_, name)| name).collect();
        let learned = match &self.training {
            None => "no record of what it learned".to_owned(),
            Some(training) => format!(
                "{} steps on {}",
                training.steps,
                listed(training.data.iter().map(|counts| counts.path.as_str()))
            ),
        };
        format!(
            "{}: rank {r}, alpha {lora_alpha}{variants}, of {}; {learned}",
            self.folder.display(),
            self.origin.base_model_name_or_path
        )
    }

    /// The same as data.
    pub(crate) fn shown(&self) -> ShownSource {
        let training = self.training.as_ref();
        let paths = |training: &TrainingSummary| {
            let paths = training.data.iter().map(|counts| counts.path.clone());
            paths.collect()
        };
        ShownSource {
            path: self.folder.display().to_string(),
            sha256: self.sha256.clone(),
            base_model: self.origin.base_model_name_or_path.clone(),
            r: self.lora.r,
            lora_alpha: self.lora.lora_alpha,
            steps: training.map(|training| training.steps),
            datasets: training.map(paths),
        }
    }

    /// Refuses an adapter that the recipe's objective or dropout cannot train.
    fn refuse_training(&self, recipe: &Recipe, config: &ModelConfig) -> Result<()> {
        let objective = recipe.train.objective;
        let problem = if objective != Objective::Sft && self.trains_head(config) {
            format!(
                "trains lm_head, which train.objective {} does not allow",
                objective.name()
            )
        } else if recipe.lora.lora_dropout > 0.0
            && self.lora.vocabulary_pairs.contains(&SavedModule::LmHead)
        {
            "has LoRA on lm_head, which lora.lora_dropout does not reach".to_owned()
        } else {
            return Ok(());
        };
        let hint = if objective == Objective::Sft {
            "set `lora.lora_dropout` to 0"
        } else {
            "merge the adapter with `trainer merge`, and train a new adapter of the merged model"
        };
        let folder = self.folder.display();
        Err(UserMistake(format!(
            "`lora.init_from`: {folder} {problem}\nhint: {hint}"
        ))
        .into())
    }
}

/// Reads the summary of an adapter's training.
///
/// # Errors
/// It exists and cannot be read, so that it would be lost what the adapter has learned.
fn training_of(folder: &Path) -> Result<Option<TrainingSummary>> {
    let folder = AdapterFolder(folder);
    let summary = folder.read_training();
    if summary.is_some() || !folder.training().exists() {
        return Ok(summary);
    }
    let text = format!(
        "{}: cannot be read, so that it is unknown from which tasks the adapter learned\n\
         hint: restore the file, or train the adapter again",
        folder.training().display()
    );
    Err(UserMistake(text).into())
}

/// Refuses an adapter in the folder that the training writes.
fn refuse_output(folder: &Path, output: &Path) -> Result<()> {
    let real = |path: &Path| path.canonicalize().ok();
    let is_inside = real(output)
        .zip(real(folder))
        .is_some_and(|(output, folder)| folder.starts_with(output));
    if !is_inside {
        return Ok(());
    }
    let text = format!(
        "`lora.init_from`: {} is in the folder {}, which this training writes\n\
         hint: give this training another `name`, or set `output.output_dir` to another folder",
        folder.display(),
        output.display()
    );
    Err(UserMistake(text).into())
}

/// Joins names; none are `no data`.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        "no data".to_owned()
    } else {
        names.join(", ")
    }
}
