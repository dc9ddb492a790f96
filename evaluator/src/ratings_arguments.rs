//! The arguments of `evaluator ratings`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

pub(crate) const EXAMPLES: &str = "\
Examples:
  evaluator ratings export latest -o ratings --tasks 20
  evaluator ratings import ratings ada.csv grace.csv

export writes ratings.csv, which every rater gets a copy of, and key.json, which no rater may see: it names the arm and \
the workflow of each program. import reads the filled copies, one for each rater.";

#[derive(Debug, Args)]
pub(crate) struct RatingsArguments {
    #[command(subcommand)]
    pub(crate) command: RatingsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RatingsCommand {
    /// Write a table of programs for raters, and its key
    #[command(after_long_help = EXPORT_EXAMPLES)]
    Export(ExportArguments),
    /// Compare the ratings by arm and workflow, and measure how far the raters agree
    #[command(after_long_help = IMPORT_EXAMPLES)]
    Import(ImportArguments),
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  evaluator ratings export latest -o ratings
  evaluator ratings export reports/h3-1a2b3c4d -o ratings --workflow reflection --workflow multi_agent --tasks 15

Tasks are drawn by the seed from those that every arm and workflow answered with a program, and the first sample of each \
is a row, in an order by the seed. Equal programs of one task are one row. Text that a spreadsheet would take for a formula \
gets a leading '.";

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Runs: their folders, their names under the --reports folder, unique prefixes of them, or `latest`
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Folder of ratings.csv and key.json; one with a key is refused
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// Most tasks
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tasks: u32,
    /// Only this arm: base, or an adapter's name; may be given several times
    #[arg(long = "arm", value_name = "ARM")]
    pub(crate) arms: Vec<String>,
    /// Only this workflow; may be given several times
    #[arg(long = "workflow", value_name = "WORKFLOW")]
    pub(crate) workflows: Vec<String>,
    /// Seed of the drawn tasks and of the order
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Separator of columns: the one that the raters' spreadsheet expects
    #[arg(long, value_name = "SEPARATOR", value_enum, default_value_t = Separator::Comma)]
    pub(crate) separator: Separator,
    /// Folder that is searched for runs by name
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Print the counts as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// The separator of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Separator {
    /// As in most countries.
    Comma,
    /// As where a comma separates decimals.
    Semicolon,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  evaluator ratings import ratings ada.csv grace.csv
  evaluator ratings import ratings filled/*.csv --json

A rater's name is that of the file. Columns may be separated by commas, semicolons or tabs. An empty cell is a missing \
rating.";

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Folder of the export, with its key.json
    #[arg(value_name = "FOLDER")]
    pub(crate) export: PathBuf,
    /// The filled tables, one for each rater
    #[arg(value_name = "CSV", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Print one JSON document instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}
