//! The recipe of a night on a GPU, for three steps on the CPU with the real 1.5B model.

use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::run;
use crate::support::Project;

/// Names a GGUF file of Qwen2.5-Coder-1.5B-Instruct; the test takes a few minutes and about 8 GB of memory.
const MODEL: &str = "SLM_MODEL_1_5B";

#[test]
fn the_recipe_of_a_night_takes_three_steps() {
    let Some(model) = std::env::var_os(MODEL) else {
        // Past the capture of test output, so that it is seen.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {MODEL} names no GGUF file of the 1.5B model"
        );
        return;
    };
    let model = Path::new(&model).canonicalize().expect("the model's file");
    let project = Project::new();
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes/qwen-coder-1.5b.yaml");
    let recipe = std::fs::read_to_string(recipe).expect("the recipe");
    // The recipe as published, except for what the hub gives: model, rows and evaluated tasks.
    let hub = "name_or_path: hf:Qwen/Qwen2.5-Coder-1.5B-Instruct";
    assert!(recipe.contains(hub) && recipe.contains("  revision: main\n"));
    let local = format!("name_or_path: {}", model.display());
    let recipe = recipe
        .replace(hub, &local)
        .replace("  revision: main\n", "");
    project.write("night.yaml", recipe);
    let row = |n: usize| {
        format!(
            "{{\"instruction\": \"Write a function that adds {n} to a number.\", \
             \"output\": \"def add_{n}(x):\\n    return x + {n}\"}}\n"
        )
    };
    project.write("rows.jsonl", (0..60).map(row).collect::<String>());
    let words = [
        "fit",
        "night.yaml",
        "--device",
        "cpu",
        "--set",
        "data.datasets=[{path: rows.jsonl, format: alpaca}]",
        "--set",
        "evaluate.benchmarks=[embedded]",
        "--set",
        "train.max_steps=3",
        "--set",
        "output.logging_steps=1",
    ];
    run(&project, &words).result();
    let log = project.read("checkpoints/night/log.jsonl");
    let steps: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|line: &Value| line["learning_rate"].is_number())
        .collect();
    assert_eq!(steps.len(), 3, "{log}");
    for step in &steps {
        let loss = step["loss"].as_f64().expect("a loss");
        assert!((0.05..3.0).contains(&loss), "{log}");
        assert!(step["grad_norm"].as_f64().expect("a norm") > 0.0, "{log}");
    }
    let adapter = project.path("checkpoints/night/adapter/adapter_model.safetensors");
    assert!(adapter.exists());
}
