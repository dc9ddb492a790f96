//! Models and adapters that other programs can use and this one cannot: every command reports the same reason.

use std::fs;

use safetensors::SafeTensors;

use crate::run;
use crate::support::{Project, copy_folder, golden, says};

const MISTAKE: i32 = 2;

/// Commands that read the base model.
const OF_MODEL: [&[&str]; 5] = [
    &["plan", "tiny.yaml", "--device", "cpu"],
    &["fit", "tiny.yaml", "--device", "cpu"],
    &["validate", "tiny.yaml", "--set", "data.val_size=0.4"],
    &["generate", "tiny.yaml", "--prompt", "a"],
    &["data", "tiny.yaml"],
];

/// Commands that read the adapter `A`.
const OF_ADAPTER: [&[&str]; 6] = [
    &[
        "validate",
        "tiny.yaml",
        "--adapter",
        "A",
        "--set",
        "data.val_size=0.4",
    ],
    &["generate", "tiny.yaml", "--adapter", "A", "--prompt", "a"],
    &["merge", "tiny.yaml", "A", "merged"],
    &["export", "tiny.yaml", "A", "--to", "merged", "merged"],
    &["export", "tiny.yaml", "A", "--to", "gguf", "a.gguf"],
    &["export", "tiny.yaml", "A", "--to", "peft", "copy"],
];

#[test]
fn a_quantised_model_is_named_as_such_by_every_command() {
    let project = Project::new();
    let config = project.read("model/config.json");
    let quantised =
        r#""model_type": "qwen2", "quantization_config": {"quant_method": "gptq", "bits": 4}"#;
    project.write(
        "model/config.json",
        config.replace(r#""model_type": "qwen2""#, quantised),
    );
    for words in OF_MODEL {
        says(
            &run(&project, words).error(MISTAKE),
            &[
                "model/config.json: the weights are quantised by gptq, 4 bits (`quantization_config`)",
                "hint: use the repository of the unquantised model",
                "`model.quantization: q4`",
            ],
        );
    }
    assert!(!project.path("checkpoints/tiny/adapter").exists());
}

#[test]
fn a_plan_of_weights_that_cannot_be_read_does_not_say_that_they_fit() {
    let project = Project::new();
    let config = project.read("model/config.json");
    project.write(
        "model/config.json",
        config.replace("\"hidden_size\": 64", "\"hidden_size\": 128"),
    );
    for words in OF_MODEL {
        let error = run(&project, words).error(1);
        says(
            &error,
            &[
                "expected [352, 128]",
                "weights and configuration are of different models",
            ],
        );
        assert!(!error.contains("fits"), "{error}");
    }
}

#[test]
fn a_git_lfs_pointer_in_place_of_the_weights_is_named() {
    let project = Project::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n";
    project.write("model/model.safetensors", pointer);
    for words in OF_MODEL {
        says(
            &run(&project, words).error(1),
            &[
                "model/model.safetensors: a git-lfs pointer",
                "hint: run `git lfs pull`",
            ],
        );
    }
}

#[test]
fn validate_warns_of_a_head_of_its_own() {
    let project = Project::new();
    let bytes = project.bytes("model/model.safetensors");
    let file = SafeTensors::deserialize(&bytes).expect("a golden file");
    let norm = file.tensor("model.norm.weight").expect("a tensor");
    assert_eq!(norm.shape(), [64], "rows of the embedding");
    let embedding = file.tensor("model.embed_tokens.weight").expect("a tensor");
    let mut rows: Vec<&[u8]> = embedding
        .data()
        .chunks(embedding.data().len() / 352)
        .collect();
    rows.reverse();
    let head = rows.concat();
    let view = safetensors::tensor::TensorView::new(embedding.dtype(), vec![352, 64], &head);
    let mut tensors = file.tensors();
    tensors.push(("lm_head.weight".to_owned(), view.expect("a view")));
    let written = safetensors::serialize(tensors, None).expect("a file");
    project.write("model/model.safetensors", written);
    let words = ["validate", "tiny.yaml", "--set", "data.val_size=0.4"];
    let finished = run(&project, &words);
    let warning = "warning: model/config.json: `tie_word_embeddings` is true, but `lm_head.weight`";
    assert!(finished.stderr.contains(warning), "{}", finished.stderr);
    finished.result();
}

/// Makes a project with an adapter for its model.
fn with_adapter() -> Project {
    let project = Project::new();
    copy_folder(&golden("peft-qwen2/all-linear"), &project.path("A"));
    project
}

#[test]
fn an_adapter_that_cannot_be_applied_is_refused_by_every_command_with_its_cause() {
    let check = |project: &Project, parts: &[&str]| {
        for words in OF_ADAPTER {
            let error = run(project, words).error(MISTAKE);
            says(&error, parts);
            assert!(!error.contains("as its base model"), "{error}");
        }
        for output in ["merged", "a.gguf", "copy"] {
            assert!(!project.path(output).exists(), "{output}");
        }
        project.assert_no_parts();
    };

    let pickled = with_adapter();
    let (weights, pickle) = ("A/adapter_model.safetensors", "A/adapter_model.bin");
    fs::rename(pickled.path(weights), pickled.path(pickle)).expect("renamed");
    check(
        &pickled,
        &[
            "A/adapter_model.bin: a pickle file",
            "hint: save it as safetensors",
        ],
    );

    let head = with_adapter();
    let config = head.read("A/adapter_config.json");
    let target = "\"target_modules\": [";
    assert!(config.contains(target), "{config}");
    head.write(
        "A/adapter_config.json",
        config
            .replace(target, "\"target_modules\": [\"lm_head\",")
            .replace("\"use_dora\": false", "\"use_dora\": true"),
    );
    check(
        &head,
        &[
            "`use_dora` together with LoRA on `lm_head` is not supported",
            "hint: merge the adapter into its base model",
        ],
    );
}

/// PEFT does not load such names: it warns and runs the base model.
#[test]
fn an_adapter_of_a_compiled_model_is_read_and_exported_under_plain_names() {
    let project = with_adapter();
    let weights = "A/adapter_model.safetensors";
    let bytes = project.bytes(weights);
    let plain = run(&project, OF_ADAPTER[0]).result();
    let file = SafeTensors::deserialize(&bytes).expect("a golden file");
    let renamed = file.tensors().into_iter().map(|(name, view)| {
        let name = name.replace("base_model.model.", "base_model.model._orig_mod.");
        (name, view)
    });
    let renamed = safetensors::serialize(renamed, None).expect("a file");
    project.write(weights, renamed);
    let validated = run(&project, OF_ADAPTER[0]);
    says(
        &validated.stderr,
        &["names contain `_orig_mod.`", "wrapped by torch.compile"],
    );
    assert_eq!(validated.result(), plain);
    run(&project, OF_ADAPTER[5]).result();
    let copy = project.bytes("copy/adapter_model.safetensors");
    let copy = SafeTensors::deserialize(&copy).expect("a copy");
    assert_eq!(copy.len(), file.len());
    for (name, view) in file.tensors() {
        assert!(
            copy.tensor(&name).expect("a tensor").data() == view.data(),
            "{name}"
        );
    }
}

#[test]
fn an_adapter_of_peft_is_read_without_a_warning() {
    let project = with_adapter();
    let finished = run(&project, OF_ADAPTER[0]);
    assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
    finished.result();
}
