//! `evaluator`: judges base models and adapters on tasks with hidden tests, and measures Python code.

mod arguments;
mod arm;
mod backend;
mod compare;
mod describe;
mod judge;
mod measure;
mod record;
mod report;
mod run_folder;
mod statistics;
mod workflow;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    cli::finish(match Arguments::parse().command {
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Metrics(arguments) => measure::run(&arguments),
    })
}
