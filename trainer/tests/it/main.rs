//! Tests of the command `trainer`: its help, its errors for bad input, and trainings of a tiny model.

mod answers;
mod bad_input;
mod bad_rows;
#[allow(dead_code, reason = "the evaluator's tests use the rest")]
#[path = "../../../evaluator/tests/it/browser.rs"]
mod browser;
mod chat_template;
mod commands;
mod cost;
mod data;
mod devices;
mod documents;
#[path = "../../../crates/slm-cli/tests/support/energy.rs"]
mod energy;
mod export;
#[allow(dead_code, reason = "the hub's own tests use the rest")]
#[path = "../../../crates/slm-hub/tests/support/mod.rs"]
mod fake_hub;
mod fim;
mod fit;
mod flat_optimizer;
#[cfg(any(feature = "cuda", feature = "cube-cpu"))]
mod gpu;
mod hub;
#[cfg(unix)]
mod improve;
#[cfg(unix)]
mod improve_refusals;
mod init;
mod init_from;
#[cfg(unix)]
mod interrupt;
#[cfg(target_os = "linux")]
mod large;
mod log;
mod long_texts;
#[cfg(target_os = "linux")]
mod network;
mod night;
mod objectives;
mod parity;
mod preference;
mod recipes;
mod resume;
mod source_trees;
mod static_shapes;
#[path = "../../../crates/slm-cli/tests/support/mod.rs"]
mod support;
mod terminal;
mod tiny;
mod tools;
mod traps;
mod unsupported;
mod view;

use support::{Finished, Project, finish};

/// Runs `trainer` in a project.
fn run(project: &Project, words: &[&str]) -> Finished {
    finish(&mut project.command(env!("CARGO_BIN_EXE_trainer"), words))
}

/// Runs `trainer fit tiny.yaml` in a project, with more arguments after it.
fn fit(project: &Project, words: &[&str]) -> Finished {
    let words = [&["fit", "tiny.yaml", "--device", "cpu"], words].concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_trainer"), &words))
}

/// Runs `trainer` in a project and returns its peak memory, in bytes.
#[cfg(target_os = "linux")]
fn peak_memory(project: &Project, words: &[&str]) -> (Finished, u64) {
    let mut command = project.command(env!("CARGO_BIN_EXE_trainer"), words);
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the trainer starts");
    let status = format!("/proc/{}/status", child.id());
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    // The peak never falls, so the last sample before the end is close to it.
    let watch = std::thread::spawn(move || {
        let mut peak = 0;
        loop {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            peak = peak.max(kib.unwrap_or(0) * 1024);
            let pause = std::time::Duration::from_millis(2);
            if is_done.recv_timeout(pause) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                return peak;
            }
        }
    });
    let output = child.wait_with_output().expect("the trainer ends");
    drop(done);
    let peak = watch.join().expect("the watch ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let finished = Finished {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    (finished, peak)
}
