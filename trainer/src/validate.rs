//! `trainer validate`: the loss of a base model or an adapter on a recipe's validation split, or on a file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use slm_artifacts::{HeldOutPreferences, counted};
use slm_cli::{Failure, Progress, UserMistake};
use slm_config::{Columns, Dataset, DatasetFormat, Recipe, RowFormat};
use slm_model::{Adapter, Decoder};

use crate::arguments::ValidateArguments;
use crate::batch::StaticShapes;
use crate::dataset::{self, Examples, Units};
use crate::init_from::SourceAdapter;
use crate::preference::{
    Objective, PreferenceValidation, Preferences, Reference, validate_preferences,
};
use crate::setup::{Setup, adapter_folder, check_positions};
use crate::validation::{Validation, validate};

/// The output of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    adapter: Option<&'a Path>,
    #[serde(flatten)]
    validation: Validation,
}

/// Measures and prints the loss.
pub(crate) fn run(arguments: &ValidateArguments) -> Result<(), Failure> {
    Ok(measure(arguments)?)
}

fn measure(arguments: &ValidateArguments) -> Result<()> {
    let ValidateArguments {
        recipe,
        device,
        adapter,
        data,
        format,
        json,
    } = arguments;
    // Before anything is fetched or loaded.
    let adapter = adapter.as_deref().map(adapter_folder).transpose()?;
    let mut setup = if data.is_some() {
        let setup = Setup::open_without_data(recipe)?;
        check_positions(&setup.recipe, setup.base.max_positions())?;
        setup
    } else {
        Setup::open(recipe)?
    };
    let (_, device) = slm_cli::open_device(device.device)?;
    if let Some(file) = data {
        let dataset = of_file(file, *format, &setup.recipe);
        setup.recipe.data.datasets = vec![dataset];
        setup.recipe.data.val_size = 0.0;
        // The file is measured in full, even where it overlaps with the benchmark tasks: nothing is learned from it.
        setup.recipe.data.decontaminate = false;
        setup.recipe.evaluate.benchmarks.clear();
    }
    let folder = std::env::temp_dir();
    let examples = dataset::load(&setup, &folder)?;
    for counts in &examples.counts {
        slm_cli::note(&format!("data               {counts}"));
    }
    let indices = if data.is_some() {
        &examples.train
    } else {
        &examples.validation
    };
    if indices.is_empty() {
        let text = "the recipe keeps no example for validation\n\
                    hint: set `data.val_size`, as in --set data.val_size=0.1, or name a file with --data";
        return Err(UserMistake(text.to_owned()).into());
    }
    let decoder = setup.base.load(&device)?;
    let model = setup.recipe.model.base_model_name();
    let loaded = adapter
        .as_ref()
        .map(|folder| Adapter::load(folder, decoder.config(), model, &device))
        .transpose()
        .context("cannot read the adapter")?;
    for warning in loaded.iter().flat_map(|loaded| &loaded.warnings) {
        slm_cli::note(&format!("warning: {warning}"));
    }
    if let Some(folder) = &adapter {
        slm_cli::note_other_template(folder, &setup.template);
    }
    if examples.units != Units::Rows {
        let adapter = loaded.as_ref().map(|loaded| &loaded.adapter);
        let found = preferences(&setup, &decoder, adapter, &examples, indices)?;
        slm_cli::check_backend()?;
        let folder = arguments.adapter.as_deref();
        return print_preferences(model, folder, found, *json);
    }
    let tokens = indices
        .iter()
        .map(|&index| examples.store.n_tokens(index as usize));
    let mut progress = Progress::new("validating", tokens.sum::<usize>() as u64, "tokens");
    let train = &setup.recipe.train;
    let validation = validate(
        &decoder,
        loaded.as_ref().map(|loaded| &loaded.adapter),
        &examples.store,
        indices,
        (
            StaticShapes::of_recipe(&setup.recipe).without_packing(train.micro_batch_size),
            train.loss_chunk_size,
        ),
        |done| progress.set(done as u64, ""),
    )?;
    progress.finish();
    slm_cli::check_backend()?;
    if *json {
        let report = Report {
            model,
            adapter: adapter.as_deref(),
            validation,
        };
        slm_cli::document(&serde_json::to_string_pretty(&report)?);
    } else {
        let Validation {
            loss,
            perplexity,
            supervised_tokens,
            examples,
        } = validation;
        slm_cli::result(&format!(
            "loss {loss:.4} nats per token, perplexity {perplexity:.3}, over {} of {}",
            counted(supervised_tokens, "token"),
            counted(examples, "example")
        ));
    }
    Ok(())
}

/// Measures the loss of the recipe's preference objective; the log-probabilities of the base model, or of the adapter of
/// `lora.init_from`, are computed first.
fn preferences(
    Setup { recipe, base, .. }: &Setup,
    decoder: &Decoder,
    adapter: Option<&Adapter>,
    examples: &Examples,
    indices: &[u32],
) -> Result<PreferenceValidation> {
    let train = &recipe.train;
    let objective = Objective::from(train);
    let suits = match examples.units {
        Units::Pairs => objective.has_pairs(),
        Units::Labelled(_) => matches!(objective, Objective::Kto { .. }),
        Units::Rows => false,
    };
    if !suits {
        let text = format!(
            "the data are {}s, which `train.objective: {}` does not learn from\n\
             hint: --set train.objective=dpo measures pairs, kto labelled answers",
            examples.units.noun(),
            train.objective.name()
        );
        return Err(UserMistake(text).into());
    }
    let reference = objective.has_reference().then(|| {
        let source = SourceAdapter::open(&mut recipe.clone(), base)?;
        let start = source.map(|source| source.load(recipe, base.config(), decoder.device()));
        let start = start.transpose()?;
        let sequences = train.micro_batch_size * objective.sequences_per_unit();
        let shapes = StaticShapes::of_recipe(recipe).without_packing(sequences);
        let sizes = (shapes, train.loss_chunk_size);
        let units = indices.iter().copied();
        let start = (decoder, start.as_ref());
        Reference::compute(start, examples, units, sizes, String::new())
    });
    let reference = reference.transpose()?;
    let preferences = Preferences {
        examples,
        objective,
        reference: reference.as_ref(),
        micro_batch_size: train.micro_batch_size,
        chunk_size: train.loss_chunk_size,
        max_seq_length: recipe.data.max_seq_length,
    };
    let tokens: usize = indices.iter().map(|&unit| examples.n_tokens(unit)).sum();
    let mut progress = Progress::new("validating", tokens as u64, "tokens");
    let found = validate_preferences(decoder, adapter, preferences, indices, |done| {
        progress.set(done as u64, "");
    })?;
    progress.finish();
    Ok(found)
}

/// The output of `--json` for a preference objective.
#[derive(Serialize)]
struct PreferenceReport<'a> {
    model: &'a str,
    adapter: Option<&'a Path>,
    loss: f64,
    #[serde(flatten)]
    preferences: HeldOutPreferences,
}

fn print_preferences(
    model: &str,
    adapter: Option<&Path>,
    PreferenceValidation { loss, held_out, .. }: PreferenceValidation,
    json: bool,
) -> Result<()> {
    let preferences = held_out.context("no preference is left")?;
    if json {
        let report = PreferenceReport {
            model,
            adapter,
            loss,
            preferences,
        };
        slm_cli::document(&serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let margin = preferences.figures.reward_margin;
    let margin = margin.map_or_else(String::new, |margin| {
        format!(", reward margin {margin:+.4}")
    });
    slm_cli::result(&format!(
        "loss {loss:.4}, {}{margin}",
        preferences.text("preferences")
    ));
    Ok(())
}

/// Makes a data set of a single file; without a given format it takes that of the recipe's first file of rows.
fn of_file(file: &Path, format: Option<&'static RowFormat>, recipe: &Recipe) -> Dataset {
    let mut datasets = recipe.data.datasets.iter();
    let similar = datasets.find(|dataset| dataset.format != DatasetFormat::PythonSource);
    let format = format
        .map(DatasetFormat::Rows)
        .or(similar.map(|dataset| dataset.format))
        .unwrap_or(DatasetFormat::Rows(RowFormat::MESSAGES));
    let similar = similar.filter(|dataset| dataset.format == format);
    let columns = similar.map_or_else(Columns::default, |dataset| dataset.columns.clone());
    let special_tokens = similar.map(|dataset| dataset.special_tokens);
    Dataset {
        path: file.display().to_string(),
        format,
        weight: 1.0,
        max_examples: None,
        split: None,
        subset: None,
        join_turns: similar.is_some_and(|dataset| dataset.join_turns && dataset.format == format),
        columns,
        only: BTreeMap::new(),
        special_tokens: special_tokens.unwrap_or_default(),
        fim_rate: similar.and_then(|dataset| dataset.fim_rate),
        spm_rate: similar.and_then(|dataset| dataset.spm_rate),
        spm_layout: similar.and_then(|dataset| dataset.spm_layout),
        fim_cut: similar.and_then(|dataset| dataset.fim_cut),
        fim_tokens: similar.and_then(|dataset| dataset.fim_tokens.clone()),
        min_body_lines: None,
        max_body_lines: None,
        min_docstring_words: None,
        min_maintainability_index: None,
        max_cyclomatic_complexity: None,
        exclude_licences: Vec::new(),
    }
}
