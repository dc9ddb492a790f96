//! What a user types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use model::DeviceChoice;

/// Fits LoRA adapters for small code language models.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 environment failure, 2 user mistake, 101 bug, 130 interrupted"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train an adapter as a recipe says
    #[command(after_long_help = FIT_EXAMPLES)]
    Fit(FitArguments),
}

const FIT_EXAMPLES: &str = "\
Examples:
  trainer fit recipes/quickstart.yaml
  trainer fit recipes/qwen-coder-1.5b.yaml --device cuda --set lora.r=32

The adapter is written to checkpoints/<recipe>/adapter in PEFT's format, together with the resolved recipe; the loss \
of every logged step stands in checkpoints/<recipe>/log.jsonl.

Environment: SLM_CACHE moves the folder for downloaded models, PYTHON names the Python to use.";

#[derive(Debug, Args)]
pub(crate) struct FitArguments {
    /// The recipe, a YAML file
    #[arg(value_name = "RECIPE")]
    pub(crate) recipe: PathBuf,
    /// Override a key of the recipe; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Where to compute: auto, cpu, wgpu, vulkan, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
