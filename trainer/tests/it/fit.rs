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
    fit(&project, &["--restart"]).result();
    assert!(
        first == adapter(&project),
        "a second training of the same recipe differs"
    );
    assert_eq!(first_losses, losses(&project));
    fit(&project, &["--set", "train.seed=1", "--restart"]).result();
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

#[test]
fn ranks_and_alphas_may_differ_by_layer_and_the_adapter_says_so() {
    let project = Project::new();
    let words = [
        "--set",
        "lora.rank_pattern={layers.0.*q_proj: 2, down_proj: 6}",
        "--set",
        "lora.alpha_pattern={down_proj: 3}",
        "--set",
        "lora.use_rslora=true",
    ];
    fit(&project, &words).result();
    let weights = adapter(&project);
    let tensors = safetensors::SafeTensors::deserialize(&weights).expect("safetensors");
    let rank = |module: &str| {
        let name = format!("base_model.model.model.layers.{module}.lora_A.weight");
        tensors.tensor(&name).expect("a tensor").shape()[0]
    };
    let found = [
        "0.self_attn.q_proj",
        "1.self_attn.q_proj",
        "1.mlp.down_proj",
    ]
    .map(rank);
    assert_eq!(found, [2, 4, 6]);
    let config: Value =
        serde_json::from_str(&project.read("checkpoints/tiny/adapter/adapter_config.json"))
            .expect("JSON");
    assert_eq!(config["rank_pattern"]["down_proj"], 6);
    assert_eq!(config["alpha_pattern"]["down_proj"], 3);

    let error = fit(
        &project,
        &["--restart", "--set", "lora.rank_pattern={lm_head: 2}"],
    )
    .error(2);
    assert!(error.contains("`lm_head` matches no module"), "{error}");
    let error = fit(
        &project,
        &["--restart", "--set", "lora.rank_pattern={'(': 2}"],
    )
    .error(2);
    assert!(error.contains("is no regular expression"), "{error}");
}

#[test]
fn packing_changes_neither_steps_nor_losses() {
    let run = |packing: &str| {
        let project = Project::new();
        fit(&project, &["--set", packing]).result();
        losses(&project)
    };
    let (packed, apart) = (run("data.packing=true"), run("data.packing=false"));
    assert_eq!(packed.len(), apart.len());
    for (a, b) in packed.iter().zip(&apart) {
        assert!((a - b).abs() < 1e-3, "{packed:?} for {apart:?}");
    }
}

#[test]
fn every_optimizers_state_survives_an_interruption() {
    for optim in ["adamw", "adafactor", "lion", "muon"] {
        let project = Project::new();
        let optim = format!("train.optim={optim}");
        let words = ["--set", &optim, "--set", "output.save_steps=2"];
        fit(&project, &words).result();
        let expected = adapter(&project);
        std::fs::remove_dir_all(project.path("checkpoints/tiny/step-4")).expect("a checkpoint");
        fit(&project, &words).result();
        assert!(expected == adapter(&project), "{optim}: the bytes differ");
    }
}
