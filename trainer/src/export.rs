//! `trainer merge` and `trainer export`: adapters for other programs.

use std::path::Path;

use anyhow::{Context, Result};
use slm_artifacts::AdapterFolder;
use slm_cli::{Failure, Progress, UserMistake};
use slm_model::{Adapter, DeviceChoice, MergeError, WeightType, write_merged, write_merged_gguf};

use crate::arguments::{
    ExportArguments, ExportFormat, MergeArguments, MergedType, RecipeArguments,
};
use crate::folder::{commit_file, commit_folder};
use crate::setup::{Setup, adapter_folder};

/// Merges an adapter into its base model.
pub(crate) fn merge(arguments: &MergeArguments) -> Result<(), Failure> {
    let MergeArguments {
        recipe,
        adapter,
        output,
        dtype,
    } = arguments;
    Ok(write_model(recipe, adapter, output, *dtype)?)
}

/// Writes an adapter in another program's format.
pub(crate) fn run(arguments: &ExportArguments) -> Result<(), Failure> {
    let ExportArguments {
        recipe,
        adapter,
        output,
        to,
    } = arguments;
    match to {
        ExportFormat::Merged => write_model(recipe, adapter, output, MergedType::Bf16)?,
        ExportFormat::Gguf => write_gguf(recipe, adapter, output)?,
        ExportFormat::Peft => write_peft(recipe, adapter, output)?,
        ExportFormat::MergedGguf => write_model_gguf(recipe, adapter, output)?,
    }
    Ok(())
}

/// Opens the base model's files and loads the adapter on the CPU; refuses an `output` that exists.
fn open(recipe: &RecipeArguments, adapter: &Path, output: &Path) -> Result<(Setup, Adapter)> {
    if output.exists() {
        let text = format!(
            "{} already exists\nhint: choose another output, or remove it",
            output.display()
        );
        return Err(UserMistake(text).into());
    }
    let adapter = &adapter_folder(adapter)?;
    let setup = Setup::open_without_data(recipe)?;
    let (_, device) = DeviceChoice::Cpu.open()?;
    let name = setup.recipe.model.base_model_name();
    let loaded = Adapter::load(adapter, setup.base.config(), name, &device)
        .with_context(|| format!("cannot read the adapter {}", adapter.display()))?;
    for warning in &loaded.warnings {
        slm_cli::note(&format!("warning: {warning}"));
    }
    Ok((setup, loaded.adapter))
}

fn write_model(
    recipe: &RecipeArguments,
    adapter: &Path,
    output: &Path,
    dtype: MergedType,
) -> Result<()> {
    let (setup, adapter) = open(recipe, adapter, output)?;
    let dtype = match dtype {
        MergedType::Bf16 => WeightType::Bf16,
        MergedType::F16 => WeightType::F16,
        MergedType::F32 => WeightType::F32,
    };
    let mut progress = Progress::new("merging", 0, "tensors");
    commit_folder(output, |part| {
        let report = |done, total| {
            progress.set_total(total as u64);
            progress.set(done as u64, "");
        };
        Ok(write_merged(
            setup.base.weights(),
            &adapter,
            part,
            dtype,
            report,
        )?)
    })
    .context("cannot write the merged model")?;
    progress.finish();
    slm_cli::result(&format!("model: {}", output.display()));
    Ok(())
}

fn write_gguf(recipe: &RecipeArguments, adapter: &Path, output: &Path) -> Result<()> {
    let (setup, adapter) = open(recipe, adapter, output)?;
    commit_file(output, |part| {
        Ok(adapter.save_gguf(part, setup.base.config())?)
    })
    .context("cannot write the adapter")?;
    slm_cli::result(&format!("adapter: {}", output.display()));
    Ok(())
}

fn write_model_gguf(recipe: &RecipeArguments, adapter: &Path, output: &Path) -> Result<()> {
    let (setup, adapter) = open(recipe, adapter, output)?;
    let mut progress = Progress::new("merging", 0, "tensors");
    let report = |done, total| {
        progress.set_total(total as u64);
        progress.set(done as u64, "");
    };
    commit_file(output, |part| {
        match write_merged_gguf(setup.base.weights(), &adapter, part, report) {
            Err(error @ MergeError::NoGguf { .. }) => Err(UserMistake(error.to_string()).into()),
            done => Ok(done?),
        }
    })
    .context("cannot write the merged model")?;
    progress.finish();
    slm_cli::result(&format!("model: {}", output.display()));
    Ok(())
}

/// Copies the two files that PEFT reads, after checking the adapter against the base model.
fn write_peft(recipe: &RecipeArguments, adapter: &Path, output: &Path) -> Result<()> {
    let adapter = adapter_folder(adapter)?;
    open(recipe, &adapter, output)?;
    commit_folder(output, |part| {
        for name in [AdapterFolder::CONFIG, AdapterFolder::WEIGHTS] {
            std::fs::copy(adapter.join(name), part.join(name))
                .with_context(|| format!("cannot copy {name}"))?;
        }
        Ok(())
    })?;
    slm_cli::result(&format!("adapter: {}", output.display()));
    Ok(())
}
