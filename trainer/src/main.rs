//! `trainer`: fits LoRA adapters for small code language models.

mod arguments;
mod batch;
mod dataset;
mod fit;
mod output;
#[cfg(test)]
mod parity;
mod schedule;
mod step;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    cli::finish(match Arguments::parse().command {
        Command::Fit(arguments) => fit::run(&arguments),
    })
}
