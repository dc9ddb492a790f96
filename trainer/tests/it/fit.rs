//! A training of a tiny model, from the recipe to the adapter's folder.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fit;
use crate::support::Project;

fn adapter(project: &Project) -> Vec<u8> {
    project.bytes("checkpoints/tiny/adapter/adapter_model.safetensors")
}

fn losses(project: &Project) -> Vec<f64> {
    let log = project.read("checkpoints/tiny/log.jsonl");
    log.lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).expect("a line of JSON")["loss"]
                .as_f64()
                .expect("a loss")
        })
        .collect()
}

#[test]
fn a_training_leaves_adapter_recipe_summary_and_log() {
    let project = Project::new();
    assert_eq!(
        fit(&project, &["--set", "train.seed=7"]).result(),
        "adapter: checkpoints/tiny/adapter\n"
    );

    let files: BTreeSet<String> = std::fs::read_dir(project.path("checkpoints/tiny/adapter"))
        .expect("the adapter's folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let expected = [
        "adapter_config.json",
        "adapter_model.safetensors",
        "recipe.yaml",
        "training.json",
    ];
    assert_eq!(files, expected.map(str::to_owned).into());
    project.assert_no_parts();

    let config: Value =
        serde_json::from_str(&project.read("checkpoints/tiny/adapter/adapter_config.json"))
            .expect("JSON");
    assert_eq!(config["base_model_name_or_path"], "tiny/qwen2");
    assert_eq!(
        (&config["r"], &config["lora_alpha"]),
        (&4.into(), &8.into())
    );
    // Seven linear layers in two blocks, an A and a B each.
    let weights = adapter(&project);
    let tensors = safetensors::SafeTensors::deserialize(&weights).expect("safetensors");
    assert_eq!(tensors.len(), 7 * 2 * 2);

    // Five documented functions: two steps of up to four examples an epoch.
    let summary: Value =
        serde_json::from_str(&project.read("checkpoints/tiny/adapter/training.json"))
            .expect("JSON");
    assert_eq!(
        (&summary["examples"], &summary["steps"]),
        (&5.into(), &4.into())
    );
    let losses = losses(&project);
    assert_eq!(losses.len(), 4);
    assert_eq!(summary["final_loss"].as_f64(), losses.last().copied());

    let recipe = project.read("checkpoints/tiny/adapter/recipe.yaml");
    let resolved = config::Recipe::parse(&recipe, &project.path("elsewhere.yaml"), &[])
        .expect("the resolved recipe");
    assert_eq!(
        (resolved.name(), resolved.train.seed, resolved.lora.r),
        ("tiny", 7, 4)
    );
}

#[test]
fn the_same_recipe_gives_the_same_bytes_and_another_seed_others() {
    let project = Project::new();
    fit(&project, &[]).result();
    let (first, first_losses) = (adapter(&project), losses(&project));
    fit(&project, &[]).result();
    assert!(
        first == adapter(&project),
        "a second training of the same recipe differs"
    );
    assert_eq!(first_losses, losses(&project));
    fit(&project, &["--set", "train.seed=1"]).result();
    assert!(first != adapter(&project), "the seed changes nothing");
    project.assert_no_parts();
}

#[test]
fn training_lowers_the_loss() {
    let project = Project::new();
    fit(
        &project,
        &[
            "--set",
            "train.num_train_epochs=10",
            "--set",
            "train.learning_rate=1e-2",
        ],
    )
    .result();
    let losses = losses(&project);
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!(last < 0.8 * first, "from {first} to {last}");
}
