//! What a user types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use metrics::Rank;
use model::DeviceChoice;

/// Judges base models and adapters on tasks with hidden tests.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 environment failure, 2 user mistake, 3 some samples unscored or files uncounted, 101 bug, 130 interrupted"
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
    /// Count lines, complexity and maintainability of Python files
    #[command(after_long_help = METRICS_EXAMPLES)]
    Metrics(MetricsArguments),
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

const METRICS_EXAMPLES: &str = "\
Examples:
  evaluator metrics src
  evaluator metrics --sort mi --min B --json src tests/conftest.py

The numbers are those of radon 6.0.1, except mi_code: the maintainability index without docstrings and comments. In \
folders every *.py is counted, except in hidden folders and __pycache__; symbolic links are not followed. A file that \
cannot be counted is told on stderr, the others still are counted, and the exit code is 3.";

#[derive(Debug, Args)]
pub(crate) struct MetricsArguments {
    /// Python files, whatever they are called, and folders to search for *.py
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Order of the files: mi has the least maintainable first, cc the most complex [default: by path]
    #[arg(long, value_name = "KEY")]
    pub(crate) sort: Option<SortKey>,
    /// Leave out files whose maintainability has a better rank than this: A, B or C
    #[arg(long, value_name = "RANK", value_parser = maintainability_rank)]
    pub(crate) min: Option<Rank>,
    /// Read f-strings as Python up to 3.11 does: a colon in one does not count as a logical line
    #[arg(long)]
    pub(crate) legacy_fstrings: bool,
    /// Print one JSON document with all metrics of files, classes and functions instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// The number by which files are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortKey {
    /// Maintainability index.
    Mi,
    /// Cyclomatic complexity of the whole file.
    Cc,
}

/// A rank that the maintainability index can have.
fn maintainability_rank(text: &str) -> Result<Rank, String> {
    text.parse()
        .ok()
        .filter(|rank| *rank <= Rank::C)
        .ok_or_else(|| "the maintainability index has the ranks A, B and C".to_owned())
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
