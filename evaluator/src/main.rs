//! `evaluator`: judges base models and adapters on tasks with hidden tests, and measures Python code.

mod arguments;
mod arm;
mod backend;
mod compare;
mod describe;
mod digest;
mod json_lines;
mod judge;
mod measure;
mod record;
mod report;
mod run_folder;
mod sandboxing;
mod score;
mod show;
mod statistics;
mod workflow;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    // Before anything else: the program may have been started as its own sandbox's helper.
    if let Some(exit_code) = sandbox::helper::become_if_asked() {
        return exit_code;
    }
    cli::finish(match Arguments::parse().command {
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Score(arguments) => score::run(&arguments),
        Command::Sandbox(arguments) => sandboxing::run(&arguments),
        Command::Metrics(arguments) => measure::run(&arguments),
    })
}
