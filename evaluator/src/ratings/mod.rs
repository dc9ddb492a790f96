//! `evaluator ratings`: people rate programs without knowing which arm or workflow wrote them.
//!
//! `export` draws the programs and writes the raters' table and its key; `import` reads the filled tables, and `result`
//! compares the ratings. `key` is the file between the two, `spreadsheet` the form of the table.
//!
//! # Source
//! Miah and Zhu 2024, "User centric evaluation of code generation tools", arXiv:2402.03130: ratings of 1 to 5 of several
//! attributes of quality. Agreement: Krippendorff 2011, "Computing Krippendorff's alpha-reliability".

mod export;
mod import;
mod key;
mod page;
mod result;
mod spreadsheet;

use slm_cli::Failure;

use crate::ratings_arguments::{RatingsArguments, RatingsCommand};

/// Writes a table for raters, or reads the filled ones.
pub(crate) fn run(arguments: &RatingsArguments) -> Result<(), Failure> {
    match &arguments.command {
        RatingsCommand::Export(arguments) => Ok(export::run(arguments)?),
        RatingsCommand::Import(arguments) => Ok(import::run(arguments)?),
    }
}
