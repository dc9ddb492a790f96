//! What every command begins with: the recipe, and the base model's headers, tokenizer and template.

use anyhow::Result;
use cli::{BaseModel, UserMistake};
use config::Recipe;
use model::{ChatTemplate, Tokenizer};

use crate::arguments::RecipeArguments;

/// A recipe and its base model, whose weights are not loaded yet.
pub(crate) struct Setup {
    /// The recipe with its overrides.
    pub(crate) recipe: Recipe,
    /// The base model's files.
    pub(crate) base: BaseModel,
    /// Its tokenizer.
    pub(crate) tokenizer: Tokenizer,
    /// Its chat template, or `ChatML`.
    pub(crate) template: ChatTemplate,
}

impl Setup {
    /// Reads the recipe and opens the base model, which is fetched if it is not here yet.
    ///
    /// # Errors
    /// Mistakes in the recipe, a model that is not to be had or broken, sequences beyond its positions.
    pub(crate) fn open(arguments: &RecipeArguments) -> Result<Self> {
        let recipe = Recipe::load(&arguments.recipe, &arguments.overrides)?;
        let base = BaseModel::open(&recipe.model)?;
        check_positions(&recipe, base.max_positions())?;
        Ok(Self {
            tokenizer: base.tokenizer()?,
            template: base.chat_template()?,
            recipe,
            base,
        })
    }
}

/// Refuses examples that may be longer than what the model was built for.
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
