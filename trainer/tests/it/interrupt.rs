//! Ctrl-C in every command that takes time: what is saved, the command that continues, exit code 130.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::{Project, says};

const TRAINER: &str = env!("CARGO_BIN_EXE_trainer");

/// Sends SIGINT to a command as soon as a line of its stderr contains `at`, or after a delay without `at`, and returns
/// all that it wrote to stderr.
fn interrupted(mut command: Command, at: Option<&str>) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the trainer starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut text = String::new();
    if let Some(at) = at {
        while !text.contains(at) {
            let read = stderr.read_line(&mut text).expect("text");
            assert!(read > 0, "`{at}` was never printed: {text}");
        }
    } else {
        sleep(Duration::from_millis(1500));
    }
    let is_running = child.try_wait().expect("a child").is_none();
    assert!(is_running, "it ended before it was stopped: {text}");
    let pid = child.id().to_string();
    let kill = Command::new("kill").args(["-INT", &pid]).status();
    assert!(kill.expect("kill runs").success());
    stderr.read_to_string(&mut text).expect("text");
    assert_eq!(child.wait().expect("a child").code(), Some(130), "{text}");
    text
}

/// Returns the end of a stopped command's output when nothing was saved.
fn nothing_saved(words: &str) -> String {
    format!("interrupted: nothing was saved\nhint: start again with `{TRAINER} {words}`\n")
}

fn fifo(project: &Project, name: &str) {
    let path = project.path(name);
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo runs").success());
}

#[test]
fn a_command_that_has_saved_nothing_says_so_and_how_to_start_again() {
    let project = Project::new();
    for (words, at) in [
        (
            "generate tiny.yaml --max-new-tokens 3000 --raw",
            "loading model",
        ),
        (
            "plan tiny.yaml --device cpu --measure 2000000 --set train.max_steps=2000000",
            "loading model",
        ),
        ("doctor --device cpu", "checking "),
    ] {
        let command = project.command(TRAINER, &words.split(' ').collect::<Vec<_>>());
        let stderr = interrupted(command, Some(at));
        assert!(stderr.ends_with(&nothing_saved(words)), "{stderr}");
    }
}

#[test]
fn commands_that_write_a_model_say_that_nothing_is_saved() {
    let project = Project::new();
    // Reading it never ends.
    fifo(&project, "endless.yaml");
    project.write("checkpoints/tiny/adapter/adapter_config.json", "{}");
    for words in [
        "merge endless.yaml checkpoints/tiny/adapter merged",
        "export endless.yaml checkpoints/tiny/adapter --to gguf adapter.gguf",
        "validate endless.yaml",
        "data endless.yaml",
    ] {
        let command = project.command(TRAINER, &words.split(' ').collect::<Vec<_>>());
        let stderr = interrupted(command, None);
        assert!(stderr.ends_with(&nothing_saved(words)), "{stderr}");
    }
    project.assert_no_parts();
}

#[test]
fn a_fetch_that_is_stopped_keeps_what_it_has() {
    let project = Project::new();
    // A hub that accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", silent.local_addr().expect("an address"));
    let words = "fetch tiny.yaml --set model.name_or_path=hf:some/model";
    let mut command = project.command(TRAINER, &words.split(' ').collect::<Vec<_>>());
    command
        .env("HF_HUB_OFFLINE", "0")
        .env("HF_ENDPOINT", address);
    let stderr = interrupted(command, None);
    let end = format!(
        "interrupted: complete and partial downloads are kept\nhint: continue with `{TRAINER} {words}`\n"
    );
    assert!(stderr.ends_with(&end), "{stderr}");
}

#[test]
fn a_training_saves_its_step_and_names_the_command_without_restart() {
    let project = Project::new();
    let words = "fit tiny.yaml --device cpu --restart --set train.max_steps=100000 \
                 --set output.save_steps=100000";
    let mut child = project
        .command(TRAINER, &words.split(' ').collect::<Vec<_>>())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the trainer starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut text = String::new();
    while !text.contains("adapter  ") {
        assert!(stderr.read_line(&mut text).expect("text") > 0, "{text}");
    }
    let pid = child.id().to_string();
    let kill = || {
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .expect("kill runs")
    };
    assert!(kill().success());
    stderr.read_to_string(&mut text).expect("text");
    assert_eq!(child.wait().expect("a child").code(), Some(130), "{text}");
    // The current step is finished and saved; --restart would discard it.
    let without = words.replace(" --restart", "");
    says(
        &text,
        &[
            "stopping after this step; press Ctrl-C again to stop at once\n",
            "interrupted: after step ",
            &format!("hint: continue with `{TRAINER} {without}`\n"),
        ],
    );
}
