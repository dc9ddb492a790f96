//! The smaller commands: plan, generate and devices.

use std::fs;

use serde_json::Value;

use crate::support::{Project, finish, golden, says};
use crate::{fit, run};

#[test]
fn a_plan_adds_up_and_says_whether_it_fits() {
    let project = Project::new();
    let shown = run(&project, &["plan", "tiny.yaml", "--device", "cpu"]).result();
    says(
        &shown,
        &[
            "parameters ",
            "steps        4 over 5 examples",
            "  weights ",
            "layers       the activations of all are kept",
            "fits         yes",
        ],
    );
    let json = run(
        &project,
        &[
            "plan",
            "tiny.yaml",
            "--device",
            "cpu",
            "--measure",
            "2",
            "--json",
        ],
    );
    let plan: Value = serde_json::from_str(&json.result()).expect("one JSON document");
    let bytes = |key: &str| plan[key].as_u64().unwrap_or_else(|| panic!("{key}"));
    let parts = [
        "weights_bytes",
        "adapter_bytes",
        "optimizer_bytes",
        "activations_bytes",
        "logits_bytes",
        "program_bytes",
    ];
    assert_eq!(parts.map(bytes).iter().sum::<u64>(), bytes("total_bytes"));
    assert_eq!(bytes("trainable_parameters"), 7424);
    assert_eq!(bytes("adapter_bytes"), 8 * 7424);
    assert_eq!(bytes("optimizer_bytes"), 8 * 7424);
    assert_eq!(plan["measured"]["steps"], 2);
    assert!(
        !project.path("checkpoints").exists(),
        "a plan leaves nothing behind"
    );
}

#[test]
fn the_base_model_and_the_adapter_answer() {
    let project = Project::new();
    fit(&project, &[]).result();
    let prompt = ["--prompt", "def f(x):", "--max-new-tokens", "8"];
    let words = [&["generate", "tiny.yaml"], &prompt[..]].concat();
    let base = run(&project, &words).result();
    assert_eq!(
        base,
        run(&project, &words).result(),
        "greedy answers repeat"
    );
    let adapter = [&words[..], &["--adapter", "checkpoints/tiny/adapter"]].concat();
    run(&project, &adapter).result();
    says(
        &run(&project, &[&words[..], &["--top-p", "0"]].concat()).error(2),
        &["--top-p is 0, allowed: above 0, at most 1"],
    );
}

#[test]
fn requests_from_the_standard_input_are_answered_one_by_one() {
    let project = Project::new();
    let command = |words: &[&str]| {
        let words = [&["generate", "tiny.yaml", "--max-new-tokens", "8"], words].concat();
        project.command(env!("CARGO_BIN_EXE_trainer"), &words)
    };
    let alone = |prompt: &str| finish(&mut command(&["--prompt", prompt])).result();
    let (first, second) = ("def f(x):\n    y = x", "Say it.");
    project.write("requests.txt", format!("{first}\n\n\n{second}\n"));
    let requests = fs::File::open(project.path("requests.txt")).expect("requests");
    let both = finish(command(&[]).stdin(requests)).result();
    assert_eq!(both, alone(first) + &alone(second));
    let nothing = finish(command(&[]).stdin(std::process::Stdio::null())).result();
    assert_eq!(nothing, "");
}

#[test]
fn an_answer_is_shown_while_it_is_made() {
    let project = Project::new();
    let words = [
        "generate",
        "tiny.yaml",
        "--raw",
        "--prompt",
        "a",
        "--max-new-tokens",
        "3900",
    ];
    let mut command = project.command(env!("CARGO_BIN_EXE_trainer"), &words);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the trainer starts");
    let mut out = child.stdout.take().expect("a pipe");
    let mut first = [0];
    std::io::Read::read_exact(&mut out, &mut first).expect("the beginning of an answer");
    let is_running = child.try_wait().expect("a child").is_none();
    child.kill().expect("killed");
    child.wait().expect("a child");
    assert!(
        is_running,
        "the answer came all at once, or ended at once: choose another prompt"
    );
}

#[test]
fn an_adapter_of_another_base_is_refused_by_every_command_that_takes_one() {
    let project = Project::new();
    let other = golden("peft-llama/all-linear").display().to_string();
    let refused = |words: &[&str], code: i32| {
        says(
            &run(&project, words).error(code),
            &[
                "adapter does not fit base model `tiny/qwen2`",
                "layers.2.",
                "not part of this model",
            ],
        );
    };
    let base = "tiny.yaml";
    refused(
        &[
            "validate",
            base,
            "--adapter",
            &other,
            "--set",
            "data.val_size=0.4",
        ],
        2,
    );
    refused(&["generate", base, "--adapter", &other, "--prompt", "a"], 2);
    refused(&["merge", base, &other, "merged"], 2);
    refused(&["export", base, &other, "--to", "gguf", "a.gguf"], 2);
    refused(&["export", base, &other, "--to", "peft", "copy"], 2);
    for output in ["merged", "a.gguf", "copy"] {
        assert!(!project.path(output).exists(), "{output}");
    }
    project.assert_no_parts();
}

#[test]
fn devices_always_name_the_cpu() {
    let shown = run(&Project::new(), &["devices"]).result();
    says(&shown, &["cpu ", " threads", "auto "]);
}

#[test]
fn a_plan_counts_what_a_variant_adds() {
    let project = Project::new();
    let plan = |words: &[&str]| {
        let words = [&["plan", "tiny.yaml", "--device", "cpu", "--json"], words].concat();
        let plan = run(&project, &words).result();
        serde_json::from_str::<Value>(&plan).expect("one JSON document")
    };
    let bytes = |plan: &Value| plan["activations_bytes"].as_u64().expect("a number");
    let plain = plan(&[]);
    let dora = plan(&["--set", "lora.use_dora=true"]);
    // The rows of seven linear layers in two blocks, a magnitude each.
    assert_eq!(dora["trainable_parameters"], 7424 + 2 * 448);
    let dropped = plan(&["--set", "lora.lora_dropout=0.1"]);
    assert_eq!(dropped["trainable_parameters"], 7424);
    assert!(bytes(&plain) < bytes(&dora) && bytes(&dora) < bytes(&dropped));
}

#[test]
fn a_plan_counts_the_state_that_each_optimizer_keeps() {
    // Rows and columns are multiples of 64: no tensor of the checkpoint's file ends in padding.
    let shape = [
        "--set",
        "lora.target_modules=[q_proj, o_proj]",
        "--set",
        "lora.r=64",
        "--set",
        "lora.lora_alpha=8",
        "--set",
        "train.max_steps=1",
    ];
    for (optim, expected) in [
        ("adamw", 2 * 8 * 64 * 64),
        ("lion", 8 * 64 * 64),
        ("muon", 8 * 64 * 64),
        ("adafactor", 8 * (64 + 64)),
    ] {
        let project = Project::new();
        let optim = format!("train.optim={optim}");
        let words = [&shape[..], &["--set", &optim]].concat();
        let plan = [
            &["plan", "tiny.yaml", "--device", "cpu", "--json"],
            &words[..],
        ]
        .concat();
        let plan: Value = serde_json::from_str(&run(&project, &plan).result()).expect("JSON");
        let planned = plan["optimizer_bytes"].as_u64().expect("a number");
        fit(&project, &words).result();
        let saved = project.bytes("checkpoints/tiny/step-1/optimizer.bpk");
        // The format's header: magic, version, length of the metadata; the tensors begin at a multiple of 256 bytes.
        let metadata = u32::from_le_bytes(saved[6..10].try_into().expect("a length"));
        let tensors = saved.len() - (10 + metadata as usize).next_multiple_of(256);
        assert_eq!(
            (planned, tensors),
            (4 * expected, 4 * expected as usize),
            "{optim}"
        );
    }
}

#[test]
fn commands_that_read_no_data_want_none_in_the_recipe() {
    let project = Project::new();
    fit(&project, &[]).result();
    // Nor do the lengths of examples matter.
    project.write(
        "bare.yaml",
        "model: {name_or_path: model, hub_name: tiny/qwen2}\ndata: {max_seq_length: 9000}\n",
    );
    let adapter = "checkpoints/tiny/adapter";
    for words in [
        &[
            "generate",
            "bare.yaml",
            "--prompt",
            "a",
            "--max-new-tokens",
            "2",
        ][..],
        &["merge", "bare.yaml", adapter, "merged"],
        &[
            "export",
            "bare.yaml",
            adapter,
            "--to",
            "gguf",
            "adapter.gguf",
        ],
    ] {
        run(&project, words).result();
    }
    project.write("rows.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n");
    let validate = [
        "validate",
        "bare.yaml",
        "--data",
        "rows.jsonl",
        "--format",
        "prompt_completion",
    ];
    let short = ["--set", "data.max_seq_length=64"];
    run(&project, &[&validate[..], &short].concat()).result();
    for words in [
        &["fit", "bare.yaml"][..],
        &["data", "bare.yaml"],
        &["plan", "bare.yaml"],
        &["validate", "bare.yaml"],
    ] {
        let error = run(&project, &[words, &short].concat()).error(2);
        says(
            &error,
            &["`data.datasets` is missing, allowed: at least one data set"],
        );
    }
}
