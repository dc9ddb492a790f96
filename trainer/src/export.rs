//! `trainer merge` and `trainer export`: adapters for other programs.

mod modelfile;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slm_artifacts::AdapterFolder;
use slm_cli::{Failure, Progress, UserMistake};
use slm_model::{
    Adapter, DeviceChoice, GgufType, LoadedAdapter, MergeError, NewGguf, WeightType, write_merged,
    write_merged_gguf,
};

use crate::arguments::{ExportArguments, MergeArguments, RecipeArguments};
use crate::export_types::{ExportFormat, ExportType};
use crate::folder::{commit_file, commit_folder, replace_file};
use crate::setup::{Setup, adapter_folder};

/// Merges an adapter into its base model.
pub(crate) fn merge(arguments: &MergeArguments) -> Result<(), Failure> {
    let MergeArguments {
        recipe,
        adapter,
        output,
        dtype,
    } = arguments;
    Ok(write_model(recipe, adapter, output, (*dtype).into())?)
}

/// Writes an adapter in another program's format.
pub(crate) fn run(arguments: &ExportArguments) -> Result<(), Failure> {
    let ExportArguments {
        recipe,
        adapter,
        output,
        to,
        kind,
    } = arguments;
    let tensors = || kind.map(ExportType::of_tensors).transpose();
    match to {
        ExportFormat::Merged => {
            let dtype = tensors()?;
            write_model(recipe, adapter, output, dtype.unwrap_or(WeightType::Bf16))?;
        }
        ExportFormat::Gguf if kind.is_some() => {
            let text = "--type is not for `--to gguf`, whose adapters are in single precision\nhint: omit it";
            return Err(anyhow::Error::from(UserMistake(text.to_owned())).into());
        }
        ExportFormat::Gguf => write_gguf(recipe, adapter, output)?,
        ExportFormat::Peft => {
            let dtype = tensors()?;
            write_peft(recipe, adapter, output, dtype)?;
        }
        ExportFormat::MergedGguf => {
            let kind = kind.map(ExportType::of_gguf).transpose()?;
            write_model_gguf(recipe, adapter, output, kind)?;
        }
    }
    Ok(())
}

/// Refuses a path that exists.
fn refuse_existing(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let text = format!(
        "{} already exists\nhint: choose another output, or remove it",
        path.display()
    );
    Err(UserMistake(text).into())
}

/// Opens the base model's files and loads the adapter on the CPU; refuses an `output` that exists.
fn open(recipe: &RecipeArguments, adapter: &Path, output: &Path) -> Result<(Setup, LoadedAdapter)> {
    refuse_existing(output)?;
    let adapter = &adapter_folder(adapter)?;
    let setup = Setup::open_without_data(recipe)?;
    let (_, device) = DeviceChoice::Cpu.open()?;
    let name = setup.recipe.model.base_model_name();
    let loaded = Adapter::load(adapter, setup.base.config(), name, &device)
        .with_context(|| format!("cannot read the adapter {}", adapter.display()))?;
    for warning in &loaded.warnings {
        slm_cli::note(&format!("warning: {warning}"));
    }
    Ok((setup, loaded))
}

fn write_model(
    recipe: &RecipeArguments,
    adapter: &Path,
    output: &Path,
    dtype: WeightType,
) -> Result<()> {
    let (setup, LoadedAdapter { adapter, .. }) = open(recipe, adapter, output)?;
    let template = template_of(&setup)?;
    let mut progress = Progress::new("merging", 0, "tensors");
    commit_folder(output, |part| {
        let report = |done, total| {
            progress.set_total(total as u64);
            progress.set(done as u64, "");
        };
        let merged = write_merged(setup.base.weights(), &adapter, part, dtype, report);
        merged.map_err(merge_error)?;
        if let Some(text) = &template {
            // transformers prefers this file to the template in `tokenizer_config.json`.
            let path = part.join("chat_template.jinja");
            std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        }
        Ok(())
    })
    .context("cannot write the merged model")?;
    progress.finish();
    slm_cli::result(&format!("model: {}", output.display()));
    Ok(())
}

fn write_gguf(recipe: &RecipeArguments, adapter: &Path, output: &Path) -> Result<()> {
    let (setup, LoadedAdapter { adapter, .. }) = open(recipe, adapter, output)?;
    commit_file(output, |part| {
        Ok(adapter.save_gguf(part, setup.base.config())?)
    })
    .context("cannot write the adapter")?;
    slm_cli::result(&format!("adapter: {}", output.display()));
    Ok(())
}

/// The text of the chat template that the recipe names, if it names one.
fn template_of(setup: &Setup) -> Result<Option<String>> {
    let path = setup.recipe.model.chat_template.as_deref();
    path.map(slm_cli::read_template).transpose()
}

/// Writes base model and adapter as one GGUF file, and a `Modelfile` beside it.
fn write_model_gguf(
    recipe: &RecipeArguments,
    adapter: &Path,
    output: &Path,
    kind: Option<GgufType>,
) -> Result<()> {
    let modelfile = modelfile_of(output);
    if modelfile == *output {
        let text = format!(
            "{} is the name of a Modelfile\nhint: choose a name that ends in .gguf",
            output.display()
        );
        return Err(UserMistake(text).into());
    }
    refuse_existing(&modelfile)?;
    let (setup, LoadedAdapter { adapter, .. }) = open(recipe, adapter, output)?;
    let mut progress = Progress::new("merging", 0, "tensors");
    let report = |done, total| {
        progress.set_total(total as u64);
        progress.set(done as u64, "");
    };
    let template = template_of(&setup)?;
    let base_name = setup.recipe.model.base_model_name().trim_end_matches('/');
    let new = NewGguf {
        kind,
        // Without the owner of a repository, or the folders of a path.
        name: base_name.rsplit('/').next().unwrap_or(base_name),
        chat_template: template.as_deref(),
    };
    commit_file(output, |part| {
        write_merged_gguf(setup.base.weights(), &adapter, part, new, report).map_err(merge_error)
    })
    .context("cannot write the merged model")?;
    progress.finish();
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let text = modelfile::text(&name(output), &setup.template, &setup.tokenizer);
    let folder = output.parent().unwrap_or(Path::new(""));
    replace_file(folder, &name(&modelfile), &text)?;
    slm_cli::result(&format!("model: {}", output.display()));
    slm_cli::result(&format!("for Ollama: {}", modelfile.display()));
    Ok(())
}

/// The `Modelfile` of a GGUF file: `model.Modelfile` for `model.gguf`.
fn modelfile_of(output: &Path) -> PathBuf {
    output.with_extension("Modelfile")
}

/// Marks what another choice of base model, adapter or output would avoid as the user's mistake.
fn merge_error(error: MergeError) -> anyhow::Error {
    match error {
        MergeError::NoGguf { .. }
        | MergeError::Tokenizer { .. }
        | MergeError::NoBias { .. }
        | MergeError::Unties { .. } => UserMistake(error.to_string()).into(),
        error => error.into(),
    }
}

/// Writes the two files that PEFT reads, after checking the adapter against the base model: with `dtype` the tensors are
/// rounded to it, without it they are copied.
fn write_peft(
    recipe: &RecipeArguments,
    adapter: &Path,
    output: &Path,
    dtype: Option<WeightType>,
) -> Result<()> {
    let adapter = adapter_folder(adapter)?;
    let (_, loaded) = open(recipe, &adapter, output)?;
    commit_folder(output, |part| {
        let copy = |name| {
            std::fs::copy(adapter.join(name), part.join(name))
                .with_context(|| format!("cannot copy {name}"))
        };
        let is_renamed = loaded.has_wrapped_names;
        if is_renamed {
            let settings = Adapter::settings(&adapter)?;
            let (lora, origin) = (&settings.lora, &settings.origin);
            loaded.adapter.save_settings(part, lora, origin)?;
        } else {
            copy(AdapterFolder::CONFIG)?;
        }
        match dtype.or(is_renamed.then_some(WeightType::F32)) {
            Some(dtype) => loaded.adapter.save_weights(part, dtype)?,
            None => drop(copy(AdapterFolder::WEIGHTS)?),
        }
        Ok(())
    })?;
    slm_cli::result(&format!("adapter: {}", output.display()));
    Ok(())
}
