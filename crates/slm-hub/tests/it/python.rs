//! The Python client with the same hub and folder: neither downloads what the other has downloaded.
//!
//! Needs a Python (`PYTHON`, else `python3`) with the package `huggingface_hub`; without it, the tests print a note and
//! pass.

use std::path::Path;
use std::process::Command;

use crate::{Scene, fetch, fetch_data};

/// Runs `huggingface_hub.py` on the scene's hub and folder, and returns its output; `None` without the package.
fn python(scene: &Scene, words: &[&str]) -> Option<String> {
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/huggingface_hub_check.py");
    let output = Command::new(&python)
        .arg(script)
        .args(words)
        .env("HF_ENDPOINT", scene.hub.url())
        .env("HF_HUB_CACHE", scene.settings().cache_dir)
        .env("HF_HOME", scene.folder.path().join("home"))
        .env("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        .env("HF_HUB_DISABLE_TELEMETRY", "1")
        .env_remove("HF_HUB_OFFLINE")
        .env_remove("HF_TOKEN")
        .output();
    let missing = |why: &str| {
        let note = format!("SKIPPED: {} {why}", python.to_string_lossy());
        // Written directly to the terminal, so that a skipped test is visible.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{note}\n").as_bytes());
    };
    let Ok(output) = output else {
        missing("cannot be run");
        return None;
    };
    if output.status.code() == Some(77) {
        missing("has no package huggingface_hub");
        return None;
    }
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    Some(String::from_utf8(output.stdout).expect("text"))
}

fn publish_data(scene: &Scene) {
    let files = [
        ("data/train-00000-of-00002.parquet", &b"one"[..]),
        ("data/train-00001-of-00002.parquet", b"two"),
    ];
    scene.hub.publish("datasets", "some/data", "main", &files);
}

/// Returns the paths of the requests for the content of files.
fn transfers(scene: &Scene) -> Vec<String> {
    let seen = scene.hub.seen().into_iter();
    seen.filter(|it| it.method == "GET" && (it.server == "cdn" || it.path.contains("/resolve")))
        .map(|it| it.path)
        .collect()
}

#[test]
fn what_python_has_brought_is_not_brought_again() {
    let scene = Scene::new();
    publish_data(&scene);
    if python(&scene, &["snapshot", "some/model", "some/data"]).is_none() {
        return;
    }
    assert!(transfers(&scene).len() > 3);
    let fetched = scene.fetch().expect("it is there");
    let data = fetch_data(scene.settings(), "hf:some/data").expect("it is there");
    assert_eq!(fetched.downloaded_bytes + data.downloaded_bytes, 0);
    assert_eq!(transfers(&scene), [""; 0]);
    // Offline there are no requests at all.
    let offline = fetch(scene.offline(), "hf:some/model").0.expect("here");
    assert_eq!(offline.provenance, fetched.provenance);
    let offline = fetch_data(scene.offline(), "hf:some/data").expect("here");
    assert_eq!(offline.provenance, data.provenance);
    assert_eq!(scene.hub.seen(), []);
}

#[test]
fn what_was_brought_here_python_does_not_bring_again() {
    let scene = Scene::new();
    publish_data(&scene);
    let fetched = scene.fetch().expect("it is there");
    let data = fetch_data(scene.settings(), "hf:some/data").expect("it is there");
    scene.hub.seen();
    let Some(text) = python(&scene, &["files", "some/model", "some/data"]) else {
        return;
    };
    assert_eq!(transfers(&scene), [""; 0]);
    let printed: Vec<&str> = text.lines().collect();
    let expected: Vec<String> = fetched
        .paths()
        .iter()
        .chain(&data.paths())
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(printed, expected, "the same files, by the same names");
    let text = python(&scene, &["offline", "some/model", "some/data"]).expect("as before");
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    assert_eq!(scene.hub.seen(), []);
}
