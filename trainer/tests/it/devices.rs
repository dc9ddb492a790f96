//! Commands that need neither a model nor data: measuring a shape, and examining a device.

use serde_json::Value;

use crate::run;
use crate::support::{Finished, Project, says};

const PLAN: [&str; 6] = ["plan", "--shape", "tiny-llama", "--device", "cpu", "--json"];

fn document(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON document")
}

#[test]
fn a_shape_is_measured_without_model_or_data() {
    let project = Project::new();
    let more = [
        "--steps",
        "2",
        "--seq-length",
        "40",
        "--micro-batch-size",
        "2",
        "--gradient-accumulation-steps",
        "3",
        "--peak-tflops",
        "100",
        "--set",
        "lora.r=4",
    ];
    let plan = document(&run(&project, &[&PLAN[..], &more].concat()).result());
    // 3 layers of 96 x 96, 32 x 96, 224 x 96 and their like, rank 4.
    let of_rank = |r: u64| 3 * r * (2 * (96 + 96) + 2 * (32 + 96) + 3 * (224 + 96));
    assert_eq!(plan["trainable_parameters"], of_rank(4));
    assert_eq!(plan["longest_example"], 40);
    // Two measured steps and a first one, of 2 x 3 sequences each.
    assert_eq!(plan["examples"], 18);
    let measured = &plan["measured"];
    assert_eq!(measured["steps"], 2);
    let number = |key: &str| measured[key].as_f64().unwrap_or_else(|| panic!("{key}"));
    let (speed, seconds) = (number("tokens_per_second"), number("seconds_per_step"));
    assert!((speed * seconds / 240.0 - 1.0).abs() < 1e-9, "{measured}");
    let teraflops = speed * number("flops_per_token") / 1e12;
    assert!((number("teraflops") / teraflops - 1.0).abs() < 1e-9);
    assert!((number("model_flops_utilisation") * 100.0 / teraflops - 1.0).abs() < 1e-9);
    // Random tokens cannot be predicted: about ln(384), and more because of the spread of the logits.
    assert!((5.5..8.0).contains(&number("loss")), "{measured}");
    assert!(number("grad_norm") > 0.0);
    assert!(
        !project.path("checkpoints").exists(),
        "nothing is left behind"
    );
}

#[test]
fn what_cannot_be_measured_is_said() {
    let project = Project::new();
    // Errors of the command line's parser end with a pointer to `--help`.
    let usage = |words: &[&str], parts: &[&str]| {
        let Finished { code, stderr, .. } = run(&project, words);
        assert_eq!(code, Some(2), "{stderr}");
        says(&stderr, parts);
    };
    usage(
        &["plan", "--shape", "qwen"],
        &["unknown shape `qwen`", "qwen2.5-1.5b"],
    );
    usage(
        &[&PLAN[..], &["--weights", "q3"]].concat(),
        &["unknown weight type `q3`", "q4_k"],
    );
    usage(&["plan"], &["--shape <NAME>"]);
    usage(
        &["plan", "tiny.yaml", "--shape", "tiny-llama"],
        &["cannot be used with"],
    );
    usage(
        &["plan", "tiny.yaml", "--weights", "q8_0"],
        &["cannot be used with"],
    );
    usage(&[&PLAN[..], &["--measure", "0"]].concat(), &["--measure"]);
    for tflops in ["0", "nan", "-1"] {
        let flag = format!("--peak-tflops={tflops}");
        usage(
            &[&PLAN[..], &["--measure", "1", &flag]].concat(),
            &["expected a number above 0"],
        );
    }
    let error = |more: &[&str]| run(&project, &[&PLAN[..], more].concat()).error(2);
    says(
        &error(&["--seq-length", "2000"]),
        &["`data.max_seq_length` is 2000, but the model has 1024 positions"],
    );
    says(
        &error(&["--micro-batch-size", "0"]),
        &["train.micro_batch_size"],
    );
}

const NIGHT: [&str; 9] = [
    "plan",
    "--shape",
    "qwen2.5-1.5b",
    "--seq-length",
    "2048",
    "--micro-batch-size",
    "4",
    "--for",
    "rtx-4090",
];

#[test]
fn a_training_is_planned_for_another_gpu() {
    let project = Project::new();
    let plan = |more: &[&str]| {
        let words = [&NIGHT[..], &["--json"], more].concat();
        document(&run(&project, &words).result())
    };
    let whole = plan(&[]);
    // 0.95 of 24 GiB.
    assert_eq!(whole["available_bytes"], 24_481_313_587_u64);
    assert_eq!(
        (&whole["fits"], &whole["recomputed_layers"]),
        (&true.into(), &0.into())
    );
    let estimate = &whole["estimate"];
    assert_eq!(estimate["card"], "rtx-4090");
    assert_eq!(estimate["limited_by"], "products");
    let speed = estimate["tokens_per_second"].as_f64().expect("a number");
    assert!((6e3..12e3).contains(&speed), "{estimate}");
    // Less memory: some layers are recomputed, which takes longer; and at last nothing fits.
    let less = plan(&["--memory", "12"]);
    let recomputed = less["recomputed_layers"].as_u64().expect("a number");
    assert!((1..28).contains(&recomputed), "{recomputed}");
    let slower = less["estimate"]["tokens_per_second"].as_f64();
    assert!(slower.expect("a number") < speed);
    assert_eq!(plan(&["--memory", "5"])["fits"], false);
    let shown = run(&project, &NIGHT).result();
    let parts = [
        "on rtx-4090",
        "limited by matrix products",
        "not measured (±40 %)",
        "context",
    ];
    says(&shown, &parts);
}

#[test]
fn a_gpu_that_is_unknown_and_absurd_memory_are_refused() {
    let project = Project::new();
    let refused = |more: &[&str], parts: &[&str]| {
        let words = [&NIGHT[..7], more].concat();
        let Finished { code, stderr, .. } = run(&project, &words);
        assert_eq!(code, Some(2), "{stderr}");
        says(&stderr, parts);
    };
    refused(
        &["--for", "gtx-1080"],
        &["unknown GPU `gtx-1080`", "one of rtx-3090"],
    );
    refused(&["--memory", "16"], &["--for"]);
    refused(
        &["--for", "l4", "--device", "cpu"],
        &["cannot be used with"],
    );
    refused(&["--for", "l4", "--measure", "1"], &["cannot be used with"]);
    for memory in ["0", "-3", "nan", "1e99", "1e-300", "0.5"] {
        let memory = format!("--memory={memory}");
        refused(
            &["--for", "l4", &memory],
            &["--memory is", "from 1 to 10000"],
        );
    }
    refused(&["--for", "l4", "--memory", "much"], &["--memory"]);
}

#[test]
fn the_cpu_is_examined_and_trusted() {
    let project = Project::new();
    let words = ["doctor", "--device", "cpu", "--quick"];
    let finished = run(&project, &words);
    says(
        &finished.stderr,
        &["checking           cached decoding, tiny-llama"],
    );
    let shown = finished.result();
    says(
        &shown,
        &[
            "cpu can be trusted: it computes what the CPU does",
            "gradients: tiny-qwen2, packed, chunks of 7",
            "losses of a short training: tiny-llama",
        ],
    );
    let json = run(&project, &[&words[..], &["--json"]].concat()).result();
    let verdict = document(&json);
    assert_eq!(verdict["trusted"], true);
    let findings = verdict["findings"].as_array().expect("findings");
    assert!(findings.len() > 20, "{}", findings.len());
    assert!(findings.iter().all(|finding| finding["grade"] == "single"));
}

#[test]
fn a_device_that_is_not_there_and_one_that_does_not_answer_are_no_verdict_of_trust() {
    let project = Project::new();
    // The error is the same whether the backend is missing from the build or the driver from the machine.
    let refused = run(&project, &["doctor", "--device", "cuda:99"]).error(2);
    says(&refused, &["cuda", "hint: "]);
    let late = ["doctor", "--device", "cpu", "--timeout-s", "0"];
    says(
        &run(&project, &late).error(1),
        &["cannot be trusted: no answer to"],
    );
}
