//! What a newcomer tries: keys of other trainers, and paths beside the recipe.

use std::fs;

use slm_config::Recipe;

use crate::{BENCHMARKS, SMALLEST, error};

#[test]
fn a_key_of_another_trainer_leads_to_the_one_that_does_the_same() {
    for (text, hint) in [
        ("base_model: x\n", "did you mean `model.name_or_path`?"),
        ("cutoff_len: 512\n", "did you mean `data.max_seq_length`?"),
        (
            "per_device_train_batch_size: 1\n",
            "did you mean `train.micro_batch_size`?",
        ),
        ("output_dir: x\n", "did you mean `output.output_dir`?"),
        (
            "load_in_4bit: true\n",
            "the key for this is `model.quantization: q4`",
        ),
        (
            "lora: {task_type: CAUSAL_LM}\n",
            "the key for this is `model.name_or_path`",
        ),
        (
            "train: {warmup_steps: 10}\n",
            "the key for this is `train.warmup_ratio`",
        ),
    ] {
        let error = error(&format!("{SMALLEST}{text}"), &[]);
        assert!(error.contains(hint), "{text}: {error}");
    }
    let set = "data.datasets=[{path: a, type: alpaca}]";
    let error = error(SMALLEST, &[set]);
    assert!(error.contains("the key for this is `format`"), "{error}");
    let model = "model: {base_model: x}\ndata: {datasets: [{path: a, format: text}]}\n";
    let recipe = Recipe::parse(model, std::path::Path::new("r.yaml"), &[], BENCHMARKS).unwrap();
    assert_eq!(recipe.model.name_or_path, "x");
}

#[test]
fn a_relative_path_is_beside_the_recipe_or_in_the_working_directory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.yaml");
    fs::write(folder.path().join("rows.jsonl"), "").unwrap();
    let text = "model: {name_or_path: x}\ndata:\n  datasets:\n    - {path: rows.jsonl, format: text}\n    \
                - {path: elsewhere.jsonl, format: text}\n";
    fs::write(&file, text).unwrap();
    let (recipe, found) = Recipe::load_with_paths(&file, &[], BENCHMARKS).unwrap();
    let paths: Vec<_> = recipe
        .data
        .datasets
        .iter()
        .map(|set| set.path.as_str())
        .collect();
    let beside = folder.path().join("rows.jsonl");
    assert_eq!(paths, [beside.to_str().unwrap(), "elsewhere.jsonl"]);
    assert_eq!(found.len(), 1);
    let note = found[0].to_string();
    assert!(
        note.starts_with("`data.datasets[0].path`: using "),
        "{note}"
    );
    // What was typed in a shell counts from where the shell is, and a copy of a recipe stays as it is.
    let set = ["data.datasets.0.path=rows.jsonl".to_owned()];
    let (recipe, found) = Recipe::load_with_paths(&file, &set, BENCHMARKS).unwrap();
    assert_eq!(
        (recipe.data.datasets[0].path.as_str(), found.len()),
        ("rows.jsonl", 0)
    );
    let copy = Recipe::load(&file, &[], BENCHMARKS).unwrap();
    assert_eq!(copy.data.datasets[0].path, "rows.jsonl");
}
