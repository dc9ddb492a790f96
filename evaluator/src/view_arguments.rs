//! The command-line arguments of `evaluator view`.

use std::path::PathBuf;

use clap::Args;

/// The examples at the end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  evaluator view latest
  evaluator view quickstart-1a2b3c4d quickstart-5e6f7a8b -o two-runs.html

The page is one file without links to others: verdicts, charts, and a table of all answers with filters, search, \
differences of programs, failing tests and every step. It opens in any browser, without network. Experiments and \
`evaluator report` write it beside report.md; for a training, see `trainer view`.";

/// The arguments of `evaluator view`.
#[derive(Debug, Args)]
pub(crate) struct ViewArguments {
    /// Runs: their folders, their names under the --reports folder, unique prefixes of them, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) runs: Vec<PathBuf>,
    /// The page's file [default: report.html in the folder of the only run]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Leave out trajectories, first of tasks on which the arms agree, to keep the file below this many megabytes
    #[arg(long, value_name = "N", default_value = "15", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit_mb: u32,
    /// Folder that is searched for runs by name
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
}
