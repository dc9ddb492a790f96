//! The library behind the command `trainer`: fits LoRA adapters for small code language models.
//!
//! [`run`] is the whole command. Whoever wants a training of their own finds its parts here: [`batch`] puts examples side
//! by side or packs them, [`schedule`] gives the learning rate of a step, [`step`] takes one, and [`difference`] says how
//! far the numbers of two computations are apart.
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
mod log;
mod lora_settings;
mod memory;
mod output;
mod plan;
mod report;
pub mod schedule;
mod setup;
mod show_data;
pub mod step;
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
