//! Downloads from a hub on the loopback interface: results, requests, and the outcome of each fault.

mod data_sets;
mod disk_full;
mod downloads;
mod faults;
mod offline;
mod python;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use slm_hub::{Fetched, Hub, HubError, HubName, ModelParts, Part, Progress, Settings, Token};
use support::FakeHub;
use tempfile::TempDir;

/// Endings of files that the tests treat as data.
const ENDINGS: [&str; 3] = [".jsonl", ".json", ".parquet"];

const CONFIG: &[u8] = b"{\"model_type\": \"qwen2\"}\n";
const TOKENIZER: &[u8] = b"{\"version\": \"1.0\"}\n";

/// Returns bytes without a short period.
fn weights(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// A hub with one model, and an empty cache folder.
struct Scene {
    hub: FakeHub,
    folder: TempDir,
    commit: String,
    weights: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let hub = FakeHub::new();
        let weights = weights(3_000_000);
        let commit = hub.publish(
            "models",
            "some/model",
            "main",
            &[
                ("config.json", CONFIG),
                ("tokenizer.json", TOKENIZER),
                ("model.safetensors", &weights),
                ("README.md", b"# A model\n"),
            ],
        );
        Self {
            hub,
            folder: tempfile::tempdir().expect("a temporary folder"),
            commit,
            weights,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            endpoint: self.hub.url().to_owned(),
            cache_dir: self.folder.path().join("hub"),
            notes_dir: self.folder.path().join("notes"),
            token: None,
            offline: false,
            timeout: Duration::from_secs(1),
            first_wait: Duration::from_millis(5),
        }
    }

    fn offline(&self) -> Settings {
        Settings {
            offline: true,
            ..self.settings()
        }
    }

    fn with_token(&self, token: &str) -> Settings {
        Settings {
            token: Token::new(token),
            ..self.settings()
        }
    }

    fn fetch(&self) -> Result<Fetched, HubError> {
        fetch(self.settings(), "hf:some/model").0
    }

    /// Returns a path in the repository's part of the cache folder.
    fn path(&self, path: &str) -> PathBuf {
        self.folder
            .path()
            .join("hub/models--some--model")
            .join(path)
    }

    /// Lists the names in a folder of the repository.
    fn names(&self, folder: &str) -> Vec<String> {
        names(&self.path(folder))
    }

    /// Lists the complete blobs.
    fn blobs(&self) -> Vec<String> {
        let mut names = self.names("blobs");
        names.retain(|name| !name.ends_with(".incomplete"));
        names
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| {
            let name = entry.expect("readable").file_name();
            name.into_string().expect("text")
        })
        .collect();
    names.sort();
    names
}

fn name(text: &str) -> HubName {
    HubName::parse(text).expect("hf:").expect("a name")
}

/// Fetches a model, and returns the notes on failed attempts.
fn fetch(settings: Settings, text: &str) -> (Result<Fetched, HubError>, Vec<String>) {
    let mut notes = Vec::new();
    let fetched =
        Hub::new(settings).fetch_model(
            &name(text),
            ModelParts::All,
            &mut |progress| match progress {
                Progress::Retrying {
                    reason, attempt, ..
                } => notes.push(format!("{attempt}: {reason}")),
                Progress::FromCache { reason, .. } => notes.push(format!("cache: {reason}")),
                _ => {}
            },
        );
    (fetched, notes)
}

/// Fetches a data set.
fn fetch_data(settings: Settings, text: &str) -> Result<Fetched, HubError> {
    Hub::new(settings).fetch_dataset(&name(text), Part::default(), &ENDINGS, &mut |_| {})
}

/// Asserts that an error contains each of these parts, and a hint in its last line.
fn says(error: &HubError, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("hint: "), "{text}");
    assert!(!text.contains("Signature"), "{text}");
}
