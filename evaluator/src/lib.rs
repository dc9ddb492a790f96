//! The library behind the command `evaluator`: judges base models and adapters on tasks with hidden tests.
//!
//! [`run`] is all that `main.rs` calls, and the only public item: what a program of one's own may use lies in the libraries
//! `slm-scoring` (programs against hidden tests), `slm-report` (records to pages) and `slm-statistics`. Where to start
//! reading:
//!
//! - `experiment`: `compare`, `sweep`, `workflows`, `hypotheses` and `report`, top to bottom
//! - `workflow`: the ways from a task to a program, and the engine that runs, logs and resumes them
//! - `backend`: who answers, the built-in model or a server
//! - `run_folder`: the files of a run
//! - `score`, `measure`, `show`, `bench`, `sandboxing`: a command each

mod arguments;
mod backend;
mod bench;
mod benchmark_file;
mod clock;
mod digest;
mod experiment;
mod json_lines;
mod metrics_command;
mod run_folder;
mod samples;
mod sandboxing;
mod score;
mod shard;
mod show;
#[cfg(test)]
#[allow(dead_code, reason = "the report's own tests use the rest")]
#[path = "../../crates/slm-report/tests/support/synthetic.rs"]
mod synthetic;
mod workflow;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command, CompareArguments, HypothesesArguments, OneArmArguments};
use experiment::Request;
use slm_cli::Failure;
use slm_report::Experiment;

/// Parses the arguments, runs the command, and maps its outcome to an exit code.
pub fn run() -> ExitCode {
    // Before anything else: the program may have been started as its own sandbox's helper.
    if let Some(exit_code) = slm_sandbox::helper::become_if_asked() {
        return exit_code;
    }
    slm_cli::watch_interrupts();
    slm_cli::finish(match Arguments::parse().command {
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
        Command::Report(arguments) => experiment::rebuild(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Score(arguments) => score::run(&arguments),
        Command::Sandbox(arguments) => sandboxing::run(&arguments),
        Command::Metrics(arguments) => metrics_command::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    })
}

/// An experiment on the base model, or on the adapter that is named.
fn of_one_arm(experiment: Experiment, arguments: &OneArmArguments) -> Result<(), Failure> {
    let OneArmArguments { adapter, common } = arguments;
    experiment::run(&Request {
        experiment,
        adapters: adapter.as_slice(),
        newest_if_none: false,
        common,
    })
}
