//! Loading the base model for a training within its budget.

use anyhow::Result;
use burn::tensor::Device;
use slm_cli::BaseModel;
use slm_config::{Quantization, Recipe};
use slm_model::{Decoder, DeviceChoice};

use crate::budget::Budget;

/// Loads the base model's weights onto a device for training, with gradient checkpointing on as many
/// layers as in the budget. Also returns the budget with the kernels that the device has, which may be larger.
///
/// # Errors
/// A tensor is missing or damaged, or the device does not support the weights' format.
pub(crate) fn load_for_training<'a>(
    base: &BaseModel,
    recipe: &Recipe,
    budget: Budget<'a>,
    (choice, device): (DeviceChoice, &Device),
) -> Result<(Decoder, Budget<'a>)> {
    if recipe.model.quantization != Quantization::None && choice != DeviceChoice::Cpu {
        slm_cli::note("weights            quantised values, kept in bf16 on this device");
    }
    let decoder = base.load(device)?;
    let off = decoder.kernels().off().map(|(kernel, _)| kernel);
    let budget = budget.without_kernels(off, recipe.train.gradient_checkpointing);
    let decoder = decoder.with_gradient_checkpointing(budget.inputs.recomputed_layers);
    Ok((decoder, budget))
}
