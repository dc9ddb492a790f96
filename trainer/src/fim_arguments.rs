//! Arguments of `trainer generate --fim`.

use std::path::PathBuf;

use clap::Args;

/// Fill-in-the-middle, and where its texts come from.
#[derive(Debug, Args)]
pub(crate) struct FimArguments {
    /// Fill in the middle: print what belongs between a prefix and a suffix. The request is --prompt, --file or all of the
    /// standard input, with the marker at the gap
    #[arg(long, conflicts_with = "raw")]
    pub(crate) fim: bool,
    /// With --fim: a file with the marker at the gap
    #[arg(long, value_name = "FILE", requires = "fim", conflicts_with_all = ["prompt", "prefix_file"])]
    pub(crate) file: Option<PathBuf>,
    /// With --fim: the text at the gap, which must occur once
    #[arg(long, value_name = "TEXT", requires = "fim", default_value = "<FILL>")]
    pub(crate) marker: String,
    /// With --fim: a file with the text before the gap
    #[arg(long, value_name = "FILE", requires = "fim", conflicts_with = "prompt")]
    pub(crate) prefix_file: Option<PathBuf>,
    /// With --prefix-file: a file with the text after the gap [default: no text]
    #[arg(long, value_name = "FILE", requires = "prefix_file")]
    pub(crate) suffix_file: Option<PathBuf>,
    /// With --fim: what comes first, psm for the prefix or spm for the suffix [default: as in the recipe's data set of
    /// format fim, else psm]
    #[arg(long, value_name = "ORDER", requires = "fim")]
    pub(crate) order: Option<FimOrder>,
}

/// The order of prefix and suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FimOrder {
    /// The prefix first.
    Psm,
    /// The suffix first.
    Spm,
}
