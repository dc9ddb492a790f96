//! A disk that becomes full during a download: run in a separate process with a file size limit.

use std::process::Command;

use slm_artifacts::sha256;

use crate::{Scene, fetch};

/// Marks the child process of the test below.
const CHILD: &str = "HUB_TEST_DISK_FULL";

#[test]
fn a_full_disk_is_told_and_what_is_there_is_kept_for_the_next_run() {
    if std::env::var_os(CHILD).is_some() {
        return run_out_of_space();
    }
    let name = "disk_full::a_full_disk_is_told_and_what_is_there_is_kept_for_the_next_run";
    let program = std::env::current_exe().expect("this program");
    // The limit is in blocks of 512 or 1024 bytes; without the trap, exceeding it would kill the process.
    let script = "trap '' XFSZ; ulimit -f 1000 && exec \"$0\" --exact --nocapture \"$1\"";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(program)
        .arg(name)
        .env(CHILD, "1")
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{problem}");
    assert!(text.contains("ran out of space as expected"), "{text}");
}

fn run_out_of_space() {
    let scene = Scene::new();
    let error = scene.fetch().expect_err("no room");
    let text = error.to_string();
    assert!(text.starts_with("the disk is full"), "{text}");
    assert!(text.contains("hint: free some space"), "{text}");
    assert!(!error.is_mistake());
    let weights = sha256(&scene.weights);
    assert!(!scene.blobs().contains(&weights));
    let partial = scene.path(&format!("blobs/{weights}.incomplete"));
    let bytes = partial.metadata().expect("the part that had room").len();
    assert!(bytes > 0 && bytes < scene.weights.len() as u64, "{bytes}");
    // The partial file is intact: with space, another run would resume from it.
    let kept = std::fs::read(&partial).expect("readable");
    assert_eq!(kept, scene.weights[..kept.len()]);
    scene.hub.seen();
    fetch(scene.settings(), "hf:some/model")
        .0
        .expect_err("still no room");
    let seen = scene.hub.seen();
    assert_eq!(
        seen.last().and_then(|request| request.range.clone()),
        Some(format!("bytes={bytes}-"))
    );
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    {
        println!("ran out of space as expected");
    }
}
