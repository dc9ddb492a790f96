//! The adapters to evaluate, the recipe of the evaluation, and the adapters' names in the report.

use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_cli::{BaseFit, BaseModel, UserMistake};
use slm_config::Recipe;
use slm_model::Adapter;

use slm_artifacts::{AdapterFolder, BASE_ARM, CHECKPOINTS, adapter_by_name, finished, runs_below};

/// An adapter that the user named, or the newest.
pub(crate) struct NamedAdapter {
    pub(super) folder: PathBuf,
    /// The arm's name: that of the recipe that trained the adapter.
    pub(super) name: String,
}

impl NamedAdapter {
    /// Finds an adapter by its folder, or by the name of its training, which names it.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn find(named: &Path) -> Result<Self, UserMistake> {
        let folder = adapter_by_name(named, Path::new(CHECKPOINTS))
            .map_err(|error| UserMistake(error.to_string()))?;
        let own = AdapterFolder(&folder).recipe();
        let trained_by = Recipe::load(&own, &[], slm_benchmarks::NAMES).ok();
        let name = trained_by.map_or_else(
            || named.display().to_string(),
            |recipe| recipe.name().to_owned(),
        );
        Ok(Self { folder, name })
    }

    /// Refuses an adapter of another base model than the recipe's `ours`, and warns where hash and name leave a doubt. `base` has
    /// the recipe's files, if they are here with their weights.
    ///
    /// # Errors
    /// The adapter was trained on another model, or a file cannot be read.
    pub(super) fn check_base(&self, ours: &str, base: Option<&BaseModel>) -> Result<()> {
        let theirs = Adapter::settings(&self.folder)?
            .origin
            .base_model_name_or_path;
        let training = AdapterFolder(&self.folder).read_training();
        let recorded = training
            .map(|of| of.base_sha256)
            .filter(|of| !of.is_empty());
        let is_same_file = match (recorded, base) {
            (Some(hash), Some(base)) => Some(base.sha256()? == hash),
            _ => None,
        };
        let folder = self.folder.display();
        match BaseFit::of(is_same_file, &theirs, ours) {
            BaseFit::Same => Ok(()),
            BaseFit::Doubtful(why) => {
                slm_cli::note(&format!(
                    "warning: {folder} was trained on {theirs}, the recipe's model is {ours}: {why}"
                ));
                Ok(())
            }
            BaseFit::Other => Err(UserMistake(format!(
                "{folder}: the adapter was trained on {theirs}, but the recipe's model is {ours}\n\
                 hint: set `model.name_or_path` to the adapter's base model; if both are the same weights, name the hub \
                 model with `model.hub_name`"
            ))
            .into()),
        }
    }

    /// Returns the adapter's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the arm's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Returns the adapters to evaluate, and the recipe of the evaluation: the one named, else the first adapter's.
///
/// # Errors
/// A folder is not an adapter's, or there is no recipe.
pub(crate) fn choose(
    named: &[PathBuf],
    newest_if_none: bool,
    recipe: Option<&Path>,
    overrides: &[String],
) -> Result<(Vec<NamedAdapter>, Recipe)> {
    let folders = if named.is_empty() && newest_if_none {
        vec![newest(Path::new(CHECKPOINTS))?]
    } else {
        let folder = |named: &PathBuf| adapter_by_name(named, Path::new(CHECKPOINTS));
        named
            .iter()
            .map(folder)
            .collect::<Result<_, _>>()
            .map_err(|error| UserMistake(error.to_string()))?
    };
    let own: Vec<PathBuf> = folders
        .iter()
        .map(|folder| AdapterFolder(folder).recipe())
        .collect();
    let path = recipe_path(&own, recipe)?;
    // Only a recipe that the user wrote has paths beside it; the copy with an adapter does not.
    let load = if recipe.is_some() {
        slm_cli::load_recipe_without_data
    } else {
        Recipe::load_without_data
    };
    let recipe = load(&path, overrides, slm_benchmarks::NAMES)?;
    let mut chosen: Vec<NamedAdapter> = Vec::new();
    for (folder, own) in folders.into_iter().zip(own) {
        // An adapter without a readable recipe is named after the recipe that evaluates it.
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

/// Returns the adapter under `checkpoints` whose weights were written last.
fn newest(checkpoints: &Path) -> Result<PathBuf, UserMistake> {
    let has_recipe = |run: &Path| run.join("adapter").join(AdapterFolder::RECIPE).is_file();
    let newest = runs_below(checkpoints, |run| finished(run).filter(|_| has_recipe(run)))
        .into_iter()
        .next();
    newest.map(|(_, run)| run.join("adapter")).ok_or_else(|| {
        let text = format!(
            "no finished adapter under {}/\nhint: `trainer fit RECIPE` makes one, `trainer runs` lists trainings",
            checkpoints.display()
        );
        UserMistake(text)
    })
}

/// Returns the named recipe, or the first adapter's.
fn recipe_path(own: &[PathBuf], recipe: Option<&Path>) -> Result<PathBuf, UserMistake> {
    match (recipe, own.first()) {
        (Some(path), _) => Ok(path.to_owned()),
        (None, Some(path)) if path.is_file() => Ok(path.clone()),
        (None, Some(path)) => Err(UserMistake(format!(
            "{}: has no recipe.yaml, as adapters of other programs\nhint: choose the recipe of the evaluation with --recipe recipes/NAME.yaml",
            path.parent().unwrap_or(Path::new("")).display()
        ))),
        (None, None) => Err(UserMistake(
            "no recipe for the evaluation of the base model\n\
             hint: choose one with --recipe recipes/NAME.yaml, or name an adapter whose folder contains a recipe"
                .to_owned(),
        )),
    }
}
