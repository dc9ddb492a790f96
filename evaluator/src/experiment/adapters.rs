//! Which adapters are meant, by which recipe they are judged, and what they are called in the report.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_cli::UserMistake;
use slm_config::Recipe;

use crate::arguments::CommonArguments;
use slm_artifacts::{AdapterFolder, BASE_ARM};

/// An adapter that a user named, or the newest.
pub(super) struct NamedAdapter {
    pub(super) folder: PathBuf,
    /// The arm's name: that of the recipe by which it was trained.
    pub(super) name: String,
}

/// The adapters to be judged, and the recipe to judge them by.
///
/// # Errors
/// A folder is none of an adapter, or there is no recipe.
pub(super) fn choose(
    named: &[PathBuf],
    newest_if_none: bool,
    arguments: &CommonArguments,
) -> Result<(Vec<NamedAdapter>, Recipe)> {
    let folders = if named.is_empty() && newest_if_none {
        vec![newest(Path::new("checkpoints"))?]
    } else {
        named.to_vec()
    };
    let own: Vec<PathBuf> = folders
        .iter()
        .map(|folder| recipe_of(folder))
        .collect::<Result<_, _>>()?;
    let path = recipe_path(&own, arguments)?;
    let recipe = Recipe::load_without_data(&path, &arguments.overrides(), slm_benchmarks::NAMES)?;
    let mut chosen: Vec<NamedAdapter> = Vec::new();
    for (folder, own) in folders.into_iter().zip(own) {
        // A single adapter is judged by its own recipe or by one that was given for it.
        let trained_by = Recipe::load(&own, &[], slm_benchmarks::NAMES).ok();
        let stem = trained_by.as_ref().unwrap_or(&recipe).name().to_owned();
        let taken = |name: &str| name == BASE_ARM || chosen.iter().any(|other| other.name == name);
        let (mut name, mut number) = (stem.clone(), 1);
        while taken(&name) {
            number += 1;
            name = format!("{stem}-{number}");
        }
        chosen.push(NamedAdapter { folder, name });
    }
    Ok((chosen, recipe))
}

/// The adapter that was finished last under `checkpoints`.
fn newest(checkpoints: &Path) -> Result<PathBuf, UserMistake> {
    let finished = |folder: PathBuf| {
        let written = fs::metadata(AdapterFolder(&folder).weights())
            .and_then(|file| file.modified())
            .ok()?;
        folder
            .join(AdapterFolder::RECIPE)
            .is_file()
            .then_some((written, folder))
    };
    fs::read_dir(checkpoints)
        .into_iter()
        .flatten()
        .filter_map(|entry| finished(entry.ok()?.path().join("adapter")))
        .max()
        .map(|(_, folder)| folder)
        .ok_or_else(|| {
            let text = format!(
                "no finished adapter under {}/\nhint: run `trainer fit recipes/quickstart.yaml` first, or name the adapter's folder",
                checkpoints.display()
            );
            UserMistake(text)
        })
}

/// The recipe that was named, or the first adapter's.
fn recipe_path(own: &[PathBuf], arguments: &CommonArguments) -> Result<PathBuf, UserMistake> {
    match (&arguments.recipe, own.first()) {
        (Some(path), _) => Ok(path.clone()),
        (None, Some(path)) if path.is_file() => Ok(path.clone()),
        (None, Some(path)) => Err(UserMistake(format!(
            "{}: has no recipe.yaml, as adapters from elsewhere\nhint: say how to evaluate with --recipe recipes/NAME.yaml",
            path.parent().unwrap_or(Path::new("")).display()
        ))),
        (None, None) => Err(UserMistake(
            "no recipe says how to evaluate the base model\n\
             hint: name one with --recipe recipes/NAME.yaml, or an adapter, whose folder holds its own"
                .to_owned(),
        )),
    }
}

/// Where an adapter's recipe lies, if it has one.
fn recipe_of(adapter: &Path) -> Result<PathBuf, UserMistake> {
    if !adapter.is_dir() {
        let text = format!(
            "{}: no such adapter folder\nhint: `trainer fit` prints the folder that it wrote",
            adapter.display()
        );
        return Err(UserMistake(text));
    }
    let folder = AdapterFolder(adapter);
    if !folder.config().is_file() {
        let inside = adapter.join("adapter");
        let hint = if inside.is_dir() {
            format!("did you mean {}?", inside.display())
        } else {
            "an adapter's folder holds adapter_config.json and adapter_model.safetensors".to_owned()
        };
        let text = format!(
            "{}: holds no adapter_config.json, so it is no adapter\nhint: {hint}",
            adapter.display()
        );
        return Err(UserMistake(text));
    }
    Ok(folder.recipe())
}
