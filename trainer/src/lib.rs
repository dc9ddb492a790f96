//! The library behind the command `trainer`: fits LoRA adapters for small code language models.

mod arguments;
mod available;
mod batch;
mod budget;
mod checkpoint;
mod dataset;
mod devices;
mod doctor;
mod export;
mod fetch;
mod fit;
mod flops;
mod folder;
mod generate;
mod log;
mod lora_settings;
mod memory;
mod output;
#[cfg(test)]
mod parity;
mod plan;
mod report;
mod schedule;
mod setup;
mod show_data;
mod step;
mod training;
mod validate;
mod validation;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

/// Parses the arguments, runs the command, and maps its outcome to an exit code.
pub fn run() -> ExitCode {
    slm_cli::watch_interrupts();
    slm_model::keep_freed_memory();
    slm_cli::finish(match Arguments::parse().command {
        Command::Fit(arguments) => fit::run(&arguments),
        Command::Fetch(arguments) => fetch::run(&arguments),
        Command::Data(arguments) => show_data::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Merge(arguments) => export::merge(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Devices => {
            devices::run();
            Ok(())
        }
        Command::Doctor(arguments) => doctor::run(&arguments),
    })
}
