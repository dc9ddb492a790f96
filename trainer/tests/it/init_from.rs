//! `lora.init_from`: an adapter is trained further, from its own loss, with its own shape, and with a record of its past.

use std::fs;

use serde_json::Value;

use crate::run;
use crate::support::{Finished, Project, copy_folder, golden, says};

const MISTAKE: i32 = 2;

/// A project whose training `first` has an adapter, with a recipe that trains it further as `second`.
fn project() -> Project {
    let project = Project::new();
    let recipe = project.read("tiny.yaml");
    let further = recipe.replace("lora: {r: 4, lora_alpha: 8}", "lora: {init_from: first}");
    assert_ne!(recipe, further);
    project.write("second.yaml", further);
    let words = [
        "fit",
        "tiny.yaml",
        "--device",
        "cpu",
        "--set",
        "name=first",
        "--set",
        "lora.use_rslora=true",
        "--set",
        "lora.target_modules=[q_proj, down_proj]",
        "--set",
        "lora.rank_pattern={q_proj: 2}",
    ];
    run(&project, &words).result();
    project
}

/// Trains the adapter of `second.yaml`, with these keys set.
fn further(project: &Project, set: &[&str]) -> Finished {
    let set = set.iter().flat_map(|set| ["--set", set]);
    let words: Vec<&str> = ["fit", "second.yaml", "--device", "cpu"]
        .into_iter()
        .chain(set)
        .collect();
    run(project, &words)
}

fn json(project: &Project, path: &str) -> Value {
    serde_json::from_str(&project.read(path)).expect("JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn a_training_starts_with_the_values_the_shape_and_the_loss_of_its_adapter() {
    let project = project();
    let words = [
        "validate",
        "tiny.yaml",
        "--adapter",
        "first",
        "--set",
        "data.val_size=0.4",
        "--json",
    ];
    let validated: Value = serde_json::from_str(&run(&project, &words).result()).expect("JSON");
    let finished = further(&project, &["data.val_size=0.4"]);
    says(
        &finished.stderr,
        &[
            "init_from          checkpoints/first/adapter: rank 4, alpha 8, rsLoRA, of tiny/qwen2; 4 steps on src",
            "before the first step (checkpoints/first/adapter)",
        ],
    );
    finished.result();
    let log = project.read("checkpoints/second/log.jsonl");
    let first: Value = serde_json::from_str(log.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["step"], 0);
    assert_eq!(first["validation_loss"], validated["loss"]);
    let config = |run: &str| {
        json(
            &project,
            &format!("checkpoints/{run}/adapter/adapter_config.json"),
        )
    };
    assert_eq!(config("second"), config("first"));

    let summary = json(&project, "checkpoints/second/adapter/training.json");
    let start = &summary["init_from"];
    assert_eq!(start["validation_loss"], validated["loss"]);
    assert_eq!(summary["base_validation_loss"], Value::Null);
    assert!(number(&summary["best"]["loss"]) < number(&validated["loss"]));
    assert_eq!(start["path"], "checkpoints/first/adapter");
    assert_eq!(start["base_model"], "tiny/qwen2");
    for (field, name) in [
        ("sha256", "adapter_model.safetensors"),
        ("config_sha256", "adapter_config.json"),
    ] {
        let bytes = project.bytes(&format!("checkpoints/first/adapter/{name}"));
        assert_eq!(start[field], slm_artifacts::sha256(&bytes), "{name}");
    }
    let first = json(&project, "checkpoints/first/adapter/training.json");
    assert_eq!(start["training"], first);
    assert_eq!(start["training"]["base_sha256"], summary["base_sha256"]);

    let report = project.read("checkpoints/second/training-report.md");
    says(
        &report,
        &[
            "with `checkpoints/first/adapter`, from which it started, and",
            "| validation loss, `checkpoints/first/adapter` |",
            "- trained further from `checkpoints/first/adapter`, an adapter of 4 steps on `src`\n",
            "- adapter: rank 4, alpha 8, with rsLoRA\n",
        ],
    );
    // The copy of the recipe names what the recipe named, and means the same.
    let copy = project.read("checkpoints/second/adapter/recipe.yaml");
    says(&copy, &["  init_from: checkpoints/first/adapter\n"]);
    assert!(!copy.contains("lora_alpha"), "{copy}");
    let again = run(
        &project,
        &[
            "fit",
            "checkpoints/second/adapter/recipe.yaml",
            "--device",
            "cpu",
        ],
    );
    says(&again.stderr, &["already done"]);
    again.result();
}

#[test]
fn an_interrupted_training_ends_with_the_same_bytes_and_refuses_a_changed_adapter() {
    let project = project();
    let set = [
        "output.save_steps=1",
        "output.save_total_limit=9",
        "lora.lora_dropout=0.1",
    ];
    further(&project, &set).result();
    let tensors = "checkpoints/second/adapter/adapter_model.safetensors";
    let whole = project.bytes(tensors);
    assert_ne!(
        whole,
        project.bytes("checkpoints/first/adapter/adapter_model.safetensors")
    );
    let interrupt = || {
        for folder in ["adapter", "step-3", "step-4"] {
            fs::remove_dir_all(project.path(&format!("checkpoints/second/{folder}")))
                .expect(folder);
        }
    };
    interrupt();
    let resumed = further(&project, &set);
    says(&resumed.stderr, &["resuming           from step 2 of 4"]);
    resumed.result();
    assert!(project.bytes(tensors) == whole);

    interrupt();
    // The path does not count.
    fs::rename(
        project.path("checkpoints/first"),
        project.path("checkpoints/moved"),
    )
    .expect("moved");
    let moved = [&set[..], &["lora.init_from=moved"]].concat();
    further(&project, &moved).result();
    assert!(project.bytes(tensors) == whole);

    interrupt();
    let config = "checkpoints/moved/adapter/adapter_config.json";
    project.write(
        config,
        project
            .read(config)
            .replace("\"lora_alpha\": 8", "\"lora_alpha\": 9"),
    );
    let error = further(&project, &moved).error(MISTAKE);
    says(
        &error,
        &[
            "belongs to a different training",
            "the adapter of `lora.init_from` has changed",
        ],
    );
    let error = further(&project, &[&set[..], &["lora.init_from=null"]].concat()).error(MISTAKE);
    says(
        &error,
        &["it started from an adapter, and the recipe has no `lora.init_from`"],
    );
}

#[test]
fn plan_and_data_show_the_adapter() {
    let project = project();
    let line =
        "checkpoints/first/adapter: rank 4, alpha 8, rsLoRA, of tiny/qwen2; 4 steps on src\n";
    for (command, start) in [("plan", "init_from    "), ("data", "init_from  ")] {
        let text = run(&project, &[command, "second.yaml"]).result();
        assert!(text.starts_with(&format!("{start}{line}")), "{text}");
        let shown = run(&project, &[command, "second.yaml", "--json"]).result();
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let start = &shown["init_from"];
        assert_eq!(start["path"], "checkpoints/first/adapter");
        assert_eq!((&start["r"], &start["steps"]), (&4.into(), &4.into()));
        assert_eq!(start["datasets"][0], "src");
    }
    let plan: Value =
        serde_json::from_str(&run(&project, &["plan", "second.yaml", "--json"]).result())
            .expect("JSON");
    let summary = json(&project, "checkpoints/first/adapter/training.json");
    assert_eq!(
        plan["trainable_parameters"],
        summary["trainable_parameters"]
    );
    let measured = run(
        &project,
        &[
            "plan",
            "second.yaml",
            "--measure",
            "1",
            "--json",
            "--device",
            "cpu",
        ],
    );
    let measured: Value = serde_json::from_str(&measured.result()).expect("JSON");
    assert!(number(&measured["measured"]["loss"]) > 0.0);
}

#[test]
fn keys_that_contradict_the_adapter_are_refused_together_and_those_that_agree_are_not() {
    let project = project();
    let contradicting = [
        "lora.r=8",
        "lora.lora_alpha=4",
        "lora.target_modules=all-linear",
        "lora.use_rslora=false",
        "lora.use_dora=true",
        "lora.modules_to_save=[lm_head]",
        "lora.rank_pattern={}",
        "lora.alpha_pattern={q_proj: 1}",
    ];
    let error = further(&project, &contradicting).error(MISTAKE);
    says(
        &error,
        &[
            "contradicts checkpoints/first/adapter, the adapter of `lora.init_from`",
            "`lora.r` is 8, the adapter's is 4",
            "`lora.lora_alpha` is 4, the adapter's is 8",
            "`lora.target_modules` is all-linear, the adapter's is [q_proj, down_proj]",
            "`lora.use_rslora` is false, the adapter's is true",
            "`lora.use_dora` is true, the adapter's is false",
            "`lora.modules_to_save` is [lm_head], the adapter's is []",
            "`lora.rank_pattern` is [], the adapter's is [(\"q_proj\", 2)]",
            "`lora.alpha_pattern` is [(\"q_proj\", 1.0)], the adapter's is []",
            "hint: remove these keys",
        ],
    );
    let error = further(&project, &["lora.init_lora_weights=pissa"]).error(MISTAKE);
    says(
        &error,
        &["`lora.init_lora_weights` is pissa, the adapter's is plain LoRA"],
    );
    // Written otherwise, but with the same effect.
    let agreeing = [
        "lora.r=4",
        "lora.alpha=8",
        r"lora.target_modules='model\.layers\.\d\.(self_attn\.q_proj|mlp\.down_proj)'",
        "lora.use_rslora=true",
        "lora.init_lora_weights=true",
        "lora.modules_to_save=[]",
        r#"lora.rank_pattern={"layers.*q_proj": 2}"#,
    ];
    further(&project, &agreeing).result();
}

#[test]
fn adapters_that_cannot_be_trained_further_are_refused_by_every_command() {
    let project = project();
    let set = |value: &str| format!("lora.init_from={value}");
    let check = |value: &str, code: i32, parts: &[&str]| {
        for command in ["fit", "plan", "data"] {
            let finished = run(&project, &[command, "second.yaml", "--set", &set(value)]);
            says(&finished.error(code), parts);
        }
    };
    check(
        "frist",
        MISTAKE,
        &[
            "`lora.init_from`",
            "frist",
            "under checkpoints there are first",
        ],
    );
    check("no/such", MISTAKE, &["no/such: no such adapter folder"]);
    check("src", MISTAKE, &["holds no adapter_config.json"]);

    // In the folder that the training writes.
    copy_folder(
        &project.path("checkpoints/first/adapter"),
        &project.path("checkpoints/second/adapter"),
    );
    check(
        "checkpoints/second/adapter",
        MISTAKE,
        &["is in the folder checkpoints/second, which this training writes"],
    );
    fs::remove_dir_all(project.path("checkpoints/second")).expect("removed");

    // Of another base model: by its shapes, by its name, and by the hash of its files.
    copy_folder(&golden("peft-llama/all-linear"), &project.path("llama"));
    let config = project.read("llama/adapter_config.json");
    check(
        "llama",
        MISTAKE,
        &["was trained on example/tiny-llama, but the recipe's model is tiny/qwen2"],
    );
    project.write(
        "llama/adapter_config.json",
        config.replace("example/tiny-llama", "tiny/qwen2"),
    );
    check(
        "llama",
        MISTAKE,
        &[
            "`lora.init_from`",
            "does not fit base model `tiny/qwen2`",
            "layers.2.mlp.down_proj.lora_A: not part of this model",
        ],
    );
    let training = "checkpoints/first/adapter/training.json";
    let mut summary = json(&project, training);
    summary["base_sha256"] = "0".repeat(64).into();
    project.write(training, summary.to_string());
    let finished = run(&project, &["plan", "second.yaml"]);
    says(
        &finished.stderr,
        &[
            "warning: `lora.init_from` was trained on tiny/qwen2",
            "the files differ",
        ],
    );
    finished.result();
    let settings = "checkpoints/first/adapter/adapter_config.json";
    let config = project.read(settings);
    project.write(settings, config.replace("tiny/qwen2", "other/model"));
    check(
        "first",
        MISTAKE,
        &["was trained on other/model, but the recipe's model is tiny/qwen2"],
    );
    project.write(settings, &config);

    // With another rank than its settings state.
    project.write(settings, config.replace("\"r\": 4", "\"r\": 8"));
    check(
        "first",
        MISTAKE,
        &["does not fit base model", "lora_A: found [4, "],
    );
    project.write(settings, &config);

    // Broken files.
    project.write(training, "{");
    check(
        "first",
        MISTAKE,
        &["training.json: cannot be read", "unknown from which tasks"],
    );
    fs::remove_file(project.path(training)).expect("removed");
    let tensors = "checkpoints/first/adapter/adapter_model.safetensors";
    let bytes = project.bytes(tensors);
    project.write(tensors, &bytes[..bytes.len() - 7]);
    check("first", 1, &["adapter_model.safetensors", "truncated"]);
    project.write(tensors, &bytes);
    project.write(settings, "[]");
    check("first", 1, &["adapter_config.json: not a JSON object"]);
}

#[test]
fn adapters_of_other_programs_keep_their_settings_and_the_record_says_that_their_past_is_unknown() {
    let project = project();
    for name in ["exclude-names", "one-layer", "lora-bias"] {
        copy_folder(&golden(&format!("peft-later/{name}")), &project.path(name));
        let config = format!("{name}/adapter_config.json");
        project.write(
            &config,
            project
                .read(&config)
                .replace("example/tiny-qwen2", "tiny/qwen2"),
        );
        let set = [
            format!("lora.init_from={name}"),
            format!("name=from-{name}"),
        ];
        let finished = further(&project, &[&set[0], &set[1]]);
        says(&finished.stderr, &["no record of what it learned"]);
        assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
        finished.result();
        let saved = format!("checkpoints/from-{name}/adapter");
        let (before, after) = (
            json(&project, &config),
            json(&project, &format!("{saved}/adapter_config.json")),
        );
        for key in ["target_modules", "exclude_modules", "r", "lora_alpha"] {
            assert_eq!(before[key], after[key], "{name}: {key}");
        }
        let names = |path: &str| {
            let bytes = project.bytes(&format!("{path}/adapter_model.safetensors"));
            let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
            let mut names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
            names.sort();
            names
        };
        assert_eq!(names(name), names(&saved));
        let start = &json(&project, &format!("{saved}/training.json"))["init_from"];
        assert_eq!(start["training"], Value::Null);
    }
}

/// The answers are compared with the adapter that the training starts from, and not with the base model.
#[test]
fn a_preference_objective_compares_with_the_adapter_that_it_starts_from() {
    let project = project();
    let pair = |n: usize| {
        format!(
            "{{\"prompt\": \"number {n}\", \"chosen\": \"yes {n}\", \"rejected\": \"no, not {n}\"}}\n"
        )
    };
    project.write("pairs.jsonl", (0..4).map(pair).collect::<String>());
    let set = [
        "data.datasets=[{path: pairs.jsonl, format: pairs}]",
        "train.objective=dpo",
        "train.num_train_epochs=1",
    ];
    further(&project, &set).result();
    let log = project.read("checkpoints/second/log.jsonl");
    let first: Value = serde_json::from_str(log.lines().next().expect("a line")).expect("JSON");
    let loss = number(&first["loss"]);
    assert!((loss - std::f64::consts::LN_2).abs() < 1e-5, "{loss}");
    let reference = json(&project, "checkpoints/second/reference.json");
    let base = reference["base"].as_str().expect("a text");
    assert!(base.contains(", device cpu, adapter "), "{base}");
}

#[test]
fn rounds_of_improvement_refuse_an_adapter_to_start_from() {
    let project = project();
    let words = [
        "improve",
        "second.yaml",
        "--dry-run",
        "--set",
        "improve.tasks=[embedded]",
    ];
    let error = run(&project, &words).error(MISTAKE);
    says(
        &error,
        &["`lora.init_from` is set", "hint: merge the adapter"],
    );
}
