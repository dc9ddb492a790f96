//! Arguments of `evaluator report`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// A run: its folder, its name under the --reports folder, a unique prefix of it, or `latest`; or all shards of a run
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) runs: Vec<PathBuf>,
    /// Folder that is searched for runs by name, and that merged runs are written to
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    pub(crate) reports: PathBuf,
    /// Merge the shards that are there, although others are missing: the report has no verdicts
    #[arg(long)]
    pub(crate) interim: bool,
    /// Compare the run with another one, cell by cell, and write nothing: arms of one name, and the adapters if each run has
    /// one
    #[arg(long, value_name = "RUN", conflicts_with = "interim")]
    pub(crate) against: Option<PathBuf>,
    /// Print one JSON document with the results instead of the report's path
    #[arg(long)]
    pub(crate) json: bool,
}
