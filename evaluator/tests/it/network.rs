//! Evaluation needs no network: it works in a namespace that has none, sandbox included.

use crate::support::{finish, says, without_network};
use crate::trained_project;

#[test]
fn an_adapter_is_compared_with_its_base_model_without_a_network() {
    let project = trained_project();
    let words = [
        "compare",
        "--device",
        "cpu",
        "--set",
        "evaluate.max_tasks=2",
        "--set",
        "evaluate.max_new_tokens=8",
    ];
    let Some(mut command) = without_network(&project, env!("CARGO_BIN_EXE_evaluator"), &words)
    else {
        return;
    };
    let shown = finish(&mut command).result();
    says(&shown, &["report: reports/"]);
}
