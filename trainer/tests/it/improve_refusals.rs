//! `trainer improve` where it starts no round.

use std::fs;

use crate::improve::{Rounds, STAGES};
use crate::support::says;

#[test]
fn without_the_evaluator_beside_it_nothing_starts() {
    let rounds = Rounds::new();
    fs::remove_file(rounds.project.path("bin/evaluator")).expect("removed");
    let error = rounds.run(&[]).error(2);
    says(
        &error,
        &[
            "bin/evaluator is missing",
            "hint: install both programs in one folder",
        ],
    );
    assert!(!rounds.project.path("checkpoints").exists());
}

#[test]
fn a_dry_run_prints_every_command_and_writes_nothing() {
    let rounds = Rounds::new();
    let shown = rounds.run(&["--dry-run"]).result();
    assert_eq!(shown.lines().count(), STAGES.len(), "{shown}");
    for (line, stage) in shown.lines().zip(STAGES) {
        assert!(line.contains(stage), "{stage}: {line}");
    }
    assert!(!rounds.project.path("checkpoints").exists());
    assert!(rounds.started().is_empty());
}

#[test]
fn the_adapter_of_another_training_is_not_replaced() {
    let rounds = Rounds::new();
    rounds
        .project
        .write("checkpoints/rounds/adapter/adapter_model.safetensors", "x");
    let error = rounds.run(&[]).error(2);
    says(
        &error,
        &["holds a training, whose adapter would be replaced"],
    );
}
