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
mod cards;
mod checkpoint;
mod dataset;
mod device_argument;
mod devices;
pub mod difference;
mod doctor;
mod export;
mod export_types;
mod fetch;
mod fim;
mod fim_arguments;
mod fim_request;
mod fit;
mod flops;
mod folder;
mod generate;
mod improve;
mod init;
mod init_from;
mod loading;
mod log;
mod lora_settings;
mod memory;
mod optimizer;
mod output;
mod piece;
mod plan;
mod plan_arguments;
pub mod preference;
mod preference_step;
mod recipe_keys;
mod recipes;
mod recipes_arguments;
mod report;
mod runs;
pub mod schedule;
mod setup;
mod show_data;
pub mod step;
mod training;
mod validate;
mod validation;
mod view;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{
    Arguments, Command, FitArguments, GenerateArguments, ImproveArguments, ValidateArguments,
};
use slm_config::Recipe;

/// The settings that need less memory of a device.
const LESS_MEMORY: &str = "lower `train.micro_batch_size`, set `train.gradient_checkpointing=auto` or lower \
                           `data.max_seq_length`; nvidia-smi shows what other processes hold";

/// The definition of the command line, for completions, man pages and docs/reference/cli.md.
pub fn command() -> clap::Command {
    Arguments::command().name("trainer")
}

/// Parses the arguments, runs the command, and maps its outcome to an exit code.
pub fn run() -> ExitCode {
    let command = Arguments::parse_from(slm_cli::arguments()).command;
    if let Some((device, purpose)) = command.device() {
        slm_cli::prepare_device(device, purpose, || has_recipe(&command));
    }
    #[cfg(feature = "cube-cpu")]
    break_kernel();
    slm_cli::watch_interrupts();
    slm_model::keep_freed_memory();
    slm_cli::finish(slm_cli::guarded(LESS_MEMORY, || execute(command)))
}

/// Whether the recipe of a command that computes can be read; without it, the command fails before it needs a device.
fn has_recipe(command: &Command) -> bool {
    let (path, overrides) = match command {
        Command::Fit(FitArguments { recipe, .. }) => {
            let read = Recipe::load(&recipe.recipe, &recipe.overrides, slm_benchmarks::NAMES);
            return read.is_ok();
        }
        Command::Plan(arguments) => match &arguments.recipe {
            Some(path) => (path, arguments.overrides()),
            None => return true,
        },
        Command::Improve(ImproveArguments { recipe, .. })
        | Command::Validate(ValidateArguments { recipe, .. })
        | Command::Generate(GenerateArguments { recipe, .. }) => {
            (&recipe.recipe, recipe.overrides.clone())
        }
        _ => return true,
    };
    Recipe::load_without_data(path, &overrides, slm_benchmarks::NAMES).is_ok()
}

/// Breaks the kernel that `SLM_BREAK_KERNEL` names, in builds for checks of the GPU path.
#[cfg(feature = "cube-cpu")]
fn break_kernel() {
    let name = std::env::var("SLM_BREAK_KERNEL").unwrap_or_default();
    if let Some(kernel) = slm_model::Kernel::from_name(&name) {
        slm_model::break_kernel(kernel);
    }
}

fn execute(command: Command) -> Result<(), slm_cli::Failure> {
    match command {
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
        Command::View(arguments) => view::run(&arguments),
        Command::Recipe(arguments) => recipe_keys::run(&arguments),
        Command::Recipes(arguments) => recipes::run(&arguments),
        Command::Completions(arguments) => {
            slm_cli::result(slm_cli::completions(self::command(), arguments.shell).trim_end());
            Ok(())
        }
        Command::Man(arguments) => slm_cli::man(self::command(), &arguments.folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_without_its_recipe_prepares_no_device() {
        let check = |words: &[&str], expected: bool| {
            let words = [&["trainer"][..], words, &["--device", "cuda"]].concat();
            let command = Arguments::parse_from(&words).command;
            assert!(command.device().is_some(), "{words:?}");
            assert_eq!(has_recipe(&command), expected, "{words:?}");
        };
        let recipe = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../recipes/qwen-coder-1.5b.yaml"
        );
        for name in ["fit", "improve", "validate", "generate", "plan"] {
            check(&[name, "typo.yaml"], false);
        }
        check(&["plan", recipe, "--set", "lora.typo=3"], false);
        check(&["plan", recipe, "--measure", "3"], true);
        check(&["generate", recipe], true);
        check(&["plan", "--shape", "tiny-llama", "--measure", "1"], true);
        check(&["doctor"], true);
    }
}
