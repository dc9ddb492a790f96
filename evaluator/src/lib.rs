//! The library behind the command `evaluator`: evaluates base models and adapters on tasks with hidden tests.
//!
//! `main.rs` calls [`run`]; reusable parts are in the libraries `slm-scoring` (programs against hidden tests),
//! `slm-report` (records to pages) and `slm-statistics`. Where to start reading:
//!
//! - `experiment`: `compare`, `sweep`, `workflows`, `hypotheses` and `report`, top to bottom
//! - `workflow`: the workflows that turn a task into a program, and the engine that runs, logs and resumes them
//! - `backend`: the built-in model, or a server behind an endpoint
//! - `run_folder`: the files of a run
//! - `score`, `metrics_command`, `quality`, `review`, `dataset`, `memory_command`, `index`, `tasks_command`, `show`, `view`,
//!   `ratings`, `bench`, `sandboxing`: one command each

mod arguments;
mod backend;
mod bench;
mod benchmark_file;
mod dataset;
mod dataset_arguments;
mod digest;
mod experiment;
mod index;
mod index_arguments;
mod json_lines;
mod knowledge;
mod leakage;
mod memory_arguments;
mod memory_command;
mod metrics_command;
mod order;
mod python_files;
mod quality;
mod ratings;
mod ratings_arguments;
mod recipe_arguments;
mod recorded;
mod report_arguments;
mod repositories;
mod review;
mod review_arguments;
mod routing;
mod run_folder;
mod run_task;
mod runs;
mod samples;
mod sandboxing;
mod score;
mod shard;
mod show;
#[cfg(test)]
#[allow(dead_code, reason = "the report's own tests use the rest")]
#[path = "../../crates/slm-report/tests/support/synthetic.rs"]
mod synthetic;
mod tasks_command;
mod view;
mod view_arguments;
mod workflow;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::{Arguments, Command, CompareArguments, HypothesesArguments, OneArmArguments};
use experiment::Request;
use slm_cli::Failure;
use slm_report::Experiment;

/// The settings that need less memory of a device.
const LESS_MEMORY: &str = "lower `evaluate.batch_size` or, in `bench`, --batch; nvidia-smi shows what other processes \
                           hold";

/// The definition of the command line, for completions, man pages and docs/reference/cli.md.
pub fn command() -> clap::Command {
    Arguments::command().name("evaluator")
}

/// Parses the arguments, runs the command, and maps its outcome to an exit code.
pub fn run() -> ExitCode {
    // First of all, because this process may have been started as the sandbox's helper.
    if let Some(exit_code) = slm_sandbox::helper::run_if_started_as_helper() {
        return exit_code;
    }
    let command = Arguments::parse_from(slm_cli::arguments()).command;
    if let Some(device) = command.computes_on() {
        slm_cli::prepare_device(device, slm_cli::DeviceUse::Compute, || command.has_recipe());
    }
    slm_cli::watch_interrupts();
    slm_cli::finish(slm_cli::guarded(LESS_MEMORY, || execute(command)))
}

fn execute(command: Command) -> Result<(), Failure> {
    match command {
        Command::Compare(CompareArguments {
            adapters,
            base_only,
            common,
        }) => experiment::run(&Request {
            experiment: Experiment::Compare,
            adapters: &adapters,
            newest_if_none: !base_only,
            common: &common,
        }),
        Command::Sweep(arguments) => of_one_arm(Experiment::Sweep, &arguments),
        Command::Workflows(arguments) => of_one_arm(Experiment::Workflows, &arguments),
        Command::Hypotheses(HypothesesArguments { adapters, common }) => {
            experiment::run(&Request {
                experiment: Experiment::Hypotheses,
                adapters: &adapters,
                newest_if_none: true,
                common: &common,
            })
        }
        Command::Runs(arguments) => runs::run(&arguments),
        Command::Report(arguments) => experiment::rebuild(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::View(arguments) => view::run(&arguments),
        Command::Score(arguments) => score::run(&arguments),
        Command::Dataset(arguments) => dataset::run(&arguments),
        Command::Memory(arguments) => memory_command::run(&arguments),
        Command::Index(arguments) => index::run(&arguments),
        Command::Tasks(arguments) => tasks_command::run(&arguments),
        Command::Sandbox(arguments) => sandboxing::run(&arguments),
        Command::Metrics(arguments) => metrics_command::run(&arguments),
        Command::Quality(arguments) => quality::run(&arguments),
        Command::Ratings(arguments) => ratings::run(&arguments),
        Command::Review(arguments) => review::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Completions(arguments) => {
            slm_cli::result(slm_cli::completions(self::command(), arguments.shell).trim_end());
            Ok(())
        }
        Command::Man(arguments) => slm_cli::man(self::command(), &arguments.folder),
    }
}

/// Runs an experiment on the base model, or on the named adapter.
fn of_one_arm(experiment: Experiment, arguments: &OneArmArguments) -> Result<(), Failure> {
    let OneArmArguments { adapter, common } = arguments;
    experiment::run(&Request {
        experiment,
        adapters: adapter.as_slice(),
        newest_if_none: false,
        common,
    })
}
