//! Thirteen traps of fine-tuning: mistakes of well-known programs, each with a test that fails if it is made here.
//!
//! | trap | test |
//! |---|---|
//! | 1. The loss of a step is a mean of means, or the last, smaller window is dropped (transformers#34191, torchtune#1875) | `trap_01_how_a_step_is_cut_into_micro_batches_changes_nothing_and_the_last_window_counts`, `a_window_of_micro_batches_gives_the_gradients_of_one_batch` |
//! | 2. A base model is trained on an end token that its frozen head cannot generate (Qwen3#1064) | `trap_02_a_base_model_ends_its_answers_with_a_token_that_it_can_say`, `an_answer_ends_with_a_token_that_the_model_can_say` |
//! | 3. Padding is masked by its id, so an end token with the same id is not learned (unsloth#416) | `trap_03_an_end_token_that_is_the_padding_token_too_is_learned`, `an_answer_that_ends_with_the_padding_id_keeps_its_end` |
//! | 4. Stock templates do not mark answers, so nothing is supervised (transformers#34172) | `trap_04_answers_are_learned_under_a_template_that_does_not_mark_them`, `nothing_to_learn_is_a_mistake` |
//! | 5. Packed examples attend to each other (trl#1230, functionary#265) | `trap_05_a_packed_training_has_the_losses_of_one_that_is_not`, `packed_examples_have_the_loss_and_gradients_that_they_have_apart` |
//! | 6. Examples are dropped or cut silently (axolotl#2211) | `trap_06_whatever_is_left_out_or_cut_is_counted_and_told`, `an_overlong_example_is_dropped_cut_or_refused_and_counted` |
//! | 7. An adapter on a head that is tied to the embedding (peft#2018, peft#2777) | `trap_07_a_head_that_is_the_embedding_too_gets_no_adapter`, `modules_trained_as_a_whole_are_refused_where_they_are_one_matrix` |
//! | 8. A merge is rounded to the quantised format of the base model (peft#1043, peft#2321) | `trap_08_a_merge_into_a_quantised_base_keeps_what_was_learnt`, `a_merged_gguf_file_has_the_logits_of_base_model_and_adapter` |
//! | 9. A resumed training differs from an uninterrupted one (accelerate#2016, torchtune#2439) | `killed_twenty_times_a_training_ends_with_the_same_adapter_and_log`, `every_variant_goes_on_to_the_same_bytes_after_an_interruption`, `every_optimizers_state_survives_an_interruption` |
//! | 10. A checkpoint is incomplete (unsloth#6796) | `killed_twenty_times_a_training_ends_with_the_same_adapter_and_log`, `a_damaged_checkpoint_is_named_and_the_one_before_is_taken`, `a_disk_that_fills_up_in_the_middle_loses_nothing` |
//! | 11. Training continues after a NaN loss (LlamaFactory#8088) | `trap_11_a_step_without_finite_numbers_stops_names_its_examples_and_spares_the_checkpoint`, `a_training_that_diverges_stops_and_says_so` |
//! | 12. Validation holds the logits of all examples (transformers#15466) | `trap_12_validation_takes_no_more_memory_for_more_examples` |
//! | 13. Each tensor's gradient is clipped separately, micro-batches weigh the same regardless of their tokens | `trap_13_clipping_scales_all_gradients_by_one_factor`, `ten_steps_follow_pefts_losses_norms_and_weights` |
//!
//! The last test below checks the table against the sources. Numbers in brackets are issues of the named programs.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::support::{Project, copy_folder, golden, says};
use crate::{fit, run};

/// Builds a line of a file in the format alpaca.
fn row(instruction: &str, output: &str) -> String {
    let row = serde_json::json!({"instruction": instruction, "output": output});
    format!("{row}\n")
}

/// Writes eleven questions and answers of different lengths to `rows.jsonl`.
fn write_rows(project: &Project) {
    let mut text = String::new();
    for n in 1..=11 {
        text += &row(&format!("Count to {n}."), &"one more, ".repeat(n));
    }
    project.write("rows.jsonl", text);
}

const ROWS: [&str; 2] = [
    "--set",
    "data.datasets=[{path: rows.jsonl, format: alpaca}]",
];

/// Returns the losses of a training from scratch, and its summary.
fn losses(project: &Project, words: &[&str]) -> (Vec<f64>, Value) {
    let words = [&["--restart"], &ROWS[..], words].concat();
    fit(project, &words).result();
    let log = project.read("checkpoints/tiny/log.jsonl");
    let losses = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|line| line["step"] != 0)
        .map(|line| line["loss"].as_f64())
        .collect::<Option<Vec<f64>>>();
    let summary = project.read("checkpoints/tiny/adapter/training.json");
    (
        losses.expect("losses"),
        serde_json::from_str(&summary).expect("JSON"),
    )
}

fn assert_near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (step, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() < 2e-4 * b, "{what}: step {step}: {a} for {b}");
    }
}

/// Returns the JSON of `trainer data`.
fn shown(project: &Project, words: &[&str]) -> Value {
    let words = [&["data", "tiny.yaml", "--json"], &ROWS[..], words].concat();
    serde_json::from_str(&run(project, &words).result()).expect("JSON")
}

/// Joins the supervised tokens of the first example.
fn learned(shown: &Value) -> String {
    let tokens = shown["examples"][0]["tokens"].as_array().expect("tokens");
    let learned = tokens.iter().filter(|token| token["supervised"] == true);
    learned.filter_map(|token| token["text"].as_str()).collect()
}

/// Changes a token id in the model's configuration.
fn set_token(project: &Project, key: &str, id: u64) {
    for file in ["model/config.json", "model/generation_config.json"] {
        let mut config: Value = serde_json::from_str(&project.read(file)).expect("JSON");
        config[key] = id.into();
        project.write(file, config.to_string());
    }
}

#[test]
fn trap_01_how_a_step_is_cut_into_micro_batches_changes_nothing_and_the_last_window_counts() {
    let project = Project::new();
    write_rows(&project);
    // Windows of four examples: the third of an epoch has three.
    let of = |micro: usize, steps: usize| {
        let micro = format!("train.micro_batch_size={micro}");
        let steps = format!("train.gradient_accumulation_steps={steps}");
        losses(&project, &["--set", &micro, "--set", &steps])
    };
    let (whole, summary) = of(4, 1);
    assert_eq!(whole.len(), 2 * 3, "two epochs of three windows");
    let all = shown(&project, &[])["training"]["tokens"].as_u64();
    let read = summary["tokens"].as_u64();
    assert_eq!(read, all.map(|tokens| 2 * tokens), "every example twice");
    for (micro, steps) in [(1, 4), (2, 2)] {
        let (cut, of_cut) = of(micro, steps);
        assert_near(&cut, &whole, &format!("{micro} x {steps}"));
        assert_eq!(of_cut["supervised_tokens"], summary["supervised_tokens"]);
    }
}

#[test]
fn trap_02_a_base_model_ends_its_answers_with_a_token_that_it_can_say() {
    let project = Project::new();
    write_rows(&project);
    assert!(learned(&shown(&project, &[])).ends_with(",<|im_end|>"));
    // As declared by a base model of Qwen2.5.
    set_token(&project, "eos_token_id", 342);
    let words = [&ROWS[..], &["--set", "train.max_steps=1"]].concat();
    let found = fit(&project, &words);
    says(
        &found.stderr,
        &[
            "warning: the chat template ends a turn with <|im_end|>",
            "Answers end with <|endoftext|> instead",
        ],
    );
    found.result();
    assert!(learned(&shown(&project, &[])).ends_with(",<|endoftext|>"));
}

#[test]
fn trap_03_an_end_token_that_is_the_padding_token_too_is_learned() {
    let project = Project::new();
    write_rows(&project);
    set_token(&project, "pad_token_id", 344);
    assert!(learned(&shown(&project, &[])).ends_with("<|im_end|>"));
    let of = |micro: &str, steps: &str| losses(&project, &["--set", micro, "--set", steps]);
    let (alone, summary) = of(
        "train.micro_batch_size=1",
        "train.gradient_accumulation_steps=4",
    );
    // In one batch, the shorter examples are padded.
    let (padded, of_padded) = of(
        "train.micro_batch_size=4",
        "train.gradient_accumulation_steps=1",
    );
    assert_near(&padded, &alone, "padded");
    assert_eq!(summary["supervised_tokens"], of_padded["supervised_tokens"]);
}

#[test]
fn trap_04_answers_are_learned_under_a_template_that_does_not_mark_them() {
    let project = Project::new();
    project.write("rows.jsonl", row("Say it.", "It is said."));
    let stock = project.read("model/tokenizer_config.json");
    assert!(!stock.contains("generation %}"), "a template with marks");
    let shown = shown(&project, &[]);
    assert_eq!(learned(&shown), "It is said.<|im_end|>");
    let tokens = shown["training"]["supervised_tokens"].as_u64();
    assert!(tokens.is_some_and(|tokens| tokens > 2), "{tokens:?}");
}

#[test]
fn trap_05_a_packed_training_has_the_losses_of_one_that_is_not() {
    let project = Project::new();
    write_rows(&project);
    let of = |packing: &str| {
        let words = ["--set", packing, "--set", "data.max_seq_length=512"];
        losses(&project, &words)
    };
    let (apart, summary) = of("data.packing=false");
    let (packed, of_packed) = of("data.packing=true");
    assert_near(&packed, &apart, "packed");
    assert_eq!(summary["supervised_tokens"], of_packed["supervised_tokens"]);
}

#[test]
fn trap_06_whatever_is_left_out_or_cut_is_counted_and_told() {
    let project = Project::new();
    let long = "word ".repeat(300);
    project.write(
        "rows.jsonl",
        row("Say it.", "Said.") + &row("Say more.", &long) + &row(&long, "Said."),
    );
    let with = |overlength: &str| {
        let set = format!("data.overlength={overlength}");
        let words = ["--set", &set, "--set", "data.max_seq_length=256"];
        [
            &ROWS[..],
            &["--set", "train.max_steps=1", "--restart"],
            &words,
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<String>>()
    };
    for (overlength, told) in [
        (
            "drop",
            "1 example from 3 rows in 1 file of rows.jsonl; left out or cut: 2 over max_seq_length",
        ),
        // An example that is cut before its answer has nothing left to learn.
        (
            "truncate",
            "2 examples from 3 rows in 1 file of rows.jsonl; left out or cut: 1 over max_seq_length, 1 cut at max_seq_length",
        ),
    ] {
        let words = with(overlength);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let finished = fit(&project, &words);
        says(&finished.stderr, &[told]);
        finished.result();
        says(
            &project.read("checkpoints/tiny/training-report.md"),
            &["over max_seq_length"],
        );
    }
    let words = with("error");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    says(
        &fit(&project, &words).error(2),
        &["rows.jsonl:2: example has ", "`data.max_seq_length` is 256"],
    );
}

#[test]
fn trap_07_a_head_that_is_the_embedding_too_gets_no_adapter() {
    let project = Project::new();
    for (set, told) in [
        (
            "lora.modules_to_save=[lm_head]",
            "`lora.modules_to_save`: `lm_head` cannot be trained",
        ),
        (
            "lora.modules_to_save=[embed_tokens]",
            "`lora.modules_to_save`: `embed_tokens` cannot be trained",
        ),
        (
            "lora.target_modules=[lm_head]",
            "`lora.target_modules[0]` is \"lm_head\", expected `q_proj`",
        ),
        (
            "lora.target_modules=.*(lm_head|embed_tokens)",
            "matches no linear layer",
        ),
    ] {
        says(&fit(&project, &["--set", set]).error(2), &[told]);
        assert!(!project.path("checkpoints/tiny/adapter").exists());
    }
}

#[test]
fn trap_08_a_merge_into_a_quantised_base_keeps_what_was_learnt() {
    let project = Project::new();
    write_rows(&project);
    fs::copy(
        golden("gguf/tiny-llama-mixed.gguf"),
        project.path("base.gguf"),
    )
    .expect("a copy");
    let of_file = [
        "--set",
        "model.name_or_path=base.gguf",
        "--set",
        "data.max_seq_length=256",
    ];
    let words = [&ROWS[..], &of_file].concat();
    // A change that rounding to the base model's few bits would lose.
    let rate = [
        "--set",
        "train.learning_rate=3e-3",
        "--set",
        "train.num_train_epochs=4",
    ];
    fit(&project, &[&words[..], &rate].concat()).result();
    let adapter = "checkpoints/tiny/adapter";
    for (dtype, most) in [("f16", 2e-2), ("f32", 1e-4)] {
        let output = format!("merged-{dtype}");
        let merge = ["merge", "tiny.yaml", adapter, &output, "--dtype", dtype];
        run(&project, &[&merge[..], &words].concat()).result();
        let bytes = project.bytes(&format!("{output}/model.safetensors"));
        let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
        let expected = if dtype == "f32" {
            Dtype::F32
        } else {
            Dtype::F16
        };
        assert!(
            tensors
                .tensors()
                .iter()
                .all(|(_, tensor)| tensor.dtype() == expected)
        );
        let loss = |model: &str, more: &[&str]| {
            let model = format!("model.name_or_path={model}");
            let set = ["--set", &model, "--set", "data.max_seq_length=256"];
            let validate = [
                "validate",
                "tiny.yaml",
                "--json",
                "--data",
                "rows.jsonl",
                "--format",
                "alpaca",
            ];
            let words = [&validate[..], &set, more].concat();
            let report: Value =
                serde_json::from_str(&run(&project, &words).result()).expect("JSON");
            report["loss"].as_f64().expect("a loss")
        };
        let (base, apart) = (
            loss("base.gguf", &[]),
            loss("base.gguf", &["--adapter", adapter]),
        );
        let together = loss(&output, &[]);
        let (learnt, lost) = ((base - apart).abs(), (together - apart).abs());
        assert!(lost < most, "{dtype}: {together} for {apart}");
        assert!(learnt > 3.0 * most, "{dtype}: only {learnt} was learnt");
    }
}

/// Changes a tensor of the model in `llama/`, given as rows of values in bfloat16.
fn edit(project: &Project, name: &str, change: impl Fn(usize, &mut [[u8; 2]])) {
    let index: Value =
        serde_json::from_str(&project.read("llama/model.safetensors.index.json")).expect("JSON");
    let shard = index["weight_map"][name].as_str().expect("a shard");
    let shard = format!("llama/{shard}");
    let mut bytes = project.bytes(&shard);
    let (header, metadata) = SafeTensors::read_metadata(&bytes).expect("safetensors");
    let info = metadata.info(name).expect("a tensor");
    let (start, end) = info.data_offsets;
    let rows = bytes[8 + header..][start..end].chunks_exact_mut(2 * info.shape[1]);
    for (row, bytes) in rows.enumerate() {
        let (values, _) = bytes.as_chunks_mut::<2>();
        change(row, values);
    }
    project.write(&shard, bytes);
}

/// Writes the tiny Llama to `llama/`, with first keys that overflow for `@` and for no other token.
fn write_model_that_cannot_read_at_signs(project: &Project) {
    const ONE: [u8; 2] = 0x3f80_u16.to_le_bytes();
    const HUGE: [u8; 2] = 0x7f61_u16.to_le_bytes();
    copy_folder(&golden("tiny-llama"), &project.path("llama"));
    let tokenizer: Value =
        serde_json::from_str(&project.read("llama/tokenizer.json")).expect("JSON");
    let id = tokenizer["model"]["vocab"]["@"].as_u64().expect("an id") as usize;
    // Only `@` has a nonzero first component of its embedding,
    edit(project, "model.embed_tokens.weight", |token, state| {
        if token == id {
            state.fill([0; 2]);
        }
        state[0] = if token == id { ONE } else { [0; 2] };
    });
    // and every key multiplies it by 3e38.
    edit(
        project,
        "model.layers.0.self_attn.k_proj.weight",
        |_, weights| {
            weights[0] = HUGE;
        },
    );
}

#[test]
fn trap_11_a_step_without_finite_numbers_stops_names_its_examples_and_spares_the_checkpoint() {
    let project = Project::new();
    write_model_that_cannot_read_at_signs(&project);
    let mut rows = String::new();
    for n in 0..12 {
        let sign = if n == 5 { "@" } else { "a" };
        rows += &row(&format!("Say {sign}."), &format!("{n} {sign}"));
    }
    project.write("rows.jsonl", rows);
    let words = [
        &ROWS[..],
        &[
            "--set",
            "model.name_or_path=llama",
            "--set",
            "data.max_seq_length=256",
        ],
        &[
            "--set",
            "output.save_steps=1",
            "--set",
            "train.num_train_epochs=1",
        ],
        &[
            "--set",
            "train.micro_batch_size=1",
            "--set",
            "train.gradient_accumulation_steps=2",
        ],
    ]
    .concat();
    let error = fit(&project, &words).error(1);
    says(
        &error,
        &[
            "training diverged: ",
            " is NaN at step ",
            "\n  rows.jsonl:6\n",
            "the last checkpoint is unchanged",
        ],
    );
    let step = error
        .split("at step ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let step: usize = step.and_then(|step| step.parse().ok()).expect("a step");
    assert!(step > 1, "choose another seed: there is no checkpoint yet");
    assert!(!project.path("checkpoints/tiny/adapter").exists());
    // The previous checkpoint is intact: the same command resumes from it, with the same outcome.
    let again = fit(&project, &words);
    let resumed = format!("resuming           from step {} of 6", step - 1);
    says(&again.stderr, &[&resumed]);
    assert_eq!(again.error(1), error);
}

#[cfg(target_os = "linux")]
#[test]
fn trap_12_validation_takes_no_more_memory_for_more_examples() {
    let project = Project::new();
    let mut rows = String::new();
    for n in 0..2000 {
        rows += &row(
            &format!("Count to {n}."),
            "one two three four five six seven",
        );
        if n == 100 {
            project.write("few.jsonl", &rows);
        }
    }
    project.write("many.jsonl", &rows);
    let peak = |file: &str| {
        let words = [
            "validate",
            "tiny.yaml",
            "--format",
            "alpaca",
            "--json",
            "--data",
            file,
        ];
        let (finished, peak) = crate::peak_memory(&project, &words);
        let report: Value = serde_json::from_str(&finished.result()).expect("JSON");
        (
            report["supervised_tokens"].as_u64().expect("a number"),
            peak,
        )
    };
    let ((few, small), (many, large)) = (peak("few.jsonl"), peak("many.jsonl"));
    // The logits of each supervised token are 352 values of four bytes.
    let logits = (many - few) * 352 * 4;
    assert!(logits > 40_000_000, "too few examples to tell: {logits}");
    let grown = large.saturating_sub(small);
    assert!(
        grown < logits / 4,
        "{grown} bytes more, the logits have {logits}"
    );
}

/// The tests in the table above must exist in the sources.
#[test]
fn the_table_names_tests_that_exist_for_all_thirteen_traps() {
    let own = include_str!("traps.rs");
    let mut sources = String::new();
    for folder in ["src", "tests/it", "../crates/slm-model/tests/it"] {
        read_sources(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
            &mut sources,
        );
    }
    let rows: Vec<&str> = own
        .lines()
        .filter(|line| line.starts_with("//! | "))
        .collect();
    let mut n_traps = 0;
    for row in rows.iter().skip(1) {
        n_traps += 1;
        assert!(row.starts_with(&format!("//! | {n_traps}. ")), "{row}");
        let tests = row.split('`').skip(1).step_by(2);
        let tests: Vec<&str> = tests.collect();
        assert!(!tests.is_empty(), "{row}");
        for test in tests {
            let is_there = sources.contains(&format!("#[test]\nfn {test}("))
                || sources.contains(&format!("    #[test]\n    fn {test}("));
            assert!(is_there, "no test {test}");
        }
    }
    assert_eq!(n_traps, 13);
}

fn read_sources(folder: &Path, sources: &mut String) {
    let entries = fs::read_dir(folder).expect("a readable folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("text");
            let _ = writeln!(sources, "{text}");
        }
    }
}
