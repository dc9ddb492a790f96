//! The memory check of a training, and the number of layers that gradient checkpointing recomputes so that it fits.

use anyhow::Result;
use burn::tensor::Device;
use slm_cli::{BaseModel, UserMistake, bytes_text};
use slm_config::{GradientCheckpointing, Recipe};
use slm_model::DeviceChoice;

use crate::available::available_bytes;
use crate::dataset::Examples;
use crate::lora_settings::lora_settings;
use crate::memory::{MemoryInputs, optimizer_values};
use crate::preference::Objective;

/// Share of the available memory that a training may take before layers are recomputed. The rest covers the error of
/// the estimate, up to a seventh, and other programs.
pub(crate) const COMFORTABLE: f64 = 0.8;

/// The quantities of the data on which memory depends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Longest {
    /// Number of examples.
    pub(crate) examples: usize,
    /// Tokens of the longest example.
    pub(crate) tokens: usize,
}

/// The memory that a training needs on a device, and the memory available.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget<'a> {
    /// The quantities that determine the training's memory, recomputed layers included.
    pub(crate) inputs: MemoryInputs<'a>,
    /// Free bytes of the device where it reports them: today only the CPU does.
    pub(crate) available: Option<u64>,
}

impl<'a> Budget<'a> {
    /// Computes the budget of a recipe on a device.
    ///
    /// # Errors
    /// The recipe's LoRA section does not fit the model, or the device does not support the weights' format.
    pub(crate) fn new(
        recipe: &Recipe,
        base: &'a BaseModel,
        examples: &Examples,
        (choice, device): (DeviceChoice, &Device),
    ) -> Result<Self> {
        let lengths = examples.train.iter().map(|&unit| examples.longest(unit));
        let data = Longest {
            examples: examples.train.len(),
            tokens: lengths.max().unwrap_or(0),
        };
        let available = (choice == DeviceChoice::Cpu)
            .then(available_bytes)
            .flatten();
        Self::of(recipe, base, data, available, (choice, device))
    }

    /// The budget of a recipe for data of which only the number and the longest example are known, on a device with
    /// `available` bytes.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn of(
        recipe: &Recipe,
        base: &'a BaseModel,
        data: Longest,
        available: Option<u64>,
        (choice, device): (DeviceChoice, &Device),
    ) -> Result<Self> {
        let config = base.config();
        let settings = lora_settings(recipe, config)?;
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
            micro_batch_size: recipe.train.micro_batch_size.min(data.examples),
            sequences_per_unit: Objective::from(&recipe.train).sequences_per_unit(),
            // Packed sequences are filled up to the limit.
            length: if recipe.data.packing {
                recipe.data.max_seq_length
            } else {
                data.tokens
            },
            loss_chunk_size: recipe.train.loss_chunk_size,
        };
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

    /// Refuses a training that cannot fit into memory, and names the largest setting that would.
    ///
    /// # Errors
    /// The estimate exceeds the free memory that the device reports.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { inputs, available } = *self;
        let needed = inputs.memory().total();
        let Some(available) = available.filter(|&available| available < needed) else {
            return Ok(());
        };
        let lightest = inputs.with_recomputed_layers(inputs.config.num_hidden_layers);
        let hint = if lightest.memory().total() <= available {
            "--set train.gradient_checkpointing=auto recomputes as many layers as needed to fit"
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
            "this training needs about {}, but {} is available\n\
             hint: {hint}\nhint: `trainer plan` lists the parts of the estimate",
            bytes_text(needed),
            bytes_text(available)
        );
        Err(UserMistake(text).into())
    }

    /// Describes how many layers are recomputed, in words that follow `layers`.
    pub(crate) fn layers_text(&self) -> String {
        let all = self.inputs.config.num_hidden_layers;
        match self.inputs.recomputed_layers {
            0 => "the activations of all are kept for the backward pass".to_owned(),
            n if n == all => format!("all {all} are recomputed in the backward pass"),
            n => format!("{n} of {all} are recomputed in the backward pass"),
        }
    }
}

/// Returns the number of layers to recompute: as set in the recipe, or as few as the memory allows.
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
        // A GPU does not report its free memory, and memory is usually short there.
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

    /// The 1.5B shape in single precision on sequences of 2,048 tokens: 15 GiB with all activations kept, 7 with none.
    fn inputs(config: &ModelConfig) -> MemoryInputs<'_> {
        MemoryInputs {
            config,
            weights_bytes: 4 * config.num_parameters() as u64,
            recomputed_layers: 0,
            trainable: 18_000_000,
            optimizer_values: 36_000_000,
            kept_per_token: 0,
            micro_batch_size: 1,
            sequences_per_unit: 1,
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
        assert_eq!(auto(None), 0, "no free memory reported");
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
        hint(refusal(1, 0, 10), "=auto recomputes as many layers");
        hint(refusal(8, 28, 10), "micro_batch_size=4 ");
        hint(refusal(1, 28, 4), "model.quantization=q4");
    }
}
