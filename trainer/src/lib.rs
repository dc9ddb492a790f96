//! The library behind the command `trainer`: fits LoRA adapters for small code language models.
//!
//! [`run`] is the whole command. The parts for other training loops are public: [`batch`] pads or packs examples,
//! [`schedule`] computes the learning rate of a step, [`step`] takes one, and [`difference`] measures how far two
//! computations differ.
//!
//! ```
//! use slm_config::LrSchedulerType;
//! use trainer::schedule::Schedule;
//!
//! let schedule = Schedule {
//!     kind: LrSchedulerType::Linear,
//!     peak: 2e-4,
//!     warmup_steps: 2,
//!     total_steps: 10,
//! };
//! assert_eq!(schedule.learning_rate(0), 0.0);
//! assert_eq!(schedule.learning_rate(2), 2e-4);
//! ```

mod arguments;
mod available;
pub mod batch;
mod budget;
mod checkpoint;
mod dataset;
mod devices;
pub mod difference;
mod doctor;
mod export;
mod fetch;
mod fit;
mod flops;
mod folder;
mod generate;
mod improve;
mod init;
mod log;
mod lora_settings;
mod memory;
mod output;
mod plan;
pub mod preference;
mod preference_step;
mod recipe_keys;
mod report;
mod runs;
pub mod schedule;
mod setup;
mod show_data;
pub mod step;
mod training;
mod validate;
mod validation;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Command};

/// The definition of the command line, for completions, man pages and docs/reference/cli.md.
pub fn command() -> clap::Command {
    Arguments::command().name("trainer")
}

/// Parses the arguments, runs the command, and maps its outcome to an exit code.
pub fn run() -> ExitCode {
    slm_cli::watch_interrupts();
    slm_model::keep_freed_memory();
    slm_cli::finish(match Arguments::parse_from(slm_cli::arguments()).command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Fit(arguments) => fit::run(&arguments),
        Command::Improve(arguments) => improve::run(&arguments),
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
        Command::Runs(arguments) => runs::run(&arguments),
        Command::Recipe(arguments) => recipe_keys::run(&arguments),
        Command::Completions(arguments) => {
            slm_cli::result(slm_cli::completions(command(), arguments.shell).trim_end());
            Ok(())
        }
        Command::Man(arguments) => slm_cli::man(command(), &arguments.folder),
    })
}
