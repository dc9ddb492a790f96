//! `trainer` from the outside: its help, what it says to bad input, and a training of a tiny model.

mod bad_input;
mod commands;
mod data;
mod devices;
mod fit;
mod resume;
#[path = "../../../cli/tests/support/mod.rs"]
mod support;
mod tools;

use support::{Finished, Project, finish};

/// Runs `trainer` in a project.
fn run(project: &Project, words: &[&str]) -> Finished {
    finish(&mut project.command(env!("CARGO_BIN_EXE_trainer"), words))
}

/// Runs `trainer fit tiny.yaml` in a project, with more words after it.
fn fit(project: &Project, words: &[&str]) -> Finished {
    let words = [&["fit", "tiny.yaml", "--device", "cpu"], words].concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_trainer"), &words))
}
