//! What a user types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use model::DeviceChoice;

/// Judges base models and adapters on tasks with hidden tests.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 environment failure, 2 user mistake, 3 some samples unscored, 101 bug, 130 interrupted"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compare an adapter with its base model and write a report
    #[command(after_long_help = COMPARE_EXAMPLES)]
    Compare(CompareArguments),
}

const COMPARE_EXAMPLES: &str = "\
Examples:
  evaluator compare
  evaluator compare checkpoints/quickstart/adapter --set evaluate.timeout_s=2

Without an adapter, the newest finished one under checkpoints/ is taken. Its recipe, which lies in its folder, says how \
to evaluate. A run that was interrupted goes on where it stopped when the same command is given again.

Environment: SLM_CACHE moves the folder for downloaded models, PYTHON names the Python to use.";

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// Folder of the adapter, in PEFT's layout [default: the newest under checkpoints/]
    #[arg(value_name = "ADAPTER")]
    pub(crate) adapter: Option<PathBuf>,
    /// Recipe to evaluate by [default: the one in the adapter's folder]
    #[arg(long, value_name = "RECIPE")]
    pub(crate) recipe: Option<PathBuf>,
    /// Override a key of the recipe; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Where to compute: auto, cpu, wgpu, vulkan, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: DeviceChoice,
    /// Folder under which the run's folder is made
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Print one JSON document with the results instead of the report's path
    #[arg(long)]
    pub(crate) json: bool,
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
