//! A harness that is killed in the middle of its work leaves no process, and no folder beyond the next start.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use slm_sandbox::{Interpreter, Level, LevelChoice, Limits, Sandbox};

use super::{calls_of, has_vanished, is_running, nonce, sandbox_at};

/// Set for the copy of this test program that will be killed: level and mark, separated by a space.
const VICTIM: &str = "SANDBOX_TEST_VICTIM";

/// Name of the test below in the test harness.
const NAME: &str = "hostile::killed::nothing_is_left_of_a_harness_that_is_killed";

#[test]
fn nothing_is_left_of_a_harness_that_is_killed() {
    if let Ok(task) = std::env::var(VICTIM) {
        return be_killed(&task);
    }
    for level in [Level::A, Level::B] {
        if let Some(sandbox) = sandbox_at(level) {
            killed_at(level, sandbox.interpreter());
        }
    }
}

/// Runs a program that marks itself and sleeps until this process is killed.
fn be_killed(task: &str) {
    let (level, mark) = task.split_once(' ').expect("a level and a mark");
    let level = if level == "A" { Level::A } else { Level::B };
    let sandbox = sandbox_at(level).expect("it worked a moment ago");
    let program = format!(
        "import os, signal, subprocess, sys
def attack():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep = 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(300)'
    script = [sys.executable, '-c', sleep, {mark:?}]
    try:
        subprocess.Popen(script, start_new_session=True)
    except OSError:
        pass
    os.execv(script[0], script)"
    );
    let _ = sandbox.run(&calls_of(&program), &Limits::default().with_cpu_s(100.0));
}

fn killed_at(level: Level, interpreter: &Interpreter) {
    let mark = nonce();
    let mut harness = Command::new(std::env::current_exe().expect("this program"))
        .args([NAME, "--exact", "--nocapture"])
        .env(VICTIM, format!("{level} {mark}"))
        .env("PYTHON", &interpreter.executable)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program");
    let prefix = format!("slm-sandbox-{}-", harness.id());
    for _ in 0..3000 {
        if is_running(&mark) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(
        is_running(&mark),
        "level {level}: the program did not start: {:?}",
        first_lines(&mut harness)
    );
    harness.kill().expect("our own child");
    harness.wait().expect("our own child");
    assert!(has_vanished(&mark), "level {level}: a process is left");
    let choice = LevelChoice::Exactly(level);
    Sandbox::with_level(interpreter.clone(), Limits::default(), choice).expect("a new sandbox");
    let left = fs::read_dir(std::env::temp_dir())
        .expect("the folder of temporary files")
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    assert!(!left, "level {level}: a folder is left");
}

fn first_lines(harness: &mut std::process::Child) -> Vec<String> {
    let _ = harness.kill();
    let stdout = harness.stdout.take().expect("a pipe");
    BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .take(20)
        .collect()
}
