//! Trainings on pairs and labelled answers: first losses, log, checkpoints, resume, plan and validation.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

use crate::support::{Project, says};
use crate::{fit, run};

fn lines(rows: impl Iterator<Item = Value>) -> String {
    let rows: Vec<String> = rows.map(|row| row.to_string()).collect();
    rows.join("\n") + "\n"
}

/// Pairs in which the number in digits is chosen and the number in words rejected.
fn pairs(n: usize) -> String {
    let words = ["one", "two", "three", "four", "five", "six", "seven"];
    let row = |k: usize| {
        let turn = |role: &str, content: String| json!([{"role": role, "content": content}]);
        let more = " and more".repeat(k % 3);
        json!({
            "prompt": turn("user", format!("Count to {k}{more}.")),
            "chosen": turn("assistant", format!("{}, {k}", k * k)),
            "rejected": turn("assistant", words[k % 7].repeat(1 + k % 2)),
        })
    };
    lines((0..n).map(row))
}

/// Answers, of which two thirds are wanted.
fn answers(n: usize) -> String {
    let row = |k: usize| {
        json!({
            "prompt": format!("Number {k} is "),
            "completion": if k.is_multiple_of(3) { "unknown".to_owned() } else { format!("{}", 7 * k) },
            "label": !k.is_multiple_of(3),
        })
    };
    lines((0..n).map(row))
}

fn project() -> Project {
    let project = Project::new();
    project.write("pairs.jsonl", pairs(14));
    project.write("kto.jsonl", answers(14));
    project
}

const PAIRS: &str = "data.datasets=[{path: pairs.jsonl, format: pairs}]";
const KTO: [&str; 6] = [
    "--set",
    "data.datasets=[{path: kto.jsonl, format: kto}]",
    "--set",
    "train.objective=kto",
    "--set",
    "train.undesirable_weight=1.5",
];

/// The arguments of a training on pairs.
fn on_pairs<'a>(objective: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--set", PAIRS, "--set", objective][..], more].concat()
}

fn dpo<'a>(more: &[&'a str]) -> Vec<&'a str> {
    on_pairs("train.objective=dpo", more)
}

fn log(project: &Project) -> Vec<Value> {
    let text = project.read("checkpoints/tiny/log.jsonl");
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

const SOME_HELD_OUT: [&str; 4] = [
    "--set",
    "data.val_size=0.3",
    "--set",
    "train.num_train_epochs=4",
];

#[test]
fn dpo_starts_at_ln_2_and_learns_which_answers_are_preferred() {
    let project = project();
    let fast = ["--set", "train.learning_rate=1e-2"];
    let words = dpo(&[&SOME_HELD_OUT[..], &fast].concat());
    let finished = fit(&project, &words);
    let shown = finished.stderr.clone();
    finished.result();
    says(
        &shown,
        &[
            "preferences        right on 4 of 4 held out of 4 tasks: 100.0 %, 95 % interval",
            "the 50.0 % of guessing",
            "the step was chosen by the loss on them",
        ],
    );
    let lines = log(&project);
    let ln_2 = std::f64::consts::LN_2;
    for (line, loss) in [(&lines[0], "validation_loss"), (&lines[1], "loss")] {
        assert_eq!(number(&line[loss]).to_bits(), ln_2.to_bits(), "{line}");
    }
    let last = lines.iter().rfind(|line| line["grad_norm"].is_f64());
    let preference = &last.expect("a step")["preference"];
    assert_eq!(number(&preference["accuracy"]).to_bits(), 1.0_f64.to_bits());
    assert!(number(&preference["reward_margin"]) > 0.1, "{preference}");
    for side in ["chosen", "rejected"] {
        assert!(number(&preference[side]["log_p"]) < 0.0, "{preference}");
        assert!(number(&preference[side]["tokens"]) > 1.0, "{preference}");
    }
    let summary: Value =
        serde_json::from_str(&project.read("checkpoints/tiny/adapter/training.json"))
            .expect("JSON");
    let held_out = &summary["preferences"];
    assert_eq!(
        (&held_out["units"], &held_out["right"]),
        (&4.into(), &4.into())
    );
    assert!(number(&held_out["low"]) < 0.6 && number(&held_out["high"]) >= 1.0);
    assert_eq!(summary["validation_examples"], 4);
    let page = project.read("checkpoints/tiny/training-report.md");
    says(
        &page,
        &[
            "## Preferences",
            "right on 4 of 4 held-out pairs of 4 tasks",
            "was chosen by the loss on the same pairs",
            "| step | loss | accuracy |",
        ],
    );
    let picture = project.read("checkpoints/tiny/loss.svg");
    assert!(picture.contains("per preference") && !picture.contains("nats"));
    // `trainer validate` measures the same.
    let words = [
        &["validate", "tiny.yaml", "--json", "--adapter", "tiny"],
        &words[..],
    ]
    .concat();
    let report: Value = serde_json::from_str(&run(&project, &words).result()).expect("JSON");
    assert_eq!(report["right"], 4);
    let best = number(&summary["best"]["loss"]);
    assert!(
        (number(&report["loss"]) - best).abs() < 1e-6,
        "{report} for {best}"
    );
}

#[test]
fn the_reference_is_the_base_model_with_every_variant_of_lora_and_format_of_weights() {
    for set in [
        "lora.use_dora=true",
        "lora.init_lora_weights=pissa",
        "model.quantization=q8",
        "train.gradient_checkpointing=layer",
    ] {
        let project = project();
        fit(
            &project,
            &dpo(&["--set", set, "--set", "train.max_steps=1"]),
        )
        .result();
        let first = number(&log(&project)[0]["loss"]);
        let difference = (first - std::f64::consts::LN_2).abs();
        assert!(difference < 1e-5, "{set}: {first}");
    }
}

#[test]
fn chosen_answers_that_become_less_likely_are_warned_about_unless_they_are_learned_too() {
    let project = project();
    // Both answers begin with the same words, so that what makes one unlikely makes the other unlikely, too.
    let row = |k: usize| {
        json!({
            "prompt": format!("{k}: "),
            "chosen": format!("{} yes", "the same words ".repeat(6)),
            "rejected": format!("{} no, not at all", "the same words ".repeat(8)),
        })
    };
    project.write("pairs.jsonl", lines((0..8).map(row)));
    let warned = |more: &[&str]| {
        let fast = ["--restart", "--set", "train.learning_rate=3e-3"];
        let finished = fit(&project, &dpo(&[&fast, more].concat()));
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let warning = "warning: the log-probability of the chosen answers fell by";
        finished.stderr.contains(warning) && finished.stderr.contains("train.sft_weight=0.2")
    };
    assert!(warned(&[]));
    // The last step is in the middle of an epoch.
    let in_the_middle = ["--set", "train.micro_batch_size=2"];
    let of_three = [
        "--set",
        "train.max_steps=3",
        "--set",
        "train.gradient_accumulation_steps=1",
    ];
    assert!(warned(
        &[in_the_middle, ["--set", "train.learning_rate=3e-2"]]
            .concat()
            .iter()
            .copied()
            .chain(of_three)
            .collect::<Vec<_>>()
    ));
    assert!(!warned(&["--set", "train.sft_weight=5"]));
}

#[test]
fn kto_starts_at_half_of_the_weights() {
    let project = project();
    // One step over all answers, of which 9 are wanted with weight 1 and 5 unwanted with weight 1.5.
    let all = [
        "--set",
        "data.val_size=0",
        "--set",
        "train.gradient_accumulation_steps=16",
    ];
    fit(&project, &[&KTO[..], &all].concat()).result();
    let lines = log(&project);
    let expected = 0.5 * (9.0 + 5.0 * 1.5) / 14.0;
    let first = number(&lines[0]["loss"]);
    assert!((first - expected).abs() < 1e-12, "{first} for {expected}");
    assert!(
        lines
            .iter()
            .any(|line| line["preference"]["reward_margin"].is_f64())
    );
}

#[test]
fn held_out_answers_are_compared_with_the_more_frequent_label() {
    let project = project();
    let finished = fit(&project, &[&KTO[..], &SOME_HELD_OUT].concat());
    let shown = finished.stderr.clone();
    finished.result();
    let summary: Value =
        serde_json::from_str(&project.read("checkpoints/tiny/adapter/training.json"))
            .expect("JSON");
    let guessing = number(&summary["preferences"]["guessing"]);
    assert!(guessing >= 0.5, "{guessing}");
    says(
        &shown,
        &[&format!("the {:.1} % of guessing", 100.0 * guessing)],
    );
}

#[test]
fn labelled_answers_of_one_kind_are_measured_and_not_learned() {
    let project = project();
    let wanted: String = answers(14)
        .lines()
        .filter(|line| line.contains("true"))
        .fold(String::new(), |text, line| text + line + "\n");
    project.write("kto.jsonl", wanted);
    let refused = ["all 9 labelled answers to train on have the label true"];
    says(&fit(&project, &KTO).error(2), &refused);
    let words = [
        "validate",
        "tiny.yaml",
        "--data",
        "kto.jsonl",
        "--format",
        "kto",
    ];
    let shown = run(&project, &[&words[..], &KTO].concat()).result();
    says(&shown, &["loss 0.5000, right on 0 of 9 preferences"]);
}

#[test]
fn objectives_without_reference_train_and_leave_no_reference() {
    for objective in ["train.objective=orpo", "train.objective=simpo"] {
        let project = project();
        fit(&project, &on_pairs(objective, &["--set", "train.beta=2"])).result();
        let lines = log(&project);
        let losses = lines.iter().filter_map(|line| line["loss"].as_f64());
        let losses: Vec<f64> = losses.collect();
        assert!(losses[0] > losses[losses.len() - 1], "{losses:?}");
        assert!(!project.path("checkpoints/tiny/reference.json").exists());
    }
}

/// Replaces a text in the reference of a checkpoint, and its sums accordingly.
fn change_reference(project: &Project, step: usize, change: impl Fn(&str) -> String) {
    let file = format!("checkpoints/tiny/step-{step}/reference.json");
    let hash =
        |project: &Project| slm_artifacts::sha256_of_file(&project.path(&file)).expect("a file");
    let before = hash(project);
    project.write(&file, change(&project.read(&file)));
    let sums = format!("checkpoints/tiny/step-{step}/SHA256SUMS");
    let text = project.read(&sums).replace(&before, &hash(project));
    project.write(&sums, text);
}

/// A training of `dpo` that was stopped after its second step.
fn stopped() -> Project {
    let project = project();
    fit(
        &project,
        &dpo(&[&SAVED[..], &["--set", "train.max_steps=6"]].concat()),
    )
    .result();
    for step in 3..=6 {
        fs::remove_dir_all(project.path(&format!("checkpoints/tiny/step-{step}")))
            .expect("removed");
    }
    fs::remove_dir_all(project.path("checkpoints/tiny/adapter")).expect("removed");
    project
}

const SAVED: [&str; 6] = [
    "--set",
    "output.save_steps=1",
    "--set",
    "output.save_total_limit=10",
    "--set",
    "train.learning_rate=1e-2",
];

#[test]
fn a_resumed_training_reads_the_reference_of_its_checkpoint() {
    let more = [&SAVED[..], &["--set", "train.max_steps=6"]].concat();
    let words = dpo(&more);
    let finished = |project: &Project| {
        fit(project, &words).result();
        project.bytes("checkpoints/tiny/adapter/adapter_model.safetensors")
    };
    let whole = finished(&stopped());
    assert!(
        whole == finished(&stopped()),
        "a resumed training is reproducible"
    );
    let project = stopped();
    change_reference(&project, 2, |text| {
        let mut content: Value = serde_json::from_str(text).expect("JSON");
        let values = content["log_p"]
            .as_object_mut()
            .expect("values")
            .values_mut();
        values.for_each(|value| *value = json!(number(value) - 5.0 * (number(value) % 1.0)));
        content.to_string()
    });
    assert!(whole != finished(&project), "the file is not read");
}

#[test]
fn a_reference_of_another_base_is_refused_and_a_restart_computes_it_again() {
    let project = stopped();
    let as_if = |text: &str| text.replace("weights f32, device cpu", "weights bf16, device cuda");
    change_reference(&project, 2, as_if);
    let more = [&SAVED[..], &["--set", "train.max_steps=6"]].concat();
    says(
        &fit(&project, &dpo(&more)).error(2),
        &[
            "was computed in another way",
            "was weights bf16, is weights f32",
            "was device cuda, is device cpu",
            "--restart",
        ],
    );
    // With values that another program left, a restart would learn against a wrong base.
    let left = project.read("checkpoints/tiny/reference.json");
    let wrong = left.replace("log_p\": {", "log_p\": {\n    \"left over\": -1.0,");
    project.write("checkpoints/tiny/reference.json", wrong);
    fit(&project, &dpo(&[&more[..], &["--restart"]].concat())).result();
    assert_eq!(project.read("checkpoints/tiny/reference.json"), left);
}

/// The adapter's tensors, the log, and the reference of the last checkpoint.
fn outcome(project: &Project) -> (Vec<u8>, String, Vec<u8>) {
    (
        project.bytes("checkpoints/tiny/adapter/adapter_model.safetensors"),
        project.read("checkpoints/tiny/log.jsonl"),
        project.bytes("checkpoints/tiny/reference.json"),
    )
}

fn wait_until(child: &mut Child, mut ready: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ready() && child.try_wait().expect("a child").is_none() {
        assert!(started.elapsed() < Duration::from_mins(2), "no progress");
        thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn killed_trainings_of_preferences_end_with_the_same_bytes_and_one_reference() {
    let more = [
        "--set",
        "output.save_steps=1",
        "--set",
        "output.logging_steps=3",
    ];
    for words in [
        dpo(&[&SOME_HELD_OUT[..], &more].concat()),
        [&KTO[..], &SOME_HELD_OUT, &more].concat(),
    ] {
        let whole = project();
        fit(&whole, &words).result();
        let killed = project();
        let mut kills = 0;
        for step in [0, 1, 3, 6] {
            let words = [&["fit", "tiny.yaml", "--device", "cpu"], &words[..]].concat();
            let mut command = killed.command(env!("CARGO_BIN_EXE_trainer"), &words);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().expect("the trainer starts");
            let wanted = match step {
                0 => "checkpoints/tiny/reference.json".to_owned(),
                step => format!("checkpoints/tiny/step-{step}"),
            };
            wait_until(&mut child, || killed.path(&wanted).exists());
            kills += usize::from(child.try_wait().expect("a child").is_none());
            child.kill().expect("killed");
            child.wait().expect("a child");
        }
        assert!(kills >= 2, "only {kills} kills hit a running training");
        // The reference of the checkpoint is read; without it and with another base it would be refused.
        fit(&killed, &words).result();
        assert!(outcome(&killed) == outcome(&whole), "the bytes differ");
        let steps = fs::read_dir(killed.path("checkpoints/tiny")).expect("a folder");
        let in_checkpoint = steps
            .filter_map(|entry| Some(entry.ok()?.path().join("reference.json")))
            .find(|path| path.exists())
            .expect("a checkpoint with its reference");
        assert_eq!(fs::read(in_checkpoint).expect("read"), outcome(&whole).2);
        killed.assert_no_parts();
    }
}

#[test]
fn a_plan_counts_both_answers_of_a_pair() {
    let project = project();
    let plan = |words: &[&str]| -> Value {
        let words = [&["plan", "tiny.yaml", "--device", "cpu", "--json"], words].concat();
        serde_json::from_str(&run(&project, &words).result()).expect("JSON")
    };
    let two = plan(&dpo(&["--set", "train.micro_batch_size=2"]));
    let four = plan(&dpo(&["--set", "train.micro_batch_size=4"]));
    let bytes = |plan: &Value, key: &str| plan[key].as_u64().expect("bytes");
    let activations = |plan: &Value| bytes(plan, "activations_bytes");
    assert_eq!(2 * activations(&two), activations(&four));
    let chosen: String = pairs(14);
    let rows = chosen.lines().map(|line| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        json!({"prompt": row["prompt"], "completion": row["chosen"]})
    });
    project.write("sft.jsonl", lines(rows));
    let sft = plan(&[
        "--set",
        "data.datasets=[{path: sft.jsonl, format: prompt_completion}]",
        "--set",
        "train.micro_batch_size=4",
    ]);
    let per_token = |plan: &Value| activations(plan) / bytes(plan, "longest_example");
    assert_eq!(
        per_token(&two),
        per_token(&sft),
        "two pairs are four sequences"
    );
    let measured = &plan(&dpo(&["--measure", "2"]))["measured"];
    assert!(number(&measured["loss"]) > 0.0);
    let steps = number(&measured["seconds_per_step"]) * number(&two["steps"]);
    let reference = number(&measured["reference_seconds"]);
    assert!(reference > 0.0 && number(&measured["whole_run_seconds"]) > reference);
    assert!(steps > 0.0);
}

#[test]
fn a_recipe_without_the_end_of_answers_is_refused_for_preferences() {
    let project = project();
    let words = dpo(&["--set", "data.train_on_eos=none"]);
    says(
        &fit(&project, &words).error(2),
        &["data.train_on_eos", "turn or last", "`pairs`"],
    );
}

#[test]
fn a_shape_is_planned_for_every_objective() {
    let project = project();
    for objective in ["sft", "dpo", "orpo", "simpo", "kto"] {
        let objective = format!("train.objective={objective}");
        let words = [
            "plan",
            "--shape",
            "smollm2-135m",
            "--device",
            "cpu",
            "--json",
        ];
        let words = [&words[..], &["--seq-length", "32", "--set", &objective]].concat();
        let plan: Value = serde_json::from_str(&run(&project, &words).result()).expect("JSON");
        assert_eq!(plan["longest_example"], 32, "{objective}");
    }
}

#[test]
fn a_file_of_another_kind_than_the_objective_learns_from_is_not_measured() {
    let project = project();
    let words = [
        "validate",
        "tiny.yaml",
        "--data",
        "pairs.jsonl",
        "--format",
        "pairs",
    ];
    says(
        &run(&project, &words).error(2),
        &["the data are pairs", "hint: --set train.objective=dpo"],
    );
    let words = [&words[..], &dpo(&[])].concat();
    let shown = run(&project, &words).result();
    let ties = "right on 0 of 14 preferences of 14 tasks, 14 ties counted as half: 50.0 %";
    says(&shown, &["loss 0.6931, ", ties]);
}
