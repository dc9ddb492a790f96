//! Training needs no network: it works in a namespace that has none.

use crate::support::{Project, finish, says, without_network};

#[test]
fn the_namespace_has_no_way_out() {
    let project = Project::new();
    let Some(mut command) = without_network(&project, "cat", &["/proc/net/dev"]) else {
        return;
    };
    let devices = finish(&mut command).result();
    let names: Vec<_> = devices
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim())
        .collect();
    assert_eq!(names, ["lo"], "{devices}");
}

#[test]
fn a_local_model_is_fitted_on_local_code_without_a_network() {
    let project = Project::new();
    let words = ["fit", "tiny.yaml", "--device", "cpu"];
    let Some(mut command) = without_network(&project, env!("CARGO_BIN_EXE_trainer"), &words) else {
        return;
    };
    finish(&mut command).result();
    assert!(
        project
            .path("checkpoints/tiny/adapter/adapter_model.safetensors")
            .is_file()
    );
}

#[test]
fn a_model_on_the_hub_is_an_error_without_a_network() {
    let project = Project::new();
    let words = [
        "fit",
        "tiny.yaml",
        "--device",
        "cpu",
        "--set",
        "model.name_or_path=hf:nobody/nothing",
    ];
    let Some(mut command) = without_network(&project, env!("CARGO_BIN_EXE_trainer"), &words) else {
        return;
    };
    command.env("HF_HUB_DOWNLOAD_TIMEOUT", "1");
    let error = finish(&mut command).error(1);
    says(&error, &["cannot reach huggingface.co", "hint: "]);
}
