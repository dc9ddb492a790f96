//! Whether a training fits into memory, and how many layers it computes again so that it does.

use anyhow::Result;
use burn::tensor::Device;
use slm_cli::{BaseModel, UserMistake, bytes_text};
use slm_config::{GradientCheckpointing, Recipe};
use slm_model::DeviceChoice;

use crate::available::available_bytes;
use crate::dataset::Examples;
use crate::lora_settings::lora_settings;
use crate::memory::{MemoryInputs, optimizer_values};

/// Share of what is available that a training may take before layers are computed again: the estimate is right
/// to a seventh, and other programs want to live, too.
const COMFORTABLE: f64 = 0.8;

/// What a training takes of a device's memory, and what there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget<'a> {
    /// What the training's memory depends on, layers computed again among it.
    pub(crate) inputs: MemoryInputs<'a>,
    /// Bytes that the device has left, where it says so: today only the CPU does.
    pub(crate) available: Option<u64>,
}

impl<'a> Budget<'a> {
    /// The budget of a recipe on a device.
    ///
    /// # Errors
    /// The recipe's LoRA section does not go with the model, or its weights not with the device.
    pub(crate) fn new(
        recipe: &Recipe,
        base: &'a BaseModel,
        examples: &Examples,
        (choice, device): (DeviceChoice, &Device),
    ) -> Result<Self> {
        let config = base.config();
        let settings = lora_settings(recipe, config)?;
        let lengths = examples
            .train
            .iter()
            .map(|&index| examples.store.n_tokens(index as usize));
        let longest = lengths.max().unwrap_or(0);
        let format = base.format(device)?;
        let inputs = MemoryInputs {
            config,
            weights_bytes: format.bytes(base.weights(), device) as u64,
            recomputed_layers: 0,
            trainable: settings.num_trainable(config),
            optimizer_values: optimizer_values(
                recipe.train.optim,
                &settings.trainable_shapes(config),
            ),
            kept_per_token: settings.kept_per_token(config),
            micro_batch_size: recipe.train.micro_batch_size.min(examples.train.len()),
            // Packed sequences are filled up to the limit.
            length: if recipe.data.packing {
                recipe.data.max_seq_length
            } else {
                longest
            },
            loss_chunk_size: recipe.train.loss_chunk_size,
        };
        let available = (choice == DeviceChoice::Cpu)
            .then(available_bytes)
            .flatten();
        let recomputed_layers = recomputed_layers(
            &inputs,
            recipe.train.gradient_checkpointing,
            choice,
            available,
        );
        Ok(Self {
            inputs: inputs.with_recomputed_layers(recomputed_layers),
            available,
        })
    }

    /// Refuses a training that cannot fit into memory, with the largest setting that would.
    ///
    /// # Errors
    /// The estimate is above what the device says it has left.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { inputs, available } = *self;
        let needed = inputs.memory().total();
        let Some(available) = available.filter(|&available| available < needed) else {
            return Ok(());
        };
        let lightest = inputs.with_recomputed_layers(inputs.config.num_hidden_layers);
        let hint = if lightest.memory().total() <= available {
            "--set train.gradient_checkpointing=auto computes as many layers again as makes it fit"
                .to_owned()
        } else {
            match lightest.largest_micro_batch(available) {
                0 => "--set model.quantization=q4 makes the weights smaller; or choose a smaller model, or set \
                      `data.max_seq_length` lower"
                    .to_owned(),
                n => format!(
                    "--set train.micro_batch_size={n} --set train.gradient_checkpointing=auto fits; raise \
                     `train.gradient_accumulation_steps` to keep the examples of a step"
                ),
            }
        };
        let text = format!(
            "this training needs about {}, but {} are available\nhint: {hint}\nhint: `trainer plan` shows what takes them",
            bytes_text(needed),
            bytes_text(available)
        );
        Err(UserMistake(text).into())
    }

    /// How many layers are computed again, in words that follow `layers`.
    pub(crate) fn layers_text(&self) -> String {
        let all = self.inputs.config.num_hidden_layers;
        match self.inputs.recomputed_layers {
            0 => "all are kept for the backward pass".to_owned(),
            n if n == all => format!("all {all} are computed again in the backward pass"),
            n => format!("{n} of {all} are computed again in the backward pass"),
        }
    }
}

/// How many layers a training computes again: as the recipe says, or as few as its memory allows.
fn recomputed_layers(
    inputs: &MemoryInputs<'_>,
    wish: GradientCheckpointing,
    choice: DeviceChoice,
    available: Option<u64>,
) -> usize {
    let all = inputs.config.num_hidden_layers;
    match (wish, choice) {
        (GradientCheckpointing::None, _) => 0,
        (GradientCheckpointing::Auto, DeviceChoice::Cpu) => available.map_or(0, |available| {
            inputs.fewest_recomputed_layers((COMFORTABLE * available as f64) as u64)
        }),
        // A GPU does not say what it has left, and is where memory is short.
        (GradientCheckpointing::Layer | GradientCheckpointing::Auto, _) => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slm_model::{ModelConfig, NamedShape};

    const GIB: u64 = 1 << 30;

    fn shape() -> ModelConfig {
        let shape: NamedShape = "qwen2.5-1.5b".parse().expect("a shape");
        shape.config()
    }

    /// The 1.5B shape in single precision on sequences of 2,048 tokens: 15 GiB with all kept, 7 with none.
    fn inputs(config: &ModelConfig) -> MemoryInputs<'_> {
        MemoryInputs {
            config,
            weights_bytes: 4 * config.num_parameters() as u64,
            recomputed_layers: 0,
            trainable: 18_000_000,
            optimizer_values: 36_000_000,
            kept_per_token: 0,
            micro_batch_size: 1,
            length: 2048,
            loss_chunk_size: 256,
        }
    }

    #[test]
    fn auto_computes_as_few_layers_again_as_memory_asks_for() {
        let config = shape();
        let inputs = inputs(&config);
        let auto = |available| {
            let wish = GradientCheckpointing::Auto;
            recomputed_layers(&inputs, wish, DeviceChoice::Cpu, available)
        };
        assert_eq!(auto(None), 0, "the system does not say");
        assert_eq!(auto(Some(24 * GIB)), 0);
        assert_eq!(auto(Some(4 * GIB)), 28, "not even all suffice");
        let some = auto(Some(14 * GIB));
        let total = |n| inputs.with_recomputed_layers(n).memory().total() as f64;
        let comfortable = COMFORTABLE * 14.0 * GIB as f64;
        assert!((1..28).contains(&some), "{some}");
        assert!(total(some) <= comfortable && total(some - 1) > comfortable);
        for device in [DeviceChoice::Cuda(0), DeviceChoice::Wgpu] {
            assert_eq!(
                recomputed_layers(&inputs, GradientCheckpointing::Auto, device, None),
                28
            );
        }
    }

    #[test]
    fn a_wish_is_kept_whatever_there_is() {
        let config = shape();
        let inputs = inputs(&config);
        for (wish, layers) in [
            (GradientCheckpointing::None, 0),
            (GradientCheckpointing::Layer, 28),
        ] {
            for available in [None, Some(GIB), Some(100 * GIB)] {
                let found = recomputed_layers(&inputs, wish, DeviceChoice::Cpu, available);
                assert_eq!(found, layers, "{available:?}");
            }
        }
    }

    #[test]
    fn a_refusal_names_what_would_fit() {
        let config = shape();
        let refusal = |micro_batch_size, recomputed_layers, available| {
            let inputs = MemoryInputs {
                recomputed_layers,
                micro_batch_size,
                ..inputs(&config)
            };
            let available = Some(available * GIB);
            Budget { inputs, available }
                .check()
                .map_err(|e| e.to_string())
        };
        assert_eq!(refusal(1, 0, 16), Ok(()));
        let hint = |answer: Result<(), String>, part: &str| {
            let text = answer.expect_err("a refusal");
            assert!(text.contains(part), "{text}");
        };
        hint(refusal(1, 0, 10), "=auto computes as many layers again");
        hint(refusal(8, 28, 10), "micro_batch_size=4 ");
        hint(refusal(1, 28, 4), "model.quantization=q4");
    }
}
