//! `trainer validate`: the loss of a base model or an adapter on a recipe's validation split, or on a file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use slm_cli::{Failure, Progress, UserMistake};
use slm_config::{Columns, Dataset, DatasetFormat, Recipe, RowFormat};
use slm_model::Adapter;

use crate::arguments::ValidateArguments;
use crate::dataset;
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
    let (_, device) = device
        .device
        .open()
        .map_err(|e| UserMistake(e.to_string()))?;
    if let Some(file) = data {
        let dataset = of_file(file, *format, &setup.recipe);
        setup.recipe.data.datasets = vec![dataset];
        setup.recipe.data.val_size = 0.0;
        // The file is measured in full, even where it overlaps with the benchmark tasks.
        setup.recipe.data.decontaminate = false;
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
        (train.micro_batch_size, train.loss_chunk_size),
        |done| progress.set(done as u64, ""),
    )?;
    progress.finish();
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
            "loss {loss:.4} nats per token, perplexity {perplexity:.3}, over {supervised_tokens} tokens of {examples} examples"
        ));
    }
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
    let columns = similar
        .filter(|dataset| dataset.format == format)
        .map_or_else(Columns::default, |dataset| dataset.columns.clone());
    Dataset {
        path: file.display().to_string(),
        format,
        weight: 1.0,
        max_examples: None,
        columns,
        only: BTreeMap::new(),
        min_body_lines: None,
        max_body_lines: None,
        min_docstring_words: None,
        min_maintainability_index: None,
        max_cyclomatic_complexity: None,
        exclude_licences: Vec::new(),
    }
}
