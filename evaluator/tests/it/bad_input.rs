//! Every mistake and broken input ends `evaluator compare` with one clear error and the right exit code, without a
//! report.

use std::fs;

use crate::support::{Finished, Project, copy_folder, finish, golden, says};
use crate::{compare, trained_project};

/// The exit code of an environment failure: network, disk, a broken file.
const ENVIRONMENT: i32 = 1;
/// The exit code of a mistake in the command line or the recipe.
const MISTAKE: i32 = 2;

const ADAPTER: &str = "checkpoints/tiny/adapter";

/// Asserts that a comparison fails with this code, prints these parts, and writes no report.
fn check(project: &Project, words: &[&str], code: i32, parts: &[&str]) {
    check_finished(project, compare(project, words), code, parts);
}

fn check_finished(project: &Project, finished: Finished, code: i32, parts: &[&str]) {
    let error = finished.error(code);
    says(&error, parts);
    let runs = fs::read_dir(project.path("reports")).into_iter().flatten();
    for run in runs {
        let run = run.expect("a run's folder").path();
        assert!(
            !run.join("report.md").exists() && !run.join("summary.json").exists(),
            "a report after: {error}"
        );
    }
    project.assert_no_parts();
}

#[test]
fn without_an_adapter_the_way_to_one_is_told() {
    let project = Project::new();
    check(
        &project,
        &[],
        MISTAKE,
        &[
            "no finished adapter under checkpoints/",
            "hint: `trainer fit",
        ],
    );
    check(
        &project,
        &["nowhere"],
        MISTAKE,
        &["nowhere: no such adapter folder", "hint: "],
    );
    check(
        &project,
        &["tiny.yaml"],
        MISTAKE,
        &["tiny.yaml: no such adapter folder", "hint: "],
    );
}

#[test]
fn an_adapter_without_a_recipe_is_a_mistake_and_one_that_is_no_adapter_too() {
    let project = trained_project();
    fs::remove_file(project.path("checkpoints/tiny/adapter/recipe.yaml")).expect("a recipe");
    check(
        &project,
        &[ADAPTER],
        MISTAKE,
        &[
            ADAPTER,
            "has no recipe.yaml",
            "hint: choose the recipe of the evaluation with --recipe",
        ],
    );
    check(&project, &[], MISTAKE, &["no finished adapter"]);
    check(
        &project,
        &["src", "--recipe", "tiny.yaml"],
        MISTAKE,
        &[
            "src: no such adapter: the folder holds no adapter_config.json",
            "hint: ",
        ],
    );
    // The folder of a training, its name and the beginning of it mean its adapter.
    for named in ["checkpoints/tiny", "tiny", "ti"] {
        check(
            &project,
            &[named],
            MISTAKE,
            &[ADAPTER, "has no recipe.yaml"],
        );
    }
    check(
        &project,
        &[ADAPTER, "--recipe", "missing.yaml"],
        MISTAKE,
        &["missing.yaml"],
    );
}

#[test]
fn a_quantised_base_model_and_an_adapter_in_a_pickle_file_are_named() {
    let project = trained_project();
    let (weights, pickle) = ("adapter_model.safetensors", "adapter_model.bin");
    let path = |name: &str| project.path(&format!("{ADAPTER}/{name}"));
    fs::rename(path(weights), path(pickle)).expect("renamed");
    let words = [ADAPTER];
    let parts = [
        "adapter_model.bin: a pickle file",
        "hint: save it as safetensors",
    ];
    check(&project, &words, MISTAKE, &parts);
    fs::rename(path(pickle), path(weights)).expect("renamed");
    let config = project.read("model/config.json");
    let quantised =
        r#""model_type": "qwen2", "quantization_config": {"quant_method": "fbgemm_fp8"}"#;
    project.write(
        "model/config.json",
        config.replace(r#""model_type": "qwen2""#, quantised),
    );
    let parts = [
        "quantised by fbgemm_fp8 (`quantization_config`)",
        "hint: use the repository",
    ];
    check(&project, &words, MISTAKE, &parts);
}

#[test]
fn recipe_keys_and_values_are_checked() {
    let project = trained_project();
    let key = ["--set", "evaluate.max_tokns=8"];
    check(
        &project,
        &key,
        MISTAKE,
        &["--set evaluate.max_tokns=8", "unknown key", "hint: "],
    );
    let value = ["--set", "evaluate.timeout_s=0"];
    check(
        &project,
        &value,
        MISTAKE,
        &["--set evaluate.timeout_s=0", "allowed: "],
    );
    project.write("checkpoints/tiny/adapter/recipe.yaml", "modle: {}\n");
    check(
        &project,
        &[],
        MISTAKE,
        &[
            "checkpoints/tiny/adapter/recipe.yaml:1:1",
            "`modle`",
            "hint: did you mean `model`",
        ],
    );
}

#[test]
fn an_adapter_of_another_base_model_is_a_mistake() {
    let project = trained_project();
    copy_folder(&golden("tiny-llama"), &project.path("llama"));
    let words = [
        "--set",
        "model.name_or_path=./llama",
        "--set",
        "model.hub_name=null",
    ];
    let parts = [
        "adapter does not fit base model `./llama`",
        "layers.2.",
        "expected",
        "hint: adapter_config.json names `tiny-qwen2`",
    ];
    check(&project, &words, MISTAKE, &parts);
}

#[test]
fn a_broken_adapter_names_the_file() {
    let check =
        |file: &str, change: &dyn Fn(&[u8]) -> Option<Vec<u8>>, code: i32, parts: &[&str]| {
            let project = trained_project();
            let path = format!("{ADAPTER}/{file}");
            match change(&project.bytes(&path)) {
                Some(bytes) => project.write(&path, bytes),
                None => fs::remove_file(project.path(&path)).expect("a file"),
            }
            check(
                &project,
                &[ADAPTER],
                code,
                &[&[path.as_str()], parts].concat(),
            );
        };
    let (config, weights) = ("adapter_config.json", "adapter_model.safetensors");
    check(
        config,
        &|_| Some(b"{\"r\": ".to_vec()),
        ENVIRONMENT,
        &["hint: "],
    );
    check(config, &|_| Some(b"[]".to_vec()), ENVIRONMENT, &["hint: "]);
    check(config, &|_| Some(vec![0xff; 8]), ENVIRONMENT, &[]);
    check(weights, &|_| None, ENVIRONMENT, &[]);
    check(
        weights,
        &|whole| Some(whole[..whole.len() / 2].to_vec()),
        ENVIRONMENT,
        &["hint: "],
    );
    check(weights, &|_| Some(Vec::new()), ENVIRONMENT, &["hint: "]);
    let with = |from: &'static str, to: &'static str| {
        move |whole: &[u8]| {
            Some(
                String::from_utf8_lossy(whole)
                    .replace(from, to)
                    .into_bytes(),
            )
        }
    };
    check(
        config,
        &with("\"bias\": \"none\"", "\"bias\": \"all\""),
        MISTAKE,
        &["`bias` = \"all\" is not supported", "hint: "],
    );
}

#[test]
fn a_base_model_that_is_gone_or_broken_names_the_file() {
    let project = trained_project();
    let weights = project.bytes("model/model.safetensors");
    project.write("model/model.safetensors", &weights[..1000]);
    check(
        &project,
        &[],
        ENVIRONMENT,
        &["model/model.safetensors", "truncated", "hint: "],
    );
    fs::remove_dir_all(project.path("model")).expect("a folder");
    check(&project, &[], MISTAKE, &["model"]);
}

#[test]
fn answers_that_cannot_fit_the_model_are_a_mistake() {
    let project = trained_project();
    let words = ["--set", "evaluate.max_new_tokens=4096"];
    check(
        &project,
        &words,
        MISTAKE,
        &["exceed the model's 4096 positions", "hint: "],
    );
}

#[test]
fn without_python_no_test_can_run() {
    let project = trained_project();
    let words = ["compare", "--device", "cpu"];
    let mut command = project.command(env!("CARGO_BIN_EXE_evaluator"), &words);
    let finished = finish(command.env("PYTHON", "/nonexistent/python3"));
    check_finished(
        &project,
        finished,
        ENVIRONMENT,
        &[
            "no Python to run programs with",
            "`/nonexistent/python3`",
            "hint: ",
        ],
    );
    let words = ["--set", "evaluate.python=/nonexistent/python3"];
    check(
        &project,
        &words,
        ENVIRONMENT,
        &["`/nonexistent/python3`", "hint: "],
    );
}

#[test]
fn a_reports_folder_that_cannot_be_made_is_an_error_of_the_environment() {
    let project = trained_project();
    check(
        &project,
        &["--reports", "tiny.yaml/reports"],
        ENVIRONMENT,
        &["tiny.yaml/reports"],
    );
}

#[test]
fn a_prompt_that_cannot_be_filled_is_a_mistake_before_the_model_is_loaded() {
    let project = trained_project();
    project.write("review.md", "Be strict.\n---\nLook at {{kode}}.\n");
    for (file, parts) in [
        (
            "review.md",
            [
                "review.md:3: unknown variable `{{kode}}`",
                "hint: known here: {{task}}, {{entry_point}}, {{code}}, {{report}}",
            ],
        ),
        (
            "no-such.md",
            ["cannot read evaluate.prompts.reviewer", "no-such.md"],
        ),
    ] {
        let set = format!("evaluate.prompts.reviewer={file}");
        check(&project, &["--set", &set], MISTAKE, &parts);
    }
}

#[test]
fn a_base_model_alone_needs_a_recipe_and_no_adapter() {
    let project = trained_project();
    for words in [
        &["--base-only"][..],
        &["--base-only", ADAPTER, "--recipe", "tiny.yaml"],
    ] {
        let words = [&["compare"], words].concat();
        let finished = finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words));
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        says(&finished.stderr, &["--base-only"]);
    }
}

#[test]
fn a_run_that_is_none_cannot_be_shown() {
    let project = trained_project();
    let words = ["show", "nowhere", "double_it"];
    let finished = finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words));
    says(&finished.error(2), &["nowhere: no such run", "hint: "]);
}
