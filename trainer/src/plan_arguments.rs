//! Arguments of `trainer plan`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use slm_model::{NamedShape, SyntheticType};

use crate::cards::Card;
use crate::device_argument::DeviceArgument;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("planned").required(true).args(["recipe", "shape"])))]
pub(crate) struct PlanArguments {
    /// The recipe, a YAML file
    #[arg(value_name = "RECIPE")]
    pub(crate) recipe: Option<PathBuf>,
    /// Override a key of the recipe; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    overrides: Vec<String>,
    /// Instead of a recipe: a model of this shape with random weights and tokens, LoRA of rank 16 on all linear layers
    #[arg(long, value_name = "NAME")]
    pub(crate) shape: Option<NamedShape>,
    #[arg(
        long,
        help = "Data type of the random weights: f32, bf16, q8_0, q4_0, q4_1 or q4_k",
        value_name = "TYPE",
        default_value = "bf16",
        conflicts_with = "recipe"
    )]
    pub(crate) weights: SyntheticType,
    #[arg(
        long,
        help = "The same as --set data.max_seq_length=N",
        value_name = "N"
    )]
    seq_length: Option<usize>,
    #[arg(
        long,
        help = "The same as --set train.micro_batch_size=N",
        value_name = "N"
    )]
    micro_batch_size: Option<usize>,
    #[arg(
        long,
        help = "The same as --set train.gradient_accumulation_steps=N",
        value_name = "N"
    )]
    gradient_accumulation_steps: Option<usize>,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
    /// Plan for another GPU, such as rtx-4090: its usable memory, and an estimate of the hours
    #[arg(long = "for", value_name = "GPU", conflicts_with_all = ["device", "measure"])]
    pub(crate) card: Option<Card>,
    /// With --for: gigabytes of memory that the training may take there [default: all of the GPU's]
    #[arg(long, value_name = "GIGABYTES", requires = "card")]
    pub(crate) memory: Option<f64>,
    /// Run this many optimizer steps after a first one, and save nothing
    #[arg(long, visible_alias = "steps", value_name = "STEPS", num_args = 0..=1, default_missing_value = "3")]
    pub(crate) measure: Option<NonZeroUsize>,
    /// Peak throughput of the device; --measure then reports the model FLOPs utilisation
    #[arg(long, value_name = "TFLOP/S", requires = "measure", value_parser = positive)]
    pub(crate) peak_tflops: Option<f64>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

impl PlanArguments {
    /// All overrides of the recipe; of two for one key the later applies.
    pub(crate) fn overrides(&self) -> Vec<String> {
        let named = [
            ("data.max_seq_length", self.seq_length),
            ("train.micro_batch_size", self.micro_batch_size),
            (
                "train.gradient_accumulation_steps",
                self.gradient_accumulation_steps,
            ),
        ];
        let named = named
            .iter()
            .filter_map(|(key, value)| Some(format!("{key}={}", (*value)?)));
        named.chain(self.overrides.iter().cloned()).collect()
    }
}

/// Parses a number above 0.
fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    let number = number.filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}
