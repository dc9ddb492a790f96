//! Setup common to the commands: the recipe, and the base model's headers, tokenizer and template.

use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_cli::{BaseModel, UserMistake};
use slm_config::Recipe;
use slm_model::{ChatTemplate, Tokenizer};

use crate::arguments::RecipeArguments;
use crate::init_from::SourceAdapter;

/// A recipe and its base model, whose weights are not loaded yet.
pub(crate) struct Setup {
    /// The recipe with its overrides, pinned to the commit of a model from the hub.
    pub(crate) recipe: Recipe,
    /// The base model's files.
    pub(crate) base: BaseModel,
    /// Its tokenizer.
    pub(crate) tokenizer: Tokenizer,
    /// Its chat template, or `ChatML`.
    pub(crate) template: ChatTemplate,
    /// The adapter that the training starts from; `None` in commands that do not train.
    pub(crate) source: Option<SourceAdapter>,
}

impl Setup {
    /// Reads the recipe and opens the base model, which is downloaded if necessary.
    ///
    /// # Errors
    /// The recipe has mistakes, the model is unavailable or broken, or `max_seq_length` exceeds its positions.
    pub(crate) fn open(arguments: &RecipeArguments) -> Result<Self> {
        let recipe = slm_cli::load_recipe(
            &arguments.recipe,
            &arguments.overrides,
            slm_benchmarks::NAMES,
        )?;
        let setup = Self::of(recipe)?;
        check_positions(&setup.recipe, setup.base.max_positions())?;
        Ok(setup)
    }

    /// As [`Self::open`], for a command about the training itself: opens the adapter that it starts from, too.
    ///
    /// # Errors
    /// As [`Self::open`]; or there is no such adapter, or it does not fit.
    pub(crate) fn open_for_training(arguments: &RecipeArguments) -> Result<Self> {
        let mut setup = Self::open(arguments)?;
        setup.source = SourceAdapter::open(&mut setup.recipe, &setup.base)?;
        Ok(setup)
    }

    /// As [`Self::open`], for a command that reads none of the recipe's data sets, which need not exist.
    ///
    /// # Errors
    /// As [`Self::open`], without the check of the sequence length.
    pub(crate) fn open_without_data(arguments: &RecipeArguments) -> Result<Self> {
        Self::of(slm_cli::load_recipe_without_data(
            &arguments.recipe,
            &arguments.overrides,
            slm_benchmarks::NAMES,
        )?)
    }

    /// Opens the base model of a recipe that is already read.
    ///
    /// # Errors
    /// As [`Self::open`], except for the sequence lengths.
    pub(crate) fn of(mut recipe: Recipe) -> Result<Self> {
        let base = BaseModel::open(&recipe.model)?;
        // A branch may move before the next command, so the copies of the recipe name the commit.
        if let Some(source) = base.provenance() {
            recipe.model.pin(&source.commit);
        }
        let tokenizer = base.tokenizer()?;
        Ok(Self {
            template: base.chat_template(&tokenizer)?,
            tokenizer,
            recipe,
            base,
            source: None,
        })
    }
}

/// The folder of the adapter that a user names: an adapter's folder, its training's, or the training's name.
///
/// # Errors
/// There is no such adapter.
pub(crate) fn adapter_folder(named: &Path) -> Result<PathBuf> {
    slm_artifacts::adapter_by_name(named, Path::new(slm_artifacts::CHECKPOINTS))
        .map_err(|error| UserMistake(error.to_string()).into())
}

/// Refuses a `max_seq_length` beyond the positions of the model.
pub(crate) fn check_positions(recipe: &Recipe, positions: usize) -> Result<()> {
    let found = recipe.data.max_seq_length;
    if found <= positions {
        return Ok(());
    }
    let text = format!(
        "`data.max_seq_length` is {found}, but the model has {positions} positions\n\
         hint: set `data.max_seq_length` to {positions} or less"
    );
    Err(UserMistake(text).into())
}
