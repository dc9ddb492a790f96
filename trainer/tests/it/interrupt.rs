//! Ctrl-C in every command that takes time: what is saved, the command that continues, exit code 130.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::support::{Project, says};

const TRAINER: &str = env!("CARGO_BIN_EXE_trainer");

/// Sends SIGINT to a command once `ready`, which is given what the command has written to stderr, and returns all that
/// it wrote there.
fn interrupted(mut command: Command, mut ready: impl FnMut(&str) -> bool) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stderr");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(File::create(&path).expect("a file"))
        .spawn()
        .expect("the trainer starts");
    // Kept open: some of the commands end with their input.
    let stdin = child.stdin.take();
    let text = || fs::read_to_string(&path).expect("text");
    let started = Instant::now();
    while !ready(&text()) {
        let is_running = child.try_wait().expect("a child").is_none();
        assert!(is_running, "it ended before it was stopped: {}", text());
        assert!(started.elapsed() < Duration::from_mins(2), "{}", text());
        sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    let kill = Command::new("kill").args(["-INT", &pid]).status();
    assert!(kill.expect("kill runs").success());
    let code = child.wait().expect("a child").code();
    drop(stdin);
    assert_eq!(code, Some(130), "{}", text());
    text()
}

/// Returns the end of a stopped command's output when nothing was saved.
fn nothing_saved(words: &str) -> String {
    format!("interrupted: nothing was saved\nhint: start again with `{TRAINER} {words}`\n")
}

/// Makes a named pipe that never ends. The receiver gets a value once a command reads it.
fn endless(project: &Project, name: &str) -> mpsc::Receiver<File> {
    let path = project.path(name);
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo runs").success());
    let (send, receive) = mpsc::channel();
    // Opening it waits for a reader.
    thread::spawn(move || send.send(File::options().write(true).open(path).expect("a pipe")));
    receive
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
        let stderr = interrupted(command, |text| text.contains(at));
        assert!(stderr.ends_with(&nothing_saved(words)), "{stderr}");
    }
}

#[test]
fn commands_that_write_a_model_say_that_nothing_is_saved() {
    let project = Project::new();
    project.write("checkpoints/tiny/adapter/adapter_config.json", "{}");
    for (name, words) in [
        ("a.yaml", "merge a.yaml checkpoints/tiny/adapter merged"),
        (
            "b.yaml",
            "export b.yaml checkpoints/tiny/adapter --to gguf adapter.gguf",
        ),
        ("c.yaml", "validate c.yaml"),
        ("d.yaml", "data d.yaml"),
    ] {
        let readers = endless(&project, name);
        let command = project.command(TRAINER, &words.split(' ').collect::<Vec<_>>());
        let mut pipe = None;
        let stderr = interrupted(command, |_| {
            pipe = pipe.take().or_else(|| readers.try_recv().ok());
            pipe.is_some()
        });
        assert!(stderr.ends_with(&nothing_saved(words)), "{stderr}");
    }
    project.assert_no_parts();
}

#[test]
fn a_fetch_that_is_stopped_keeps_what_it_has() {
    let project = Project::new();
    // A hub that accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    silent.set_nonblocking(true).expect("a socket");
    let address = format!("http://{}", silent.local_addr().expect("an address"));
    let words = "fetch tiny.yaml --set model.name_or_path=hf:some/model";
    let mut command = project.command(TRAINER, &words.split(' ').collect::<Vec<_>>());
    command
        .env("HF_HUB_OFFLINE", "0")
        .env("HF_ENDPOINT", address);
    let mut connection = None;
    let stderr = interrupted(command, |_| {
        connection = connection.take().or_else(|| silent.accept().ok());
        connection.is_some()
    });
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
    let command = project.command(TRAINER, &words.split(' ').collect::<Vec<_>>());
    // From its first step on, the training finishes the current one before it stops.
    let log = project.path("checkpoints/tiny/log.jsonl");
    let text = interrupted(command, |_| {
        fs::metadata(&log).is_ok_and(|log| log.len() > 0)
    });
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
