//! `trainer merge` and `trainer export`.

use std::fs;

use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

use crate::support::{Project, golden, says};
use crate::{fim, fit, run};

#[test]
fn an_adapter_is_exported_by_the_name_of_its_training() {
    let project = Project::new();
    fit(&project, &[]).result();
    for format in ["peft", "gguf", "merged"] {
        let output = format!("{format}-output");
        let words = ["export", "tiny.yaml", "tiny", "--to", format, &output];
        run(&project, &words).result();
        assert!(project.path(&output).exists(), "{format}");
    }
}

#[test]
fn a_peft_export_is_rounded_to_the_type_that_is_asked_for() {
    let project = Project::new();
    fit(&project, &["--set", "lora.use_dora=true"]).result();
    let export = |to: &str, dtype: &str| {
        let output = format!("{to}-{dtype}");
        let words = ["export", "tiny.yaml", "tiny", "--to", to, "--type", dtype];
        run(&project, &[&words[..], &[&output]].concat())
    };
    let file = |folder: &str| project.bytes(&format!("{folder}/adapter_model.safetensors"));
    let trained = "checkpoints/tiny/adapter";
    let bytes = file(trained);
    let tensors = SafeTensors::deserialize(&bytes).expect("an adapter");
    for (dtype, expected) in [
        ("f32", Dtype::F32),
        ("bf16", Dtype::BF16),
        ("f16", Dtype::F16),
    ] {
        export("peft", dtype).result();
        let folder = format!("peft-{dtype}");
        let settings = |folder: &str| project.bytes(&format!("{folder}/adapter_config.json"));
        assert_eq!(settings(&folder), settings(trained));
        let bytes = file(&folder);
        let written = SafeTensors::deserialize(&bytes).expect("an adapter");
        assert_eq!(written.len(), tensors.len());
        for (name, view) in tensors.tensors() {
            let copy = written.tensor(&name).expect("a tensor");
            assert_eq!((copy.dtype(), copy.shape()), (expected, view.shape()));
            let (values, _) = view.data().as_chunks::<4>();
            let is_rounded = match expected {
                Dtype::F32 => copy.data() == view.data(),
                // Half of the last kept bit is added, a little less to even numbers: to nearest, ties to even.
                Dtype::BF16 => {
                    values
                        .iter()
                        .zip(copy.data().as_chunks::<2>().0)
                        .all(|(&value, &copy)| {
                            let bits = u32::from_le_bytes(value);
                            let rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
                            rounded == u32::from(u16::from_le_bytes(copy))
                        })
                }
                _ => copy.data().len() == view.data().len() / 2,
            };
            assert!(is_rounded, "{dtype} {name}");
        }
        // It is read as any adapter.
        let prompt = ["--prompt", "def f(x):", "--max-new-tokens", "8"];
        let words = [
            &["generate", "tiny.yaml", "--adapter", &folder],
            &prompt[..],
        ]
        .concat();
        run(&project, &words).result();
    }
    let refused = [
        (("peft", "q8_0"), "f32, bf16 or f16"),
        (("merged", "q4_k_m"), "f32, bf16 or f16"),
        (("merged-gguf", "bf16"), "f16, q8_0 or q4_k_m"),
    ];
    for ((to, dtype), expected) in refused {
        let text = format!("--type {dtype} is not a type of this format, expected {expected}\n");
        says(&export(to, dtype).error(2), &[&text, "hint: "]);
    }
    let size = |dtype: &str| {
        export("merged", dtype).result();
        let path = project.path(&format!("merged-{dtype}/model.safetensors"));
        fs::metadata(path).expect("written").len()
    };
    assert!(size("f32") > 19 * size("bf16") / 10);
    project.assert_no_parts();
}

#[test]
fn a_merged_model_computes_what_base_and_adapter_compute_together() {
    let project = Project::new();
    let words = [
        "--set",
        "train.learning_rate=1e-2",
        "--set",
        "data.val_size=0.4",
    ];
    fit(&project, &words).result();
    let adapter = "checkpoints/tiny/adapter";
    let merge = ["merge", "tiny.yaml", adapter, "merged", "--dtype", "f32"];
    assert_eq!(run(&project, &merge).result(), "model: merged\n");
    let loss = |words: &[&str]| -> f64 {
        let words = [
            &[
                "validate",
                "tiny.yaml",
                "--json",
                "--set",
                "data.val_size=0.4",
            ],
            words,
        ]
        .concat();
        let report: Value = serde_json::from_str(&run(&project, &words).result()).expect("JSON");
        report["loss"].as_f64().expect("a loss")
    };
    let (base, apart) = (loss(&[]), loss(&["--adapter", adapter]));
    let together = loss(&["--set", "model.name_or_path=merged"]);
    assert!((together - apart).abs() < 1e-5, "{together} for {apart}");
    assert!((base - apart).abs() > 1e-3, "the adapter changes nothing");

    says(
        &run(&project, &merge).error(2),
        &["merged already exists", "hint: "],
    );
    let config: Value = serde_json::from_str(&project.read("merged/config.json")).expect("JSON");
    assert_eq!(config["torch_dtype"], "float32");
    project.assert_no_parts();
}

#[test]
fn an_export_is_refused_for_the_adapter_of_another_base_and_writes_what_was_asked_for() {
    let project = Project::new();
    fit(&project, &[]).result();
    let adapter = "checkpoints/tiny/adapter";
    let export = |to: &str, output: &str| {
        run(
            &project,
            &["export", "tiny.yaml", adapter, "--to", to, output],
        )
    };
    assert_eq!(
        export("gguf", "adapter.gguf").result(),
        "adapter: adapter.gguf\n"
    );
    assert_eq!(project.bytes("adapter.gguf")[..4], *b"GGUF");
    export("peft", "copy").result();
    assert!(
        project.bytes("copy/adapter_model.safetensors")
            == project.bytes("checkpoints/tiny/adapter/adapter_model.safetensors")
    );
    export("merged", "merged").result();
    assert!(project.path("merged/tokenizer.json").exists());

    let config = project.read(&format!("{adapter}/adapter_config.json"));
    fs::create_dir(project.path("other")).expect("a folder");
    project.write(
        "other/adapter_config.json",
        config.replace("\"r\": 4", "\"r\": 2"),
    );
    project.write(
        "other/adapter_model.safetensors",
        project.bytes(&format!("{adapter}/adapter_model.safetensors")),
    );
    let words = ["export", "tiny.yaml", "other", "--to", "gguf", "other.gguf"];
    says(
        &run(&project, &words).error(2),
        &["adapter does not fit base model `tiny/qwen2`"],
    );
    assert!(!project.path("other.gguf").exists());
    project.assert_no_parts();
}

#[test]
fn what_llama_cpp_cannot_apply_is_refused_and_can_be_merged() {
    let project = Project::new();
    fit(&project, &["--set", "lora.use_dora=true"]).result();
    let adapter = "checkpoints/tiny/adapter";
    let export = |to: &str, output: &str, more: &[&str]| {
        let words = ["export", "tiny.yaml", adapter, "--to", to, output];
        run(&project, &[&words[..], more].concat())
    };
    says(
        &export("gguf", "adapter.gguf", &[]).error(2),
        &[
            "`use_dora` = true is not supported",
            "hint: llama.cpp does not support such adapters",
        ],
    );
    says(
        &export("gguf", "adapter.gguf", &["--type", "q8_0"]).error(2),
        &["--type is not for `--to gguf`", "hint: omit it"],
    );
    assert!(!project.path("adapter.gguf").exists());
    export("merged", "merged", &[]).result();
    assert!(project.path("merged/model.safetensors").exists());

    fs::copy(golden("gguf/tiny-qwen2.gguf"), project.path("base.gguf")).expect("a copy");
    let of_file = [
        "--set",
        "model.name_or_path=base.gguf",
        "--set",
        "data.max_seq_length=256",
    ];
    assert_eq!(
        export("merged-gguf", "merged.gguf", &of_file).result(),
        "model: merged.gguf\nfor Ollama: merged.Modelfile\n"
    );
    let generate = |model: &str, more: &[&str]| {
        let set = format!("model.name_or_path={model}");
        let words = [
            "generate",
            "tiny.yaml",
            "--prompt",
            "def f(x):",
            "--max-new-tokens",
            "8",
        ];
        let words = [&words[..], &["--set", &set], &of_file[2..], more].concat();
        run(&project, &words).result()
    };
    assert_eq!(
        generate("merged.gguf", &[]),
        generate("base.gguf", &["--adapter", adapter])
    );
    let modelfile = fs::read_to_string(project.path("merged.Modelfile")).expect("written");
    says(
        &modelfile,
        &[
            "FROM ./merged.gguf\n",
            "TEMPLATE",
            "PARAMETER stop \"<|im_end|>\"\n",
        ],
    );
    // A file of someone else is not overwritten, and nothing is written beside it.
    fs::write(project.path("small.Modelfile"), "FROM x").expect("written");
    let small = ["--type", "q4_k_m"];
    says(
        &export("merged-gguf", "small.gguf", &small).error(2),
        &["small.Modelfile already exists", "hint: "],
    );
    assert!(!project.path("small.gguf").exists());
    fs::remove_file(project.path("small.Modelfile")).expect("removed");
    // A folder in Hugging Face's layout.
    export("merged-gguf", "small.gguf", &small).result();
    assert!(generate("small.gguf", &[]).ends_with('\n'));
    let size = |name: &str| fs::metadata(project.path(name)).expect("written").len();
    assert!(size("small.gguf") < size("merged.gguf"));
    project.assert_no_parts();
}

#[test]
fn the_modelfile_of_an_export_accepts_requests_with_a_suffix() {
    let project = fim::project(&fim::FAMILIES[0]);
    fit(&project, &[]).result();
    let export = |name: &str| {
        let words = ["export", "tiny.yaml", "tiny", "--to", "merged-gguf", name];
        run(&project, &words).result();
        project.read(&name.replace(".gguf", ".Modelfile"))
    };
    let with_suffix = "TEMPLATE \"\"\"{{ if .Suffix }}<|fim_prefix|>{{ .Prompt }}<|fim_suffix|>{{ .Suffix }}\
                       <|fim_middle|>{{ else }}";
    let stop = "PARAMETER stop \"<|fim_prefix|>\"\n";
    let mut config: Value =
        serde_json::from_str(&project.read("model/tokenizer_config.json")).expect("JSON");
    config["chat_template"] = json!(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
         {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    );
    project.write("model/tokenizer_config.json", config.to_string());
    let chat = export("chat.gguf");
    says(&chat, &[with_suffix, "{{ range .Messages }}", stop]);
    // A base model without a chat template.
    config
        .as_object_mut()
        .expect("an object")
        .remove("chat_template");
    project.write("model/tokenizer_config.json", config.to_string());
    // Nor the tokens of ChatML, which would replace one.
    let tokenizer = project.read("model/tokenizer.json");
    let without = tokenizer.replace("<|im_start|>", "<|other|>");
    project.write("model/tokenizer.json", without);
    let plain = export("plain.gguf");
    let body = format!("{with_suffix}{{{{ .Prompt }}}}{{{{ end }}}}\"\"\"\n");
    says(&plain, &[&body, stop]);
}
