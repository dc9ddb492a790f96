//! The memory check of a training, and the number of layers that gradient checkpointing recomputes so that it fits.

use anyhow::Result;
use burn::tensor::Device;
use slm_cli::{BaseModel, UserMistake, bytes_text};
use slm_config::{Dtype, GradientCheckpointing, Quantization, Recipe};
use slm_model::{
    DeviceChoice, DeviceMemory, Init, Kernel, LoraSettings, ModelConfig, WeightFormat,
    device_memory,
};

use crate::available::available_bytes;
use crate::batch::StaticShapes;
use crate::dataset::Examples;
use crate::lora_settings::lora_settings;
use crate::memory::{GpuLayers, MemoryInputs, optimizer_values};
use crate::optimizer::updated_together;
use crate::preference::Objective;

/// Share of the available memory that a training may take before layers are recomputed. The rest covers the error of
/// the estimate, up to a seventh on the CPU, and other programs.
pub(crate) const COMFORTABLE: f64 = 0.8;
/// Memory of a GPU, in bytes, that desktop and driver hold; more belongs to another process.
const HELD_BY_DESKTOP: u64 = 1 << 30;

/// The quantities of the data on which memory depends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Longest {
    /// Number of examples.
    pub(crate) examples: usize,
    /// Tokens of the longest example.
    pub(crate) tokens: usize,
}

impl Longest {
    /// The quantities of the training examples.
    pub(crate) fn of(examples: &Examples) -> Self {
        let lengths = examples.train.iter().map(|&unit| examples.longest(unit));
        Self {
            examples: examples.train.len(),
            tokens: lengths.max().unwrap_or(0),
        }
    }
}

/// Where a base model is placed, and in which format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    weights_bytes: u64,
    /// Bytes of a value of the activations on a GPU; `None` on the CPU.
    value_bytes_on_gpu: Option<usize>,
    /// Memory of the device; `None` where it does not report it.
    memory: Option<DeviceMemory>,
}

impl Placement {
    /// The placement on a device, with the memory that it has now.
    ///
    /// # Errors
    /// The device does not support the weights' format.
    pub(crate) fn on_device(
        base: &BaseModel,
        choice: DeviceChoice,
        device: &Device,
    ) -> Result<Self> {
        let memory = if choice == DeviceChoice::Cpu {
            available_bytes().map(|free| DeviceMemory { total: free, free })
        } else {
            device_memory(&choice)
        };
        Self::with_memory(base, memory, (choice, device))
    }

    /// The placement on a device that has this memory.
    ///
    /// # Errors
    /// As [`Self::on_device`].
    pub(crate) fn with_memory(
        base: &BaseModel,
        memory: Option<DeviceMemory>,
        (choice, device): (DeviceChoice, &Device),
    ) -> Result<Self> {
        let format = base.format(device)?;
        Ok(Self {
            weights_bytes: format.bytes(base.weights(), device) as u64,
            value_bytes_on_gpu: (choice != DeviceChoice::Cpu).then_some(value_bytes(format)),
            memory,
        })
    }

    /// The placement on a GPU that computes in bf16 and has this much memory, whether or not this machine has it.
    pub(crate) fn on_gpu(base: &BaseModel, recipe: &Recipe, bytes: u64) -> Self {
        let is_single =
            recipe.model.dtype == Dtype::F32 && recipe.model.quantization == Quantization::None;
        let format = if is_single {
            WeightFormat::F32
        } else {
            WeightFormat::Bf16
        };
        Self {
            weights_bytes: format.bytes(base.weights(), &Device::flex()) as u64,
            value_bytes_on_gpu: Some(value_bytes(format)),
            memory: Some(DeviceMemory {
                total: bytes,
                free: bytes,
            }),
        }
    }
}

/// Bytes of a value of the activations beside weights of this format, on a GPU.
fn value_bytes(format: WeightFormat) -> usize {
    if format == WeightFormat::F32 { 4 } else { 2 }
}

/// Whether a GPU runs each layer with such an adapter as one fused operation.
fn are_fused(settings: &LoraSettings, config: &ModelConfig) -> bool {
    config.has_operations_of_llama()
        && !settings.use_dora
        && settings.init == Init::Uniform
        && settings.lora_dropout == 0.0
}

/// The memory that a training needs on a device, and the memory available.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget<'a> {
    /// The quantities that determine the training's memory, recomputed layers included.
    pub(crate) inputs: MemoryInputs<'a>,
    /// Memory of the device where it reports it.
    pub(crate) memory: Option<DeviceMemory>,
}

impl<'a> Budget<'a> {
    /// Computes the budget of a recipe for data of which only the number and the longest example are known.
    ///
    /// # Errors
    /// The recipe's LoRA section does not fit the model.
    pub(crate) fn new(
        recipe: &Recipe,
        base: &'a BaseModel,
        data: Longest,
        placement: Placement,
    ) -> Result<Self> {
        let Placement {
            weights_bytes,
            value_bytes_on_gpu,
            memory,
        } = placement;
        let config = base.config();
        let settings = lora_settings(recipe, config)?;
        let shapes = settings.trainable_shapes(config);
        // A and B of a pair have the rank as their smaller side.
        let sides: usize = shapes.iter().map(|[rows, columns]| rows.min(columns)).sum();
        let gpu = value_bytes_on_gpu.map(|value_bytes| GpuLayers {
            value_bytes,
            narrow: sides / 2,
            are_fused: are_fused(&settings, config),
            is_loss_fused: true,
            is_head_trained: settings.trains_head(config),
            updated_together: updated_together(recipe.train.optim, &shapes),
        });
        // Packed sequences are filled up to the limit.
        let longest = if recipe.data.packing {
            recipe.data.max_seq_length
        } else {
            data.tokens
        };
        let micro_batch_size = recipe.train.micro_batch_size;
        let (micro_batch_size, length) = match gpu {
            // Micro-batches are filled up, and sequences padded.
            Some(_) => StaticShapes::of_recipe(recipe).of(micro_batch_size, longest),
            None => (micro_batch_size.min(data.examples), longest),
        };
        let inputs = MemoryInputs {
            config,
            gpu,
            weights_bytes,
            recomputed_layers: 0,
            trainable: settings.num_trainable(config),
            optimizer_values: optimizer_values(recipe.train.optim, &shapes),
            kept_per_token: settings.kept_per_token(config),
            micro_batch_size,
            sequences_per_unit: Objective::from(&recipe.train).sequences_per_unit(),
            length,
            loss_chunk_size: recipe.train.loss_chunk_size,
        };
        let free = memory.map(|memory| memory.free);
        let layers = recomputed_layers(&inputs, recipe.train.gradient_checkpointing, free);
        Ok(Self {
            inputs: inputs.with_recomputed_layers(layers),
            memory,
        })
    }

    /// Returns the budget on a GPU on which some kernels are off: burn's operations, which replace them, hold more.
    pub(crate) fn without_kernels(
        mut self,
        off: impl IntoIterator<Item = Kernel>,
        wish: GradientCheckpointing,
    ) -> Self {
        let Some(layers) = &mut self.inputs.gpu else {
            return self;
        };
        let before = *layers;
        for kernel in off {
            match kernel {
                Kernel::Attention | Kernel::Norm | Kernel::Swiglu => layers.are_fused = false,
                Kernel::CrossEntropy => layers.is_loss_fused = false,
                Kernel::Rotary | Kernel::Sum | Kernel::Matmul | Kernel::Dropout => {}
            }
        }
        if *layers != before {
            let recomputed = recomputed_layers(&self.inputs, wish, self.available());
            self.inputs = self.inputs.with_recomputed_layers(recomputed);
        }
        self
    }

    /// Free bytes of the device where it reports them.
    pub(crate) fn available(&self) -> Option<u64> {
        self.memory.map(|memory| memory.free)
    }

    /// Refuses a training that cannot fit into memory, and names the largest setting that would.
    ///
    /// # Errors
    /// The estimate exceeds the free memory that the device reports.
    pub(crate) fn check(&self) -> Result<()> {
        let inputs = self.inputs;
        let needed = inputs.memory().total();
        let Some(memory) = self.memory.filter(|memory| memory.free < needed) else {
            return Ok(());
        };
        let DeviceMemory { total, free } = memory;
        let held = total - free.min(total);
        let other = if held > HELD_BY_DESKTOP {
            let end = if needed <= total {
                "; the training would fit without it"
            } else {
                ""
            };
            let (held, total) = (bytes_text(held), bytes_text(total));
            format!(
                "\nhint: other processes hold {held} of the device's {total}, see `nvidia-smi`{end}"
            )
        } else {
            String::new()
        };
        let text = format!(
            "this training needs about {}, but {} is available{other}\n\
             hint: {}\nhint: `trainer plan` lists the parts of the estimate",
            bytes_text(needed),
            bytes_text(free),
            self.setting_that_fits(free)
        );
        Err(UserMistake(text).into())
    }

    /// Names the setting with which the training fits into this many bytes.
    fn setting_that_fits(&self, available: u64) -> String {
        let inputs = self.inputs;
        let lightest = inputs.with_recomputed_layers(inputs.config.num_hidden_layers);
        if lightest.memory().total() <= available {
            return "--set train.gradient_checkpointing=auto recomputes as many layers as needed to fit"
                .to_owned();
        }
        match (lightest.largest_micro_batch(available), inputs.gpu) {
            (0, None) => {
                "--set model.quantization=q4 makes the weights smaller; or choose a smaller model, or set \
                 `data.max_seq_length` lower"
                    .to_owned()
            }
            (0, Some(_)) => {
                "not even one sequence fits: choose a smaller model, or set `data.max_seq_length` lower"
                    .to_owned()
            }
            (n, _) => format!(
                "--set train.micro_batch_size={n} --set train.gradient_checkpointing=auto fits; raise \
                 `train.gradient_accumulation_steps` to keep the examples of a step"
            ),
        }
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
    available: Option<u64>,
) -> usize {
    let all = inputs.config.num_hidden_layers;
    match (wish, available) {
        (GradientCheckpointing::None, _) => 0,
        (GradientCheckpointing::Auto, Some(available)) => {
            inputs.fewest_recomputed_layers((COMFORTABLE * available as f64) as u64)
        }
        // Memory is usually short on a GPU.
        (GradientCheckpointing::Auto, None) if inputs.gpu.is_none() => 0,
        (GradientCheckpointing::Layer | GradientCheckpointing::Auto, _) => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slm_model::NamedShape;

    const GIB: u64 = 1 << 30;

    fn shape() -> ModelConfig {
        let shape: NamedShape = "qwen2.5-1.5b".parse().expect("a shape");
        shape.config()
    }

    /// The 1.5B shape in single precision on sequences of 2,048 tokens: 15 GiB with all activations kept, 7 with none.
    fn inputs(config: &ModelConfig) -> MemoryInputs<'_> {
        MemoryInputs {
            config,
            gpu: None,
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

    /// The same on a GPU in bf16: 13 GiB with all activations kept, 4 with none.
    fn on_gpu(config: &ModelConfig) -> MemoryInputs<'_> {
        let layers = GpuLayers {
            value_bytes: 2,
            narrow: 28 * 7 * 16,
            are_fused: true,
            is_loss_fused: true,
            is_head_trained: false,
            updated_together: 18_000_000,
        };
        MemoryInputs {
            gpu: Some(layers),
            weights_bytes: 2 * config.num_parameters() as u64,
            micro_batch_size: 2,
            ..inputs(config)
        }
    }

    #[test]
    fn auto_computes_as_few_layers_again_as_memory_asks_for() {
        let config = shape();
        for (inputs, ample, scarce, enough) in
            [(inputs(&config), 24, 4, 14), (on_gpu(&config), 24, 4, 10)]
        {
            let auto = |available| {
                let wish = GradientCheckpointing::Auto;
                recomputed_layers(&inputs, wish, available)
            };
            let unknown = if inputs.gpu.is_some() { 28 } else { 0 };
            assert_eq!(auto(None), unknown, "no free memory reported");
            assert_eq!(auto(Some(ample * GIB)), 0);
            assert_eq!(auto(Some(scarce * GIB)), 28, "not even all suffice");
            let some = auto(Some(enough * GIB));
            let total = |n| inputs.with_recomputed_layers(n).memory().total() as f64;
            let comfortable = COMFORTABLE * (enough * GIB) as f64;
            assert!((1..28).contains(&some), "{some}");
            assert!(total(some) <= comfortable && total(some - 1) > comfortable);
        }
    }

    #[test]
    fn a_wish_is_kept_whatever_there_is() {
        let config = shape();
        for inputs in [inputs(&config), on_gpu(&config)] {
            for (wish, layers) in [
                (GradientCheckpointing::None, 0),
                (GradientCheckpointing::Layer, 28),
            ] {
                for available in [None, Some(GIB), Some(100 * GIB)] {
                    let found = recomputed_layers(&inputs, wish, available);
                    assert_eq!(found, layers, "{available:?}");
                }
            }
        }
    }

    /// The refusal of a training with `free` of `total` GiB.
    fn refusal(inputs: MemoryInputs<'_>, free: u64, total: u64) -> Result<(), String> {
        let memory = DeviceMemory {
            total: total * GIB,
            free: free * GIB,
        };
        let memory = Some(memory);
        Budget { inputs, memory }.check().map_err(|e| e.to_string())
    }

    #[test]
    fn a_kernel_that_is_off_recomputes_more_layers_or_is_refused() {
        let config = shape();
        let budget = |free: u64| {
            let memory = DeviceMemory {
                total: free * GIB,
                free: free * GIB,
            };
            let inputs = on_gpu(&config);
            let auto = GradientCheckpointing::Auto;
            let layers = recomputed_layers(&inputs, auto, Some(memory.free));
            Budget {
                inputs: inputs.with_recomputed_layers(layers),
                memory: Some(memory),
            }
        };
        let without = |free, kernel, wish| budget(free).without_kernels([kernel], wish);
        let auto = GradientCheckpointing::Auto;
        let layers = |budget: Budget<'_>| budget.inputs.recomputed_layers;
        let some = layers(budget(10));
        assert!((1..28).contains(&some), "{some}");
        for kernel in [
            Kernel::Attention,
            Kernel::Norm,
            Kernel::Swiglu,
            Kernel::CrossEntropy,
        ] {
            let found = layers(without(10, kernel, auto));
            assert!(found > some, "{kernel:?}: {found} for {some}");
        }
        assert_eq!(layers(without(10, Kernel::Rotary, auto)), some);
        // With all activations kept, as in the recipe.
        let none = GradientCheckpointing::None;
        assert_eq!(layers(budget(17)), 0);
        assert!(budget(17).check().is_ok());
        let refused = without(17, Kernel::Attention, none);
        hint(
            refused.check().map_err(|e| e.to_string()),
            "=auto recomputes",
        );
        let on_cpu = Budget {
            inputs: inputs(&config),
            memory: None,
        };
        let same = on_cpu.without_kernels([Kernel::Attention], none);
        assert_eq!(same.inputs.memory(), on_cpu.inputs.memory());
    }

    fn hint(answer: Result<(), String>, part: &str) {
        let text = answer.expect_err("a refusal");
        assert!(text.contains(part), "{text}");
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
            refusal(inputs, available, available)
        };
        assert_eq!(refusal(1, 0, 16), Ok(()));
        hint(refusal(1, 0, 10), "=auto recomputes as many layers");
        hint(refusal(8, 28, 10), "micro_batch_size=4 ");
        hint(refusal(1, 28, 4), "model.quantization=q4");
    }

    #[test]
    fn a_refusal_on_a_gpu_names_other_processes_and_no_quantization() {
        let config = shape();
        let inputs = on_gpu(&config);
        assert_eq!(refusal(inputs, 24, 24), Ok(()));
        let shared = refusal(inputs, 8, 24);
        hint(shared.clone(), "other processes hold 17.18 GB");
        hint(shared.clone(), "the training would fit without it");
        hint(shared, "=auto recomputes as many layers");
        let alone = refusal(inputs, 8, 8).expect_err("a refusal");
        assert!(!alone.contains("other processes"), "{alone}");
        let small = refusal(inputs, 3, 3).expect_err("a refusal");
        assert!(small.contains("not even one sequence fits"), "{small}");
        assert!(!small.contains("q4"), "{small}");
        let many = MemoryInputs {
            micro_batch_size: 64,
            ..inputs
        };
        hint(refusal(many, 8, 8), "train.micro_batch_size=");
        let unknown = Budget {
            inputs: many,
            memory: None,
        };
        assert!(unknown.check().is_ok(), "no memory reported");
    }
}
