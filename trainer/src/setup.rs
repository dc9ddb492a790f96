//! What every command begins with: the recipe, and the base model's headers, tokenizer and template.

use anyhow::Result;
use burn::tensor::Device;
use slm_cli::{BaseModel, UserMistake};
use slm_config::{Quantization, Recipe};
use slm_model::{ChatTemplate, Decoder, DeviceChoice, Tokenizer};

use crate::arguments::RecipeArguments;

/// A recipe and its base model, whose weights are not loaded yet.
pub(crate) struct Setup {
    /// The recipe with its overrides, and the commit of a model from the hub.
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
        let recipe = Recipe::load(
            &arguments.recipe,
            &arguments.overrides,
            slm_benchmarks::NAMES,
        )?;
        let setup = Self::of(recipe)?;
        check_positions(&setup.recipe, setup.base.max_positions())?;
        Ok(setup)
    }

    /// The same for a command that reads none of the recipe's data sets, which need not be there.
    ///
    /// # Errors
    /// As [`Self::open`], but for the sequences.
    pub(crate) fn open_without_data(arguments: &RecipeArguments) -> Result<Self> {
        Self::of(Recipe::load_without_data(
            &arguments.recipe,
            &arguments.overrides,
            slm_benchmarks::NAMES,
        )?)
    }

    fn of(mut recipe: Recipe) -> Result<Self> {
        let base = BaseModel::open(&recipe.model)?;
        // A branch may move before the next command: the copies of the recipe name the commit.
        if let Some(source) = base.provenance() {
            recipe.model.pin(&source.commit);
        }
        let tokenizer = base.tokenizer()?;
        Ok(Self {
            template: base.chat_template(&tokenizer)?,
            tokenizer,
            recipe,
            base,
        })
    }
}

/// Brings the base model's weights onto a device, ready to be trained on as the recipe says, the first
/// `recomputed_layers` without what they would keep.
///
/// # Errors
/// A tensor is missing or damaged, or the device cannot hold the weights as the recipe says.
pub(crate) fn load_for_training(
    base: &BaseModel,
    recipe: &Recipe,
    recomputed_layers: usize,
    (choice, device): (DeviceChoice, &Device),
) -> Result<Decoder> {
    if recipe.model.quantization != Quantization::None && choice != DeviceChoice::Cpu {
        slm_cli::note("weights            quantised values, kept in bf16 on this device");
    }
    let decoder = base.load(device)?;
    Ok(decoder.with_gradient_checkpointing(recomputed_layers))
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
