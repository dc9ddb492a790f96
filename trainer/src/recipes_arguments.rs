//! Arguments and help of `trainer recipes`.

use std::path::PathBuf;

use clap::Args;

pub(crate) const RECIPES_EXAMPLES: &str = "\
Examples:
  trainer recipes
  trainer recipes quickstart
  trainer recipes quickstart -o quickstart.yaml

The program contains the recipes of the repository. With -o, the commands in their comments name that file, and what a \
recipe reads besides, such as the small library of own-library, is written beside it. No file is overwritten.";

#[derive(Debug, Args)]
pub(crate) struct RecipesArguments {
    /// The recipe to print; without it all are listed
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Write it to a file, which must not exist
    #[arg(short, long, value_name = "FILE", requires = "name")]
    pub(crate) output: Option<PathBuf>,
    /// Print the list as one JSON document
    #[arg(long, conflicts_with = "name")]
    pub(crate) json: bool,
}
