//! The log of a training: the mean loss of its steps, the base model's before the first, validations; and its summary.

use std::fs;

use serde_json::Value;

use crate::fit::{adapter, log, losses};
use crate::support::{Project, says};
use crate::{fit, run};

/// A training whose learning rate changes nothing, so that every loss is that of the base model.
const STILL: [&str; 4] = [
    "--set",
    "train.learning_rate=1e-12",
    "--set",
    "train.num_train_epochs=1",
];

/// Returns the loss that `trainer validate` measures with the base model.
fn base_loss(project: &Project, words: &[&str]) -> f64 {
    let words = [&["validate", "tiny.yaml", "--json"], words].concat();
    let report: Value = serde_json::from_str(&run(project, &words).result()).expect("JSON");
    report["loss"].as_f64().expect("a loss")
}

#[test]
fn a_logged_loss_is_the_mean_over_the_tokens_of_all_steps_since_the_line_before() {
    let project = Project::new();
    // Two steps, of four examples and of one, with different numbers of tokens.
    let mut rows = String::new();
    for length in [1, 2, 3, 4, 60] {
        let row = serde_json::json!({"instruction": "Count.", "output": "one, ".repeat(length)});
        rows += &row.to_string();
        rows.push('\n');
    }
    project.write("rows.jsonl", rows);
    let data = [
        "--set",
        "data.datasets=[{path: rows.jsonl, format: alpaca}]",
    ];
    let words = [&STILL[..], &data].concat();
    fit(&project, &words).result();
    let (each, lines) = (losses(&project), log(&project));
    assert_eq!(each.len(), 2);
    assert_eq!(
        (&lines[0]["step"], &lines[0]["loss"]),
        (&0.into(), &lines[1]["loss"])
    );

    let together = [
        &words[..],
        &["--restart", "--set", "output.logging_steps=50"],
    ]
    .concat();
    fit(&project, &together).result();
    let mean = losses(&project);
    let data = ["--data", "rows.jsonl", "--format", "alpaca"];
    let expected = base_loss(&project, &data);
    assert_eq!(mean.len(), 1, "{mean:?}");
    assert!((mean[0] - expected).abs() < 1e-5, "{mean:?} for {expected}");
    let unweighted = f64::midpoint(each[0], each[1]);
    assert!(
        (unweighted - expected).abs() > 1e-3,
        "{each:?} would not distinguish them"
    );
}

#[test]
fn validation_begins_with_the_base_model_and_ends_with_the_last_step() {
    let project = Project::new();
    let kept_out = ["--set", "data.val_size=0.4"];
    let more = ["--set", "train.max_steps=5", "--set", "train.eval_steps=2"];
    fit(&project, &[&kept_out[..], &more].concat()).result();
    let validations: Vec<(u64, f64)> = log(&project)
        .iter()
        .filter_map(|line| Some((line["step"].as_u64()?, line["validation_loss"].as_f64()?)))
        .collect();
    let steps: Vec<u64> = validations.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [0, 2, 4, 5]);
    let base = base_loss(&project, &kept_out);
    let found = validations[0].1;
    assert!((found - base).abs() < 1e-9, "{found} for {base}");
    let summary = project.read("checkpoints/tiny/adapter/training.json");
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!(summary["base_validation_loss"].as_f64(), Some(found));
    // The base model is not a candidate for the best adapter.
    assert_ne!(summary["best"]["step"], 0);
    says(
        &project.read("checkpoints/tiny/training-report.md"),
        &[
            &format!("| validation loss, base model | {found:.4} (perplexity "),
            &format!("the loss is {found:.3} nats per supervised token with the base model and "),
        ],
    );
}

#[test]
fn no_python_file_is_both_trained_and_validated_on() {
    let project = Project::new();
    // Two data sets over one folder, under two paths, each with some of the functions of a file.
    let data = "data.datasets=[{path: src, format: python_source, max_body_lines: 1}, \
                {path: ./src, format: python_source, min_body_lines: 2}]";
    let files = [
        &["to_metres", "longest"][..],
        &["missing", "restock"],
        &["initials"],
    ];
    for seed in 0..8 {
        let seed = format!("train.seed={seed}");
        let words = [
            "data",
            "tiny.yaml",
            "--examples",
            "9",
            "--json",
            "--set",
            data,
            "--set",
            &seed,
        ];
        let words = [&words[..], &["--set", "data.val_size=0.4"]].concat();
        let shown: Value = serde_json::from_str(&run(&project, &words).result()).expect("JSON");
        assert!(shown["training"]["examples"].as_u64() < Some(5), "{seed}");
        let trained: Vec<String> = shown["examples"]
            .as_array()
            .expect("examples")
            .iter()
            .map(text)
            .collect();
        for functions in files {
            let has = |name: &&&str| {
                trained
                    .iter()
                    .any(|text| text.contains(&format!("def {name}(")))
            };
            let found = functions.iter().filter(has).count();
            assert!(
                found == 0 || found == functions.len(),
                "{seed}: {functions:?} are on both sides"
            );
        }
    }
}

/// Joins the text of a shown example.
fn text(shown: &Value) -> String {
    let tokens = shown["tokens"].as_array().expect("tokens");
    tokens
        .iter()
        .filter_map(|token| token["text"].as_str())
        .collect()
}

#[test]
fn max_steps_replaces_the_epochs_and_the_data_are_repeated() {
    let project = Project::new();
    let words = [
        "--set",
        "train.max_steps=10",
        "--set",
        "train.num_train_epochs=1",
        "--set",
        "train.lr_scheduler_type=linear",
    ];
    let plan = [&["plan", "tiny.yaml", "--device", "cpu"], &words[..]].concat();
    says(
        &run(&project, &plan).result(),
        &["steps        10 over 5 examples"],
    );
    fit(&project, &words).result();
    let lines = log(&project);
    let last = &lines[lines.len() - 1];
    // Two steps per epoch.
    assert_eq!((&last["step"], &last["epoch"]), (&10.into(), &5.0.into()));
    // Linear from the peak in the first step to 0 after the tenth.
    let rate = last["learning_rate"].as_f64().expect("a rate");
    assert!((rate - 1e-4).abs() < 1e-12, "{rate}");
    let expected = (
        adapter(&project),
        project.read("checkpoints/tiny/log.jsonl"),
    );
    fs::remove_dir_all(project.path("checkpoints/tiny")).expect("a run");
    let words = [&words[..], &["--set", "output.save_steps=7"]].concat();
    fit(&project, &words).result();
    fs::remove_dir_all(project.path("checkpoints/tiny/step-10")).expect("a checkpoint");
    fs::remove_dir_all(project.path("checkpoints/tiny/adapter")).expect("an adapter");
    let again = fit(&project, &words);
    says(&again.stderr, &["from step 7 of 10"]);
    again.result();
    assert!(
        expected
            == (
                adapter(&project),
                project.read("checkpoints/tiny/log.jsonl")
            )
    );
}

#[test]
fn training_that_stops_early_logs_the_steps_up_to_its_end() {
    let project = Project::new();
    let words = [
        "--set",
        "data.val_size=0.4",
        "--set",
        "train.max_steps=40",
        "--set",
        "train.eval_steps=1",
        "--set",
        "train.early_stopping_patience=1",
        "--set",
        "train.learning_rate=1",
        "--set",
        "output.logging_steps=30",
    ];
    fit(&project, &words).result();
    let summary = project.read("checkpoints/tiny/adapter/training.json");
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!(summary["stopped_early"], true);
    let lines = log(&project);
    let trained = lines.iter().filter(|line| line["grad_norm"].is_f64());
    let steps: Vec<&Value> = trained.map(|line| &line["step"]).collect();
    assert_eq!(steps, [&summary["steps"]]);
}
