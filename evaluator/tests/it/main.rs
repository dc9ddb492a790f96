//! `evaluator` from the outside: its help, its errors on bad input, a comparison on a tiny model, and the metrics of
//! files.

mod adaptive;
mod against;
mod bad_input;
mod bench;
mod browser;
mod cluster;
mod commands;
mod compare;
mod cost;
mod dataset;
mod decompositions;
mod documents;
mod endpoint;
mod endpoint_faults;
#[path = "../../../crates/slm-cli/tests/support/energy.rs"]
mod energy;
mod experiment_page;
mod experiments;
#[allow(dead_code, reason = "the hub's own tests use the rest")]
#[path = "../../../crates/slm-hub/tests/support/mod.rs"]
mod fake_hub;
mod fake_server;
mod formats;
mod hostile_answers;
mod hub;
#[cfg(unix)]
mod interrupt;
mod leakage;
mod llama_server;
mod log_probabilities;
mod memory;
mod metrics;
#[cfg(target_os = "linux")]
mod network;
mod own_code;
mod published;
mod quality;
mod ratings;
mod recorded;
mod review;
mod score;
mod shards;
mod show;
mod snippets;
mod speakers;
#[path = "../../../crates/slm-cli/tests/support/mod.rs"]
mod support;
mod verifier_data;
mod version_3;
mod view;
mod view_texts;
mod workflows;

use support::{Finished, Project, copy_folder, finish, golden};

/// A project like after `trainer fit`: with an adapter for the tiny model.
fn trained_project() -> Project {
    let project = Project::new();
    copy_folder(
        &golden("saved-here/adapter"),
        &project.path("checkpoints/tiny/adapter"),
    );
    let recipe = format!("name: tiny\n{}", project.read("tiny.yaml"));
    project.write("checkpoints/tiny/adapter/recipe.yaml", recipe);
    project
}

/// Answers the project's tasks with the base model, with further settings.
fn answer_tasks(project: &Project, settings: &[&str]) -> Finished {
    let words = [
        "--base-only",
        "--recipe",
        "tiny.yaml",
        "--set",
        "evaluate.benchmarks=[{name: custom, path: tasks.jsonl}]",
    ];
    let settings = settings.iter().flat_map(|set| ["--set", *set]);
    compare(
        project,
        &words.into_iter().chain(settings).collect::<Vec<_>>(),
    )
}

/// Runs `evaluator compare` in a project, with further arguments.
fn compare(project: &Project, words: &[&str]) -> Finished {
    // Answers of a few tokens: the tiny model writes nothing sensible anyway.
    let words = [
        &[
            "compare",
            "--device",
            "cpu",
            "--set",
            "evaluate.max_new_tokens=8",
        ],
        words,
    ]
    .concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
}
