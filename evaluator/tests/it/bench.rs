//! `evaluator bench` from the outside: speeds of a model with random weights, and of one on disk.

use serde_json::Value;

use crate::support::{Finished, Project, finish, golden, says};

fn run(words: &[&str]) -> Finished {
    let words = [&["bench", "--device", "cpu"], words].concat();
    finish(&mut Project::new().command(env!("CARGO_BIN_EXE_evaluator"), &words))
}

#[test]
fn every_batch_size_has_its_speeds() {
    let few = ["--prompt-tokens", "5", "--new-tokens", "3", "--json"];
    for weights in ["f32", "bf16", "q8_0", "q4_0", "q4_1", "q4_k"] {
        let words = [
            &["--shape", "tiny-qwen2", "--weights", weights],
            &["--batch", "1,3", "--adapter-rank", "4"],
            &few[..],
        ];
        let bench: Value =
            serde_json::from_str(&run(&words.concat()).result()).expect("one JSON document");
        assert_eq!(bench["model"], format!("synthetic tiny-qwen2 {weights}"));
        let batches = bench["batches"].as_array().expect("batches");
        assert_eq!(batches.len(), 2);
        for (speed, batch) in batches.iter().zip([1.0, 3.0]) {
            assert_eq!(speed["batch"].as_f64(), Some(batch));
            let number = |key: &str| speed[key].as_f64().unwrap_or_else(|| panic!("{key}"));
            assert!(number("prompt_tokens_per_second") > 0.0);
            let of_steps = 1e3 * batch / number("milliseconds_per_step");
            assert!((number("decode_tokens_per_second") / of_steps - 1.0).abs() < 1e-9);
        }
    }
    let path = golden("gguf/tiny-qwen2.gguf");
    let path = path.to_str().expect("a path of characters");
    let shown = run(&[&["--model", path, "--batch", "2"], &few[..4]].concat()).result();
    says(
        &shown,
        &["tiny-qwen2.gguf on cpu", " batch  prompt tokens/s"],
    );
}

#[test]
fn what_cannot_be_measured_is_said() {
    // Errors of the command line's parser end with a pointer to the help.
    let usage = |words: &[&str], parts: &[&str]| {
        let Finished { code, stderr, .. } = run(words);
        assert_eq!(code, Some(2), "{stderr}");
        says(&stderr, parts);
    };
    usage(&[], &["--shape <NAME>"]);
    usage(
        &["--shape", "tiny-llama", "--batch", "1,0"],
        &["expected a whole number of at least 1"],
    );
    let error = |words: &[&str]| run(words).error(2);
    says(
        &error(&["--shape", "tiny-llama", "--prompt-tokens", "1020"]),
        &[
            "exceed the model's 1024 positions",
            "hint: lower --prompt-tokens",
        ],
    );
    says(
        &error(&["--model", "nowhere.gguf"]),
        &["nowhere.gguf: no such file or folder"],
    );
}
