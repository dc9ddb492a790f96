//! A training that is killed, interrupted or damaged ends with the same bytes as an uninterrupted one.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::fit;
use crate::support::{Finished, Project, copy_folder, finish, says};

/// Twenty-four steps with a checkpoint after each, with dropout, and a line of the log for every five of them.
const WORDS: [&str; 10] = [
    "--set",
    "lora.lora_dropout=0.1",
    "--set",
    "train.num_train_epochs=12",
    "--set",
    "output.save_steps=1",
    "--set",
    "output.logging_steps=5",
    "--set",
    "train.weight_decay=0.01",
];
const STEPS: usize = 24;

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&WORDS[..], more].concat()
}

/// Returns the adapter's tensors, the loss log, and the records of the event file.
fn outcome(project: &Project) -> (Vec<u8>, String, Vec<Vec<u8>>) {
    let adapter = project.bytes("checkpoints/tiny/adapter/adapter_model.safetensors");
    let log = project.read("checkpoints/tiny/log.jsonl");
    (adapter, log, events(project))
}

/// Returns the records of the event file, each without its wall time.
fn events(project: &Project) -> Vec<Vec<u8>> {
    let bytes = project.bytes("checkpoints/tiny/events.out.tfevents.trainer");
    let (mut rest, mut records) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().expect("a length")) as usize;
        // Skips the length, its checksum, and the time with its key.
        records.push(rest[12 + 9..12 + length].to_vec());
        rest = &rest[16 + length..];
    }
    records
}

/// Returns the outcome of the training of this recipe without interruption.
fn uninterrupted() -> (Vec<u8>, String, Vec<Vec<u8>>) {
    let project = Project::new();
    fit(&project, &WORDS).result();
    let outcome = outcome(&project);
    let step = |line| serde_json::from_str::<Value>(line).expect("JSON")["step"].as_u64();
    let steps: Vec<u64> = outcome.1.lines().filter_map(step).collect();
    assert_eq!(steps, [0, 5, 10, 15, 20, STEPS as u64]);
    // The first record has the version of the format of the others.
    assert_eq!(outcome.2.len(), 1 + steps.len());
    outcome
}

/// Lists the names in the run's folder.
fn names(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.path("checkpoints/tiny"));
    let entries = entries.into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Returns the step of the newest checkpoint.
fn newest_step(project: &Project) -> usize {
    let names = names(project);
    let steps = names
        .iter()
        .filter_map(|name| name.strip_prefix("step-")?.parse().ok());
    steps.max().unwrap_or(0)
}

fn spawn(project: &Project) -> Child {
    let words = [&["fit", "tiny.yaml", "--device", "cpu"], &WORDS[..]].concat();
    let mut command = project.command(env!("CARGO_BIN_EXE_trainer"), &words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the trainer starts")
}

/// Waits until `ready`, or until the training ends.
fn wait_until(child: &mut Child, mut ready: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ready() && child.try_wait().expect("a child").is_none() {
        assert!(started.elapsed() < Duration::from_mins(2), "no progress");
        thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn killed_twenty_times_a_training_ends_with_the_same_adapter_and_log() {
    let project = Project::new();
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let (mut kills, mut inside_a_save) = (0, 0);
    for round in 0..20 {
        let before = newest_step(&project);
        let mut child = spawn(&project);
        let is_saving = || {
            names(&project)
                .iter()
                .any(|name| name.strip_suffix(".part").is_some())
        };
        match round % 3 {
            // As soon as a save has begun, so that it is incomplete.
            0 => wait_until(&mut child, is_saving),
            // At any time, the start included.
            1 => thread::sleep(Duration::from_millis(rng.random_range(0..400))),
            // Some time after a checkpoint.
            _ => {
                wait_until(&mut child, || newest_step(&project) > before);
                thread::sleep(Duration::from_micros(rng.random_range(0..30_000)));
            }
        }
        kills += usize::from(child.try_wait().expect("a child").is_none());
        child.kill().expect("killed");
        child.wait().expect("a child");
        inside_a_save += usize::from(is_saving());
    }
    fit(&project, &WORDS).result();
    assert!(outcome(&project) == uninterrupted(), "the bytes differ");
    project.assert_no_parts();
    assert!(kills >= 10, "only {kills} kills hit a running training");
    assert!(inside_a_save > 0, "no kill hit a save");
}

#[cfg(unix)]
#[test]
fn the_first_ctrl_c_saves_and_tells_how_to_go_on() {
    for signal in ["-INT", "-TERM"] {
        let project = Project::new();
        let trainer = env!("CARGO_BIN_EXE_trainer");
        let words = [&["fit", "tiny.yaml", "--device", "cpu"], &WORDS[..]].concat();
        let mut command = project.command(trainer, &words);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the trainer starts");
        wait_until(&mut child, || newest_step(&project) >= 3);
        let pid = child.id().to_string();
        Command::new("kill")
            .args([signal, &pid])
            .status()
            .expect("kill runs");
        let output = child.wait_with_output().expect("the trainer ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        let step = newest_step(&project);
        says(
            &stderr,
            &[
                &format!(
                    "interrupted: after step {step} of {STEPS}, which is saved in checkpoints/tiny/step-{step}"
                ),
                &format!("hint: continue with `{trainer} fit tiny.yaml --device cpu --set "),
            ],
        );
        assert!(!project.path("checkpoints/tiny/adapter").exists());
        fit(&project, &WORDS).result();
        assert!(outcome(&project) == uninterrupted(), "the bytes differ");
    }
}

/// Makes a project whose training was stopped by a full disk after the given step.
fn stopped_after(step: usize) -> Project {
    let project = Project::new();
    let mut child = spawn(&project);
    wait_until(&mut child, || newest_step(&project) >= step);
    child.kill().expect("killed");
    child.wait().expect("a child");
    assert!(
        newest_step(&project) < STEPS,
        "it was too fast to be stopped"
    );
    project
}

/// A modification of a checkpoint's folder.
type Damage = fn(&Project, &str);

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_taken() {
    let expected = uninterrupted();
    let damages: [(&str, Damage); 4] = [
        (
            "adapter_model.safetensors does not match its SHA-256",
            |project, folder| {
                let file = format!("{folder}/adapter_model.safetensors");
                let mut bytes = project.bytes(&file);
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
                project.write(&file, bytes);
            },
        ),
        (
            "optimizer.bpk does not match its SHA-256",
            |project, folder| {
                let file = format!("{folder}/optimizer.bpk");
                let bytes = project.bytes(&file);
                project.write(&file, &bytes[..bytes.len() / 2]);
            },
        ),
        (
            "state.json does not match its SHA-256",
            |project, folder| {
                fs::remove_file(project.path(&format!("{folder}/state.json"))).expect("a file");
            },
        ),
        (
            "cannot read SHA256SUMS: No such file or directory (os error 2)",
            |project, folder| {
                fs::remove_file(project.path(&format!("{folder}/SHA256SUMS"))).expect("a file");
            },
        ),
    ];
    for (problem, damage) in damages {
        let project = stopped_after(3);
        let newest = newest_step(&project);
        damage(&project, &format!("checkpoints/tiny/step-{newest}"));
        let finished = fit(&project, &WORDS);
        let before = newest - 1;
        says(
            &finished.stderr,
            &[
                &format!(
                    "checkpoints/tiny/step-{newest}: {problem}; the previous checkpoint is used"
                ),
                &format!("resuming           from step {before} of {STEPS}"),
            ],
        );
        finished.result();
        assert!(outcome(&project) == expected, "the bytes differ");
    }
}

#[test]
fn nothing_but_damaged_checkpoints_is_an_error_of_the_environment() {
    let project = stopped_after(2);
    for name in names(&project)
        .iter()
        .filter(|name| name.starts_with("step-"))
    {
        project.write(&format!("checkpoints/tiny/{name}/state.json"), "{}");
    }
    let error = fit(&project, &WORDS).error(1);
    says(
        &error,
        &[
            "every checkpoint is damaged",
            "hint: train from scratch with --restart",
        ],
    );
    fit(&project, &with(&["--restart"])).result();
    assert!(outcome(&project) == uninterrupted(), "the bytes differ");
}

#[test]
fn a_checkpoint_of_another_training_is_refused_with_what_differs() {
    let project = stopped_after(2);
    let refused = |words: &[&str], parts: &[&str]| {
        let error = fit(&project, &with(words)).error(2);
        says(&error, &["belongs to a different training", "--restart"]);
        says(&error, parts);
    };
    refused(
        &["--set", "train.learning_rate=1e-4", "--set", "lora.r=8"],
        &[
            "`lora.r` was 4, is 8",
            "`train.learning_rate` was 0.001, is 0.0001",
        ],
    );
    let source = project.read("src/lengths.py");
    project.write("src/lengths.py", source.replace("metres", "meters"));
    refused(&[], &["the data sets give different examples"]);
    project.write("src/lengths.py", source);
    let config = project.read("model/config.json");
    project.write("model/config.json", format!("{config}\n"));
    refused(&[], &["the base model's files have changed"]);
    project.write("model/config.json", config);

    // Keys without influence on the training may change.
    let words = [
        "--set",
        "output.save_total_limit=5",
        "--set",
        "evaluate.batch_size=3",
        "--set",
        "train.gradient_checkpointing=layer",
    ];
    fit(&project, &with(&words)).result();
    assert!(outcome(&project) == uninterrupted(), "the bytes differ");
    refused(&["--set", "train.seed=1"], &["`train.seed` was 42, is 1"]);
    fit(&project, &with(&["--set", "train.seed=1", "--restart"])).result();
    assert!(
        outcome(&project) != uninterrupted(),
        "the seed changes nothing"
    );
}

#[test]
fn only_the_newest_checkpoints_are_kept() {
    let project = Project::new();
    fit(&project, &with(&["--set", "output.save_total_limit=3"])).result();
    let mut kept: Vec<String> = names(&project);
    kept.retain(|name| name.starts_with("step-"));
    kept.sort();
    assert_eq!(kept, ["step-22", "step-23", "step-24"]);
}

/// Reads every file below a folder of the project.
fn files(project: &Project, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(project.path(folder)).expect("a folder") {
        let entry = entry.expect("an entry");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(project, &path));
        } else {
            found.insert(path.clone(), project.bytes(&path));
        }
    }
    found
}

#[test]
fn a_finished_training_is_not_done_again_and_no_byte_of_it_changes() {
    let project = Project::new();
    let words = with(&["--set", "data.val_size=0.2"]);
    fit(&project, &words).result();
    let before = files(&project, "checkpoints/tiny");
    assert!(before.len() > 20, "{:?}", before.keys());
    let again = fit(&project, &words);
    says(
        &again.stderr,
        &["already done       12 steps in ", "--restart trains"],
    );
    assert_eq!(again.result(), "adapter: checkpoints/tiny/adapter\n");
    assert!(files(&project, "checkpoints/tiny") == before);

    // A lost report is restored identically, with the time and memory of the training.
    for name in ["training-report.md", "loss.svg"] {
        fs::remove_file(project.path(&format!("checkpoints/tiny/{name}"))).expect("a file");
        fit(&project, &words).result();
        assert!(files(&project, "checkpoints/tiny") == before, "{name}");
    }

    // The evaluation uses the copy of the recipe, whose keys without influence on training may still change.
    let other = [&words[..], &["--set", "evaluate.batch_size=3"]].concat();
    says(
        &fit(&project, &other).stderr,
        &["already done ", "is updated"],
    );
    let mut after = files(&project, "checkpoints/tiny");
    // The page shows the recipe.
    for copy in ["adapter/recipe.yaml", "training-report.html"] {
        let copy = format!("checkpoints/tiny/{copy}");
        let changed = after.insert(copy.clone(), before[&copy].clone());
        let changed = changed.expect("a file");
        assert!(String::from_utf8_lossy(&changed).contains("batch_size: 3\n"));
    }
    assert!(after == before);
}

#[test]
fn a_finished_adapter_of_another_training_is_no_reason_to_stop() {
    let project = Project::new();
    fit(&project, &WORDS).result();
    let first = outcome(&project);
    let words = with(&["--set", "train.seed=5", "--restart"]);
    fit(&project, &words).result();
    let second = outcome(&project);
    // The state after a kill between the last checkpoint and the adapter.
    fs::remove_dir_all(project.path("checkpoints/tiny/adapter")).expect("an adapter");
    let old = Project::new();
    fit(&old, &WORDS).result();
    copy_folder(
        &old.path("checkpoints/tiny/adapter"),
        &project.path("checkpoints/tiny/adapter"),
    );
    assert!(outcome(&project).0 == first.0);
    fit(&project, &with(&["--set", "train.seed=5"])).result();
    assert!(outcome(&project) == second);
}

#[test]
fn a_disk_that_fills_up_in_the_middle_loses_nothing() {
    let project = stopped_after(2);
    let before = newest_step(&project);
    // A file size limit simulates a full disk: room for the log, not for a checkpoint.
    let script = "trap '' XFSZ; ulimit -f 32; exec \"$0\" \"$@\"";
    let trainer = env!("CARGO_BIN_EXE_trainer");
    let words = [
        &["-c", script, trainer, "fit", "tiny.yaml", "--device", "cpu"],
        &WORDS[..],
    ]
    .concat();
    let full: Finished = finish(&mut project.command("sh", &words));
    let step = before + 1;
    says(
        &full.error(1),
        &[
            &format!("cannot save the checkpoint of step {step}"),
            "hint: free space",
        ],
    );
    assert_eq!(newest_step(&project), before);
    project.assert_no_parts();
    fit(&project, &WORDS).result();
    assert!(outcome(&project) == uninterrupted(), "the bytes differ");
}
