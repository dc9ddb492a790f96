//! Models and data from a hub on the loopback interface, through the commands.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::fake_hub::{FakeHub, Fault};
use crate::support::{Finished, Project, finish, says};

const MODEL_FILES: [&str; 4] = [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
];

/// A project without a local model and data, and a hub that has both.
struct Scene {
    hub: FakeHub,
    project: Project,
    commit: String,
}

impl Scene {
    fn new() -> Self {
        let (hub, project) = (FakeHub::new(), Project::new());
        let files = MODEL_FILES
            .map(|name| (name, project.bytes(&format!("model/{name}"))))
            .to_vec();
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, bytes)| (*name, bytes.as_slice()))
            .collect();
        let commit = hub.publish("models", "tiny/qwen2-Instruct", "main", &files);
        fs::remove_dir_all(project.path("model")).expect("it was there");
        let row = |i: usize| {
            let lang = ["python", "rust"][i % 2];
            format!(
                "{{\"lang\": \"{lang}\", \"problem\": \"Return {i}.\", \"solution\": \"def f():\\n    return {i}\"}}\n"
            )
        };
        let rows = (0..12).map(row).collect::<Vec<_>>().concat();
        let files = [
            ("README.md", &b"x"[..]),
            ("data-train.jsonl", rows.as_bytes()),
        ];
        hub.publish("datasets", "tiny/code", "main", &files);
        project.write("hub.yaml", RECIPE);
        Self {
            hub,
            project,
            commit,
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.project.command(env!("CARGO_BIN_EXE_trainer"), words);
        command
            .env("HF_ENDPOINT", self.hub.url())
            .env_remove("HF_HUB_OFFLINE");
        command
    }

    fn run(&self, words: &[&str]) -> Finished {
        finish(&mut self.command(words))
    }

    fn offline(&self, words: &[&str]) -> Finished {
        finish(self.command(words).env("HF_HUB_OFFLINE", "1"))
    }
}

const RECIPE: &str = "\
model: {name_or_path: hf:tiny/qwen2-Instruct}
lora: {r: 4, lora_alpha: 8}
data:
  datasets:
    - {path: tiny/code, format: alpaca, columns: {instruction: problem, output: solution}, where: {lang: python}}
  max_seq_length: 1024
train: {num_train_epochs: 1, micro_batch_size: 2, gradient_accumulation_steps: 2, learning_rate: 1e-3}
evaluate: {max_new_tokens: 8}
";

const FIT: [&str; 4] = ["fit", "hub.yaml", "--device", "cpu"];

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn fit_needs_nothing_but_the_names_and_records_what_they_were() {
    let scene = Scene::new();
    let finished = scene.run(&FIT);
    says(
        &finished.stderr,
        &[
            "from the hub       tiny/qwen2-Instruct@",
            "6 other than `where` names",
            "6 examples from 12 rows in 1 file of tiny/code",
        ],
    );
    finished.result();
    let adapter = "checkpoints/hub/adapter";
    let summary = json(&scene.project.read(&format!("{adapter}/training.json")));
    let model = &summary["sources"][0];
    assert_eq!(model["repository"], "tiny/qwen2-Instruct");
    assert_eq!(model["commit"], scene.commit);
    assert_eq!(
        model["files"].as_array().map(Vec::len),
        Some(MODEL_FILES.len())
    );
    let data = &summary["sources"][1];
    assert_eq!(
        (&data["kind"], &data["revision"]),
        (&"dataset".into(), &"main".into())
    );
    let rows = fs::read(
        scene
            .project
            .path("hf-home/hub/datasets--tiny--code/snapshots")
            .join(data["commit"].as_str().expect("a commit"))
            .join("data-train.jsonl"),
    )
    .expect("in the shared folder");
    assert_eq!(data["files"][0]["sha256"], slm_artifacts::sha256(&rows));
    let config = json(
        &scene
            .project
            .read(&format!("{adapter}/adapter_config.json")),
    );
    assert_eq!(config["base_model_name_or_path"], "tiny/qwen2-Instruct");
    assert_eq!(config["revision"], scene.commit);

    let copy = scene.project.read(&format!("{adapter}/recipe.yaml"));
    says(&copy, &[&format!("revision: {}", scene.commit)]);

    // Again without a network: the same adapter.
    let before = scene
        .project
        .bytes(&format!("{adapter}/adapter_model.safetensors"));
    scene.hub.seen();
    scene.offline(&[&FIT[..], &["--restart"]].concat()).result();
    assert_eq!(scene.hub.seen(), []);
    let after = scene
        .project
        .bytes(&format!("{adapter}/adapter_model.safetensors"));
    assert_eq!(before, after);
}

#[test]
fn a_branch_that_moved_is_told_before_a_training_goes_on_with_another_model() {
    let scene = Scene::new();
    scene.run(&FIT).result();
    let files = MODEL_FILES.map(|name| {
        let path = format!(
            "hf-home/hub/models--tiny--qwen2-Instruct/snapshots/{}/{name}",
            scene.commit
        );
        (name, scene.project.bytes(&path))
    });
    let mut files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (*name, bytes.as_slice()))
        .collect();
    files.push(("generation_config.json", b"{}"));
    let moved = scene
        .hub
        .publish("models", "tiny/qwen2-Instruct", "main", &files);
    let words = [&FIT[..], &["--set", "train.num_train_epochs=2"]].concat();
    let error = scene.run(&words).error(2);
    says(
        &error,
        &[
            "belongs to a different training",
            "model.revision",
            &scene.commit,
            &moved,
        ],
    );
}

#[test]
fn fetch_brings_everything_and_tells_sizes_and_hashes() {
    let scene = Scene::new();
    let tasks = br#"{"task_id": "a", "prompt": "def f():\n", "entry_point": "f", "tests": ["assert f() == 1"]}"#;
    let files = [("tasks.jsonl", &tasks[..])];
    scene.hub.publish("datasets", "tiny/tasks", "main", &files);
    let benchmarks =
        "evaluate.benchmarks=[embedded, {name: custom, path: 'hf:tiny/tasks#tasks.jsonl'}]";
    let words = ["fetch", "hub.yaml", "--set", benchmarks];
    let text = scene.run(&words).result();
    says(
        &text,
        &[
            "data.datasets[0]: tiny/code at commit ",
            "evaluate.benchmarks[1]: hf:tiny/tasks#tasks.jsonl at commit ",
            &format!("model: hf:tiny/qwen2-Instruct at commit {}", scene.commit),
            &slm_artifacts::sha256(tasks),
        ],
    );
    scene.hub.seen();
    let document = json(&scene.offline(&[&words[..], &["--json"]].concat()).result());
    assert_eq!(scene.hub.seen(), []);
    assert_eq!(document["downloaded_bytes"], 0);
    let items = document["items"].as_array().expect("items");
    assert_eq!(items.len(), 3);
    let total: u64 = items
        .iter()
        .flat_map(|item| item["files"].as_array().expect("files"))
        .map(|file| {
            assert_eq!(file["sha256"].as_str().map(str::len), Some(64));
            file["bytes"].as_u64().expect("a size")
        })
        .sum();
    assert_eq!(document["bytes"], total);
    scene.offline(&FIT).result();
}

#[test]
fn fetch_brings_the_rest_if_one_thing_is_missing() {
    let scene = Scene::new();
    let benchmarks = "evaluate.benchmarks=[{name: mbpp}, {name: custom, path: missing.jsonl}]";
    let finished = scene.run(&["fetch", "hub.yaml", "--set", benchmarks]);
    says(
        &finished.stderr,
        &[
            "fetched            model: hf:tiny/qwen2-Instruct",
            "fetched            data.datasets[0]: tiny/code",
            "also missing       `evaluate.benchmarks[1]`",
        ],
    );
    let error = finished.error(2);
    says(
        &error,
        &["benchmark mbpp needs its data file", "publishes mbpp.jsonl"],
    );
    scene.offline(&FIT).result();
}

#[test]
fn what_was_here_is_listed_too() {
    let project = Project::new();
    let document = finish(&mut project.command(
        env!("CARGO_BIN_EXE_trainer"),
        &["fetch", "tiny.yaml", "--json"],
    ));
    let document = json(&document.result());
    assert_eq!(document["items"][0]["from"], "local");
    let files = document["items"][0]["files"].as_array().expect("files");
    let weights = files
        .iter()
        .find(|file| file["path"] == "model.safetensors");
    let bytes = project.bytes("model/model.safetensors");
    assert_eq!(
        weights.expect("listed")["sha256"],
        slm_artifacts::sha256(&bytes)
    );
}

#[test]
fn mistakes_and_troubles_end_with_their_codes() {
    let scene = Scene::new();
    let fit = |set: &str| scene.run(&[&FIT[..], &["--set", set]].concat());
    let error = fit("model.name_or_path=hf:tiny/qwen3").error(2);
    says(&error, &["there is no model tiny/qwen3", "spelling"]);
    let error = fit("model.name_or_path=tiny/qwen3").error(2);
    says(
        &error,
        &["no file or folder tiny/qwen3 here", "no model tiny/qwen3"],
    );
    let error = fit("model.revision=v7").error(2);
    says(&error, &["has no revision v7"]);
    let error = fit("data.datasets.0.path=hf:tiny/code#other.jsonl").error(2);
    says(
        &error,
        &["no file other.jsonl", "its files: data-train.jsonl"],
    );
    let error = fit("data.datasets.0.where={language: python}").error(2);
    says(&error, &["no column `language`", "`lang`", "where"]);
    let error = fit("data.datasets.0.where={lang: cobol}").error(2);
    says(
        &error,
        &["no training example is left", "12 other than `where` names"],
    );
    let error =
        fit("model.sha256=0000000000000000000000000000000000000000000000000000000000000000")
            .error(2);
    says(&error, &["`model.sha256` belongs to a single file"]);
}

#[test]
fn without_a_network_and_without_the_files_the_way_out_is_told() {
    let scene = Scene::new();
    let error = finish(scene.command(&FIT).env("HF_ENDPOINT", "http://127.0.0.1:1")).error(1);
    says(&error, &["cannot reach 127.0.0.1:1", "trainer fetch"]);
    let error = scene.offline(&FIT).error(1);
    says(
        &error,
        &["is not on this machine", "hf-home/hub", "HF_HUB_OFFLINE"],
    );
    // With cached files an unreachable hub is no problem.
    scene.run(&["fetch", "hub.yaml"]).result();
    let finished = finish(scene.command(&FIT).env("HF_ENDPOINT", "http://127.0.0.1:1"));
    says(
        &finished.stderr,
        &["warning: cannot reach", "using the cached commit"],
    );
    finished.result();
}

#[test]
fn the_token_opens_and_is_never_shown() {
    let scene = Scene::new();
    scene.hub.want_token("hf_secret");
    let error = scene.run(&FIT).error(2);
    says(&error, &["no model tiny/qwen2-Instruct", "HF_TOKEN"]);
    let wrong = finish(scene.command(&FIT).env("HF_TOKEN", "hf_wrong"));
    assert!(!wrong.stderr.contains("hf_wrong"), "{}", wrong.stderr);
    says(&wrong.error(1), &["does not accept the token"]);
    // The token that `hf auth login` stores.
    scene.project.write("hf-home/token", "hf_secret\n");
    let finished = scene.run(&FIT);
    assert!(
        !finished.stderr.contains("hf_secret"),
        "{}",
        finished.stderr
    );
    finished.result();
    for entry in fs::read_dir(scene.project.path("checkpoints/hub/adapter")).expect("it is there") {
        let bytes = fs::read(entry.expect("readable").path()).expect("readable");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("hf_secret"));
    }
}

#[test]
fn tries_that_failed_are_told_and_the_run_goes_on() {
    let scene = Scene::new();
    scene.hub.fail("GET /blob/", 1, Fault::CutAfter(500));
    let finished = scene.run(&["fetch", "hub.yaml"]);
    says(
        &finished.stderr,
        &["retrying           localhost:", "attempt 2 of 5 in 1.0 s"],
    );
    finished.result();
}
