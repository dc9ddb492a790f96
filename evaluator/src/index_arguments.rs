//! The arguments of `evaluator index`.

use std::path::PathBuf;

use clap::Args;

pub(crate) const EXAMPLES: &str = "\
Examples:
  evaluator index docs src
  evaluator index docs src \"parse a date\" --top-k 5
  evaluator index pip:requests \"retry after a timeout\" --json
  evaluator index --recipe recipes/own-library.yaml \"how long a ship waits\"

Shows what the workflows rag, crag, sketch and tools look things up in: functions and classes of Python files, sections \
of Markdown and reStructuredText, and the public objects of an installed package, which is parsed and never imported. \
Files of tests are left out. Hits are ranked by BM25 (k1 1.2, b 0.75).

Environment: PYTHON sets the Python interpreter.";

#[derive(Debug, Args)]
pub(crate) struct IndexArguments {
    /// Files, folders, patterns of documentation in quotation marks and pip:NAME; then, last, a query. With --recipe, the
    /// query alone
    #[arg(value_name = "PATH|QUERY", required_unless_present = "recipe")]
    pub(crate) subjects: Vec<String>,
    /// Recipe whose documentation and code are indexed
    #[arg(long, value_name = "RECIPE")]
    pub(crate) recipe: Option<PathBuf>,
    /// Override a key of the recipe
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "recipe")]
    pub(crate) overrides: Vec<String>,
    /// Most chunks that are shown, from 1 to 20 [default: the recipe's `knowledge.top_k`, else 3]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(1..=20))]
    pub(crate) top_k: Option<u8>,
    /// Python interpreter in which pip:NAME is installed [default: python3]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}
