//! A training of a tiny model, from the recipe to the adapter's folder.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Project, finish, golden, says};
use crate::{fit, run};

pub(crate) fn adapter(project: &Project) -> Vec<u8> {
    project.bytes("checkpoints/tiny/adapter/adapter_model.safetensors")
}

/// Reads the lines of the log.
pub(crate) fn log(project: &Project) -> Vec<Value> {
    let log = project.read("checkpoints/tiny/log.jsonl");
    let lines = log.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("lines of JSON")
}

/// Returns the training loss of each logged step after the first update.
pub(crate) fn losses(project: &Project) -> Vec<f64> {
    let lines = log(project);
    let steps = lines.iter().filter(|line| line["learning_rate"].is_f64());
    steps
        .map(|line| line["loss"].as_f64().expect("a loss"))
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

    // Five documented functions: two steps of up to four examples per epoch.
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

    let report = project.read("checkpoints/tiny/training-report.md");
    says(
        &report,
        &[
            "# Training of `tiny`\n",
            "`checkpoints/tiny/adapter` was trained for 4 steps on a set of 5 examples",
            "](loss.svg)",
            "](adapter/recipe.yaml)",
            "](log.jsonl)",
        ],
    );
    let picture = project.read("checkpoints/tiny/loss.svg");
    assert!(roxmltree::Document::parse(&picture).is_ok(), "{picture}");

    let recipe = project.read("checkpoints/tiny/adapter/recipe.yaml");
    let resolved = slm_config::Recipe::parse(
        &recipe,
        &project.path("elsewhere.yaml"),
        &[],
        slm_benchmarks::NAMES,
    )
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

/// Python opens the terminal: it is available wherever programs are executed.
#[cfg(unix)]
#[test]
fn on_a_terminal_one_bar_shows_how_it_goes_and_notes_stand_above_it() {
    let project = Project::new();
    let script = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
    // The traditional width of terminals.
    let sized = "stty cols 80 rows 24; exec \"$@\"";
    let trainer = env!("CARGO_BIN_EXE_trainer");
    let words = ["-c", script, "sh", "-c", sized, "sh", trainer];
    let fit = ["fit", "tiny.yaml", "--device", "cpu"];
    let more = [
        "--set",
        "train.num_train_epochs=30",
        "--set",
        "data.val_size=0.3",
    ];
    let words = [&words[..], &fit, &more].concat();
    let mut command = project.command("python3", &words);
    let shown = finish(command.env("TERM", "xterm")).result();
    let bar = shown
        .split(['\r', '\n'])
        .filter(|line| line.contains("training ") && line.contains("tokens/s"))
        .find(|line| line.contains(" steps "));
    let bar = bar.unwrap_or_else(|| panic!("no bar in {shown:?}"));
    for part in ["/30 steps", "ETA ", "loss ", "lr ", " tokens/s", "MB"] {
        assert!(bar.contains(part), "`{part}` is not in {bar:?}");
    }
    let notes = shown.matches("validation         loss ").count();
    assert_eq!(notes, 31, "{shown:?}");
    // Before the first step is done the remaining time is unknown, not 0.
    assert!(shown.contains("0/30 steps  ETA -  "), "{shown:?}");
    assert!(!shown.contains(" 0/30 steps  ETA 0"), "{shown:?}");
}

#[test]
fn without_a_terminal_there_are_plain_lines() {
    let project = Project::new();
    let stderr = fit(&project, &[]).stderr;
    assert!(!stderr.contains(['\r', '\u{1b}']), "{stderr:?}");
    let line = stderr.lines().find(|line| line.starts_with("training  "));
    let line = line.unwrap_or_else(|| panic!("{stderr}"));
    for part in ["4 steps in ", "loss ", "lr ", " tokens/s", "MB"] {
        assert!(line.contains(part), "`{part}` is not in {line:?}");
    }
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
    assert!(
        error.contains("is not a valid regular expression"),
        "{error}"
    );
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

/// Trains four steps, removes the last checkpoint, and resumes from the one before. A line of the log covers steps on
/// both sides of it.
fn check_going_on(project: &Project, words: &[&str]) {
    let more = [
        "--set",
        "output.save_steps=2",
        "--set",
        "output.logging_steps=3",
    ];
    let words = [words, &more].concat();
    fit(project, &words).result();
    let (expected, log) = (adapter(project), project.read("checkpoints/tiny/log.jsonl"));
    std::fs::remove_dir_all(project.path("checkpoints/tiny/step-4")).expect("a checkpoint");
    std::fs::remove_dir_all(project.path("checkpoints/tiny/adapter")).expect("an adapter");
    let finished = fit(project, &words);
    assert!(
        finished.stderr.contains("from step 2 of 4"),
        "{}",
        finished.stderr
    );
    finished.result();
    assert!(expected == adapter(project), "{words:?}: the bytes differ");
    assert_eq!(log, project.read("checkpoints/tiny/log.jsonl"), "{words:?}");
}

#[test]
fn every_variant_goes_on_to_the_same_bytes_after_an_interruption() {
    let noise = [
        "--set",
        "lora.lora_dropout=0.3",
        "--set",
        "train.neftune_noise_alpha=5",
    ];
    for variant in [
        "lora.r=4",
        "lora.use_dora=true",
        "lora.init_lora_weights=pissa",
    ] {
        let words = [&noise[..], &["--set", variant]].concat();
        check_going_on(&Project::new(), &words);
    }
}

/// The tiny Llama has untied embedding and head, unlike the model of the other tests.
#[test]
fn embedding_and_head_are_trained_saved_and_merged_with_the_adapter() {
    let project = Project::new();
    for entry in std::fs::read_dir(golden("tiny-llama")).expect("a golden model") {
        let entry = entry.expect("a file");
        let name = entry.file_name().into_string().expect("a plain name");
        let bytes = std::fs::read(entry.path()).expect("a file");
        project.write(&format!("llama/{name}"), bytes);
    }
    let config = project.read("llama/config.json");
    let (few, many) = (
        "\"max_position_embeddings\": 256",
        "\"max_position_embeddings\": 4096",
    );
    project.write("llama/config.json", config.replace(few, many));
    let words = [
        "--set",
        "model.name_or_path=llama",
        "--set",
        "lora.modules_to_save=[embed_tokens, lm_head]",
    ];
    check_going_on(&project, &words);
    let weights = adapter(&project);
    let tensors = safetensors::SafeTensors::deserialize(&weights).expect("safetensors");
    for name in ["model.embed_tokens", "lm_head"] {
        let name = format!("base_model.model.{name}.weight");
        let tensor = tensors.tensor(&name).expect("a tensor");
        assert_eq!(tensor.shape(), [352, 64], "{name}");
    }
    let folder = "checkpoints/tiny/adapter";
    let merge = ["merge", "tiny.yaml", folder, "merged", "--dtype", "f32"];
    run(&project, &[&merge[..], &words].concat()).result();
    let loss = |model: &str, more: &[&str]| {
        let model = format!("model.name_or_path={model}");
        let command = ["validate", "tiny.yaml", "--json", "--set", &model];
        let kept_out = ["--set", "data.val_size=0.4"];
        let command = [&command[..], &kept_out, more].concat();
        let report: Value = serde_json::from_str(&run(&project, &command).result()).expect("JSON");
        report["loss"].as_f64().expect("a loss")
    };
    let (base, apart) = (loss("llama", &[]), loss("llama", &["--adapter", folder]));
    let together = loss("merged", &[]);
    assert!((together - apart).abs() < 1e-5, "{together} for {apart}");
    assert!((base - apart).abs() > 1e-3, "the adapter changes nothing");
}

#[test]
fn dropout_and_noise_change_the_training_but_not_the_validation() {
    let validation = |words: &[&str]| {
        let project = Project::new();
        let words = [
            words,
            &[
                "--set",
                "data.val_size=0.4",
                "--set",
                "train.learning_rate=1e-9",
            ],
        ]
        .concat();
        fit(&project, &words).result();
        let log = project.read("checkpoints/tiny/log.jsonl");
        let number = |key: &str| {
            log.lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).expect("JSON")[key].as_f64())
                .collect::<Vec<f64>>()
        };
        let validation_losses = number("validation_loss");
        // The adapter that was kept is the best one, read back from its file; with PiSSA one of twice the rank.
        let command = ["validate", "tiny.yaml", "--json", "--adapter"];
        let command = [&command[..], &["checkpoints/tiny/adapter"], &words].concat();
        let report: Value = serde_json::from_str(&run(&project, &command).result()).expect("JSON");
        let best = validation_losses.iter().copied().fold(f64::MAX, f64::min);
        let kept = report["loss"].as_f64().expect("a loss");
        assert!((kept - best).abs() < 1e-4, "{kept} for {best}");
        (number("loss"), validation_losses)
    };
    let (loss, validation_loss) = validation(&[]);
    // A fresh B is zero, so dropout of its input changes nothing; PiSSA's B is not zero.
    let pissa = validation(&["--set", "lora.init_lora_weights=pissa"]);
    let dropped = validation(&[
        "--set",
        "lora.init_lora_weights=pissa",
        "--set",
        "lora.lora_dropout=0.5",
    ]);
    let noisy = validation(&["--set", "train.neftune_noise_alpha=50"]);
    for (name, (l, v)) in [("pissa", &pissa), ("dropout", &dropped), ("noise", &noisy)] {
        let moved = (l[0] - loss[0]).abs();
        assert!((moved > 1e-3) == (name != "pissa"), "{name}: {moved}");
        let moved = (v[0] - validation_loss[0]).abs();
        assert!(moved < 1e-3, "{name}: validation moved by {moved}");
    }
}

#[test]
fn layers_may_be_chosen_by_a_regular_expression_which_the_adapter_keeps() {
    let project = Project::new();
    let pattern = r"model\.layers\.1\.self_attn\.(q|v)_proj";
    let set = format!("lora.target_modules={pattern}");
    fit(&project, &["--set", &set]).result();
    let weights = adapter(&project);
    let tensors = safetensors::SafeTensors::deserialize(&weights).expect("safetensors");
    assert_eq!(tensors.len(), 4);
    let config: Value =
        serde_json::from_str(&project.read("checkpoints/tiny/adapter/adapter_config.json"))
            .expect("JSON");
    assert_eq!(config["target_modules"], pattern);

    let error = fit(
        &project,
        &["--restart", "--set", "lora.modules_to_save=[lm_head]"],
    )
    .error(2);
    assert!(
        error.contains("`lora.modules_to_save`: `lm_head` cannot be trained"),
        "{error}"
    );
    for (wrong, says) in [
        (
            r"self_attn\.q_proj",
            "matches no linear layer; expected one of model.layers.N.self_attn.q_proj",
        ),
        (
            "[q_proj, layers.7.mlp.up_proj]",
            "`layers.7.mlp.up_proj` matches no linear layer",
        ),
        ("'.*(q_proj'", "is not a valid regular expression"),
        ("'(?!q).*'", "look-around"),
    ] {
        let set = format!("lora.target_modules={wrong}");
        let error = fit(&project, &["--restart", "--set", &set]).error(2);
        assert!(error.contains(says), "{error}");
        assert!(error.contains("`lora.target_modules`"), "{error}");
    }
}

#[test]
fn each_adam_setting_changes_the_training_of_an_optimizer_that_has_it() {
    let project = Project::new();
    let trained = |optim: &str, more: &[&str]| {
        let optim = format!("train.optim={optim}");
        let words = [&["--restart", "--set", &optim], more].concat();
        fit(&project, &words).result();
        adapter(&project)
    };
    for (optim, settings) in [
        (
            "adamw",
            &[
                "train.adam_beta1=0.5",
                "train.adam_beta2=0.9",
                "train.adam_epsilon=0.01",
            ][..],
        ),
        ("lion", &["train.adam_beta1=0.1", "train.adam_beta2=0.1"]),
    ] {
        let default = trained(optim, &[]);
        for setting in settings {
            let other = trained(optim, &["--set", setting]);
            assert!(other != default, "{optim}: {setting} changes nothing");
        }
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
