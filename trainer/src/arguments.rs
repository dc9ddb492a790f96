//! The command line: subcommands, arguments and help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use slm_cli::{CompletionsArguments, DeviceUse, ManArguments};
use slm_config::{ROW_FORMATS, RowFormat};
use slm_model::DeviceChoice;

use crate::device_argument::DeviceArgument;
use crate::export_types::{ExportFormat, ExportType, MergedType};
use crate::fim_arguments::FimArguments;
use crate::plan_arguments::PlanArguments;
use crate::recipes_arguments::{RECIPES_EXAMPLES, RecipesArguments};

/// Fits LoRA adapters for small code language models.
#[derive(Debug, Parser)]
#[command(
    version = slm_cli::version(),
    after_help = "Exit codes: 0 done, 1 environment failure, 2 user mistake, 101 bug, 130 interrupted"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a first recipe for your own code or data, fitted to this machine
    #[command(after_long_help = INIT_EXAMPLES)]
    Init(InitArguments),
    /// Train an adapter from a recipe
    #[command(after_long_help = FIT_EXAMPLES, alias = "train")]
    Fit(FitArguments),
    /// Improve a model in rounds: it learns from its own answers that pass their tests
    #[command(after_long_help = IMPROVE_EXAMPLES)]
    Improve(ImproveArguments),
    /// Download the model, data sets and benchmarks that a recipe names
    #[command(after_long_help = FETCH_EXAMPLES)]
    Fetch(FetchArguments),
    /// Show a recipe's data sets as training examples: tokens, lengths, totals
    #[command(after_long_help = DATA_EXAMPLES)]
    Data(DataArguments),
    /// Estimate the memory of a training run, and whether it fits
    #[command(after_long_help = PLAN_EXAMPLES)]
    Plan(PlanArguments),
    /// Measure the loss of a base model or an adapter
    #[command(after_long_help = VALIDATE_EXAMPLES)]
    Validate(ValidateArguments),
    /// Generate answers with a base model or an adapter
    #[command(after_long_help = GENERATE_EXAMPLES)]
    Generate(GenerateArguments),
    /// Merge an adapter into its base model, in Hugging Face layout
    #[command(after_long_help = MERGE_EXAMPLES)]
    Merge(MergeArguments),
    /// Write an adapter in the format of another program
    #[command(after_long_help = EXPORT_EXAMPLES)]
    Export(ExportArguments),
    /// List the devices that this build can use on this machine
    #[command(after_long_help = DEVICES_EXAMPLES)]
    Devices,
    /// Check that a device computes the same results as the CPU
    #[command(after_long_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArguments),
    /// List the trainings under checkpoints/, the newest first
    Runs(RunsArguments),
    /// Write a training, or the rounds of an improvement, as one HTML page
    #[command(after_long_help = VIEW_EXAMPLES)]
    View(ViewArguments),
    /// Explain the keys of a recipe
    #[command(after_long_help = RECIPE_EXAMPLES)]
    Recipe(RecipeKeyArguments),
    /// List the recipes that this program contains, or write one
    #[command(after_long_help = RECIPES_EXAMPLES)]
    Recipes(RecipesArguments),
    /// Print a completion script for a shell
    #[command(after_long_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArguments),
    /// Write man pages
    Man(ManArguments),
}

impl Command {
    /// The device that the command uses, if it uses one.
    pub(crate) fn device(&self) -> Option<(DeviceChoice, DeviceUse)> {
        let (argument, purpose) = match self {
            Self::Init(arguments) => (arguments.device, DeviceUse::Describe),
            Self::Fit(arguments) => (arguments.device, DeviceUse::Compute),
            Self::Improve(arguments) => (arguments.device, DeviceUse::Compute),
            Self::Plan(arguments) if arguments.measure.is_none() => {
                (arguments.device, DeviceUse::Describe)
            }
            Self::Plan(arguments) => (arguments.device, DeviceUse::Compute),
            Self::Validate(arguments) => (arguments.device, DeviceUse::Compute),
            Self::Generate(arguments) => (arguments.device, DeviceUse::Compute),
            Self::Doctor(arguments) => (arguments.device, DeviceUse::Compute),
            Self::Devices => return Some((DeviceChoice::Auto, DeviceUse::Describe)),
            Self::Fetch(_)
            | Self::Data(_)
            | Self::Merge(_)
            | Self::Export(_)
            | Self::Runs(_)
            | Self::View(_)
            | Self::Recipe(_)
            | Self::Recipes(_)
            | Self::Completions(_)
            | Self::Man(_) => return None,
        };
        Some((argument.device, purpose))
    }
}

const INIT_EXAMPLES: &str = "\
Examples:
  trainer init src && trainer fit src.yaml
  trainer init data.jsonl --model hf:Qwen/Qwen2.5-Coder-0.5B-Instruct
  trainer init ../project/src --device cuda --memory 24 --output project.yaml

A folder of Python files gives one example per documented function; a .jsonl, .json, .csv or .parquet file gives its \
rows. The model is the largest of SmolLM2-135M, Qwen2.5-Coder-0.5B and Qwen2.5-Coder-1.5B whose training fits into \
memory and, on the CPU, into a night.";

const FIT_EXAMPLES: &str = "\
Examples:
  trainer fit recipes/quickstart.yaml
  trainer fit recipes/qwen-coder-1.5b.yaml --device cuda --set lora.r=32
  trainer fit recipes/quickstart.yaml --restart

The adapter is written to checkpoints/<recipe>/adapter in PEFT's format, together with the resolved recipe; the loss \
of every logged step is in checkpoints/<recipe>/log.jsonl and in an event file for TensorBoard, and the training \
report is checkpoints/<recipe>/training-report.md.

A training that was interrupted, by Ctrl-C or otherwise, resumes from its last checkpoint when the same command is run \
again, and ends with the same adapter as without the interruption.

Environment: SLM_CACHE moves the folder for models from packages, PYTHON names the Python to use; for the hub see \
`trainer fetch --help`.";

const IMPROVE_EXAMPLES: &str = "\
Examples:
  trainer improve recipes/improve-mbpp.yaml --dry-run
  trainer improve recipes/improve-mbpp.yaml --set improve.rounds=2 --device cuda

Each round answers the tasks of improve.tasks with the best model up to then, makes a data set of the answers that pass, \
trains a new adapter for the base model on it, and judges that adapter on tasks that are not trained on. The commands \
are those of `evaluator` and `trainer`, which must be in the same folder; --dry-run prints them.

The best round's adapter is copied to checkpoints/<recipe>/adapter, the report is checkpoints/<recipe>/improve-report.md. \
An interrupted run continues when the same command is run again: finished stages, listed in improve.jsonl, are skipped.";

const FETCH_EXAMPLES: &str = "\
Examples:
  trainer fetch recipes/qwen-coder-1.5b.yaml
  HF_HOME=/mnt/stick trainer fetch recipes/qwen-coder-1.5b.yaml --json

Prints each file with its size and SHA-256. An interrupted download resumes where it stopped. For a machine without a \
network, copy the cache folder there and set HF_HUB_OFFLINE=1, which turns off all requests to the hub.

Environment: HF_HOME and HF_HUB_CACHE move the folder that is shared with other programs (~/.cache/huggingface/hub), \
HF_TOKEN gives access to private and gated repositories, HF_ENDPOINT names a mirror, HF_HUB_DOWNLOAD_TIMEOUT sets the \
seconds without data after which a connection is closed, HTTPS_PROXY names a proxy.";

const DATA_EXAMPLES: &str = "\
Examples:
  trainer data recipes/quickstart.yaml
  trainer data recipes/quickstart.yaml --examples 1 --json

Tokens are separated by |; supervised tokens, which the loss is computed over, are enclosed in [[ and ]]. \
Special tokens, and added tokens that look like tags, are in « and »; a text that only spells one is not.";

const PLAN_EXAMPLES: &str = "\
Examples:
  trainer plan recipes/quickstart.yaml
  trainer plan recipes/qwen-coder-1.5b.yaml --measure 3 --set train.micro_batch_size=8
  trainer plan recipes/qwen-coder-1.5b.yaml --for rtx-4090
  trainer plan --shape qwen2.5-1.5b --measure --device cuda --seq-length 2048 --micro-batch-size 4

The estimate is for the longest example of the recipe's data. --measure runs a few real steps and reports their \
time and memory; with --shape it needs neither a model nor data, so that devices can be compared before anything is \
downloaded. --for computes memory and hours for a GPU that this machine does not have, from its data sheet; nothing has \
confirmed these hours yet, and their error may be 40 %. Shapes: smollm2-135m, smollm2-360m, qwen2.5-0.5b, qwen2.5-1.5b, qwen2.5-3b, qwen2.5-7b, llama-3.2-1b, and \
tiny-qwen2 and tiny-llama for a first try.";

const VALIDATE_EXAMPLES: &str = "\
Examples:
  trainer validate recipes/quickstart.yaml --set data.val_size=0.1
  trainer validate recipes/quickstart.yaml --adapter checkpoints/quickstart/adapter --data held-out.jsonl --json

Without --data, the loss is that of the validation split (`data.val_size`); without --adapter, that of the base model.";

const GENERATE_EXAMPLES: &str = "\
Examples:
  trainer generate recipes/quickstart.yaml --prompt 'Reverse a list in Python.'
  trainer generate recipes/quickstart.yaml --adapter checkpoints/quickstart/adapter
  trainer generate recipes/qwen-coder-0.5b-fim.yaml --fim --file gap.py

Without --prompt, requests are read from the standard input, each ended by an empty line and answered on its own. With \
--fim, all of the standard input is one request, only the text that belongs at <FILL> is printed, and tags in the \
request are letters.";

const MERGE_EXAMPLES: &str = "\
Examples:
  trainer merge recipes/quickstart.yaml checkpoints/quickstart/adapter merged
  trainer merge recipes/quickstart.yaml checkpoints/quickstart/adapter merged --dtype f32

transformers can load the folder. A quantised base model is dequantised and written in --dtype; the \
result is not quantised again.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  trainer export recipes/quickstart.yaml checkpoints/quickstart/adapter --to gguf adapter.gguf
  trainer export recipes/quickstart.yaml checkpoints/quickstart/adapter --to peft small-adapter --type bf16
  trainer export recipes/quickstart.yaml checkpoints/quickstart/adapter --to merged-gguf merged.gguf --type q4_k_m

peft: for PEFT and vLLM. gguf: for llama.cpp's --lora, beside a GGUF file of the base model. merged: as `trainer \
merge`. merged-gguf: base model and adapter as one GGUF file, with a Modelfile for Ollama beside it.

--type is one of f32, bf16 and f16 for peft (default: a copy of the adapter) and merged (default: bf16), and of f16, q8_0 \
(8 bits) and q4_k_m (llama.cpp's mix of 4 and 6 bits) for merged-gguf. Without it, a base model that is a GGUF file keeps \
its types, with the adapted weights in half precision, and others are written in half precision.";

const DEVICES_EXAMPLES: &str = "\
Examples:
  trainer devices
  trainer fit recipes/quickstart.yaml --device cpu";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  trainer doctor --device cuda
  trainer doctor --device wgpu --quick --json

Compares logits, loss, every gradient of an adapter, decoding with a KV cache, and a few optimizer steps of small \
models with random weights on the device and on the CPU, in single precision and, where the device computes in it, in \
bf16. Differences are relative to the largest value: up to 2e-4 is rounding in single precision, up to 3e-2 rounding to \
TF32, and up to 7e-2 rounding to bf16. Fused kernels that failed their check on the device are listed as OFF; slower operations replace \
them. The exit code is 0 if the device can be trusted, and 1 if a number is wrong, the backend fails, or the time limit \
is exceeded.";

const RECIPE_EXAMPLES: &str = "\
Examples:
  trainer recipe
  trainer recipe train.learning_rate
  trainer recipe lora
  trainer recipe --schema > recipe.schema.json";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  trainer completions bash > ~/.local/share/bash-completion/completions/trainer
  trainer completions zsh > ~/.zfunc/_trainer
  trainer completions fish > ~/.config/fish/completions/trainer.fish";

#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    /// Folder of the trainings
    #[arg(long, value_name = "FOLDER", default_value = slm_artifacts::CHECKPOINTS)]
    pub(crate) checkpoints: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

const VIEW_EXAMPLES: &str = "\
Examples:
  trainer view latest
  trainer view checkpoints/quickstart -o quickstart.html

The page is one file without links to others: losses, learning rate, speed, the data sets and the first training \
examples; of `trainer improve`, the rounds. It opens in any browser, without network. `trainer fit` and \
`trainer improve` write it beside their report.";

#[derive(Debug, Args)]
pub(crate) struct ViewArguments {
    /// A training or an improvement: its folder, its name under the --checkpoints folder, a unique prefix of it, or
    /// `latest`
    #[arg(value_name = "TRAINING", default_value = "latest")]
    pub(crate) training: PathBuf,
    /// The page's file [default: beside the report, in the folder]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Folder that is searched for trainings by name
    #[arg(long, value_name = "FOLDER", default_value = slm_artifacts::CHECKPOINTS)]
    pub(crate) checkpoints: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RecipeKeyArguments {
    /// A key or section, such as `lora.r`, `lora` or another trainer's `lora_rank`; without it all keys are listed
    #[arg(value_name = "KEY", conflicts_with = "schema")]
    pub(crate) key: Option<String>,
    /// Print the JSON schema of recipes, for editors
    #[arg(long)]
    pub(crate) schema: bool,
}

/// A recipe and overrides of its keys.
#[derive(Debug, Args)]
pub(crate) struct RecipeArguments {
    /// The recipe, a YAML file
    #[arg(value_name = "RECIPE")]
    pub(crate) recipe: PathBuf,
    /// Override a key of the recipe; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

/// The device to compute on.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// A folder of Python files, or a data file
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
    /// The base model: SmolLM2-135M, Qwen2.5-Coder-0.5B, Qwen2.5-Coder-1.5B, or as in `model.name_or_path` [default: the
    /// largest of the three that fits]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// The recipe to write, which must not exist [default: the name of PATH with .yaml, in the working directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Gigabytes of memory that the training may take [default: what the machine has available]
    #[arg(long, value_name = "GIGABYTES", allow_negative_numbers = true)]
    pub(crate) memory: Option<f64>,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
}

#[derive(Debug, Args)]
pub(crate) struct FitArguments {
    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
    /// Train from scratch and remove the checkpoints of the previous run
    #[arg(long)]
    pub(crate) restart: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImproveArguments {
    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
    /// Print the commands of all rounds, and run none of them
    #[arg(long, conflicts_with = "json")]
    pub(crate) dry_run: bool,
    /// Without a working sandbox, run generated programs with resource limits only: they can do everything that you
    /// can
    #[arg(long)]
    pub(crate) unsafe_execution: bool,
    /// Print one JSON document with the figures of all rounds
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FetchArguments {
    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DataArguments {
    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,
    /// Examples to show token by token
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) examples: usize,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
    /// Skip matrix products and a layer as large as a real model's
    #[arg(long)]
    pub(crate) quick: bool,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub(crate) timeout_s: u64,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArguments {
    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
    /// The adapter's folder
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: Option<PathBuf>,
    /// A file of rows to use instead of the recipe's validation split
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// Format of that file; default: that of the recipe's first file of rows, else messages
    #[arg(long, value_name = "FORMAT", requires = "data", value_parser = row_format)]
    pub(crate) format: Option<&'static RowFormat>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
    /// The adapter's folder; without it, the base model answers
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: Option<PathBuf>,
    /// The request; without it, requests are read from the standard input
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// Complete the text without the chat template; special tokens in it are recognised (`<|im_start|>`)
    #[arg(long)]
    pub(crate) raw: bool,
    /// With --raw: special tokens that the text spells out are letters
    #[arg(long, requires = "raw")]
    pub(crate) literal: bool,
    #[command(flatten)]
    pub(crate) fim: FimArguments,
    /// Maximum number of tokens of an answer
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub(crate) max_new_tokens: usize,
    /// Sampling temperature, which divides the logits; 0 for greedy decoding
    #[arg(
        long,
        value_name = "T",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    pub(crate) temperature: f64,
    /// Nucleus sampling: sample from the fewest tokens with this total probability
    #[arg(
        long,
        value_name = "P",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    pub(crate) top_p: f64,
    /// Sample from this many of the most likely tokens
    #[arg(long, value_name = "K")]
    pub(crate) top_k: Option<usize>,
    /// Seed of the sampling
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArguments {
    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,
    /// The adapter's folder
    #[arg(value_name = "ADAPTER")]
    pub(crate) adapter: PathBuf,
    /// The folder to write, which must not exist yet
    #[arg(value_name = "OUTPUT")]
    pub(crate) output: PathBuf,
    /// Data type of the merged weights
    #[arg(long, value_name = "TYPE", default_value = "bf16")]
    pub(crate) dtype: MergedType,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,
    /// The adapter's folder
    #[arg(value_name = "ADAPTER")]
    pub(crate) adapter: PathBuf,
    /// The file (gguf, merged-gguf) or folder (peft, merged) to write, which must not exist yet
    #[arg(value_name = "OUTPUT")]
    pub(crate) output: PathBuf,
    /// Output format
    #[arg(long, value_name = "FORMAT")]
    pub(crate) to: ExportFormat,
    /// Type of all weights, if the format has a choice
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<ExportType>,
}

/// Parses the name of a format for files of rows, as spelled in a recipe.
fn row_format(text: &str) -> Result<&'static RowFormat, String> {
    RowFormat::by_name(text).ok_or_else(|| {
        let names = ROW_FORMATS.map(|format| format.name);
        format!("one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn formats_of_rows_are_those_of_a_recipe() {
        assert_eq!(row_format("alpaca").map(|format| format.name), Ok("alpaca"));
        let refusal = row_format("python_source").expect_err("it has no rows");
        assert!(
            refusal.starts_with("one of alpaca, messages, "),
            "{refusal}"
        );
        assert!(!refusal.contains("python_source"), "{refusal}");
    }
}
