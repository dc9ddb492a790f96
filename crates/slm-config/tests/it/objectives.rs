//! Which keys and formats a training objective allows.

use crate::error;

/// A recipe with data sets of these formats.
fn recipe(formats: &[&str]) -> String {
    let datasets: Vec<String> = formats
        .iter()
        .map(|format| format!("{{path: a.jsonl, format: {format}}}"))
        .collect();
    format!(
        "model: {{name_or_path: x.gguf}}\ndata: {{datasets: [{}]}}\n",
        datasets.join(", ")
    )
}

/// The mistakes of a recipe with these arguments, none of which may be missing.
fn refused(formats: &[&str], sets: &[&str], parts: &[&str]) {
    let text = error(&recipe(formats), sets);
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[test]
fn an_objective_needs_its_format() {
    for objective in ["dpo", "orpo", "simpo"] {
        refused(
            &["messages"],
            &[&format!("train.objective={objective}")],
            &[
                "data.datasets[0].format",
                &format!("pairs, since train.objective is {objective}"),
            ],
        );
    }
    refused(
        &["pairs"],
        &["train.objective=kto"],
        &["kto, since train.objective is kto"],
    );
    refused(
        &["pairs"],
        &[],
        &["another format, since train.objective is sft; dpo learns from pairs"],
    );
    refused(
        &["kto"],
        &[],
        &["another format, since train.objective is sft; kto learns from kto"],
    );
}

#[test]
fn an_unknown_objective_is_answered_with_the_one_that_was_meant() {
    refused(
        &["pairs"],
        &["train.objective=dop"],
        &["did you mean `dpo`?"],
    );
}

#[test]
fn what_an_objective_cannot_do_is_refused_together() {
    refused(
        &["kto"],
        &[
            "train.objective=kto",
            "train.sft_weight=0.2",
            "train.micro_batch_size=1",
            "train.neftune_noise_alpha=5",
            "lora.lora_dropout=0.1",
            "lora.modules_to_save=[lm_head]",
            "data.packing=true",
        ],
        &[
            "`train.sft_weight`",
            "only dpo has this second loss",
            "`train.micro_batch_size`",
            "2 or more",
            "`train.neftune_noise_alpha`",
            "`lora.lora_dropout`",
            "the base model has no dropout",
            "`lora.modules_to_save`",
            "`data.packing`",
            "packed answers are not kept apart yet",
        ],
    );
    refused(
        &["pairs"],
        &["train.objective=dpo", "train.beta=0"],
        &["`train.beta`", "above 0"],
    );
}

#[test]
fn dropout_is_allowed_without_a_reference() {
    let sets = [
        "train.objective=orpo",
        "lora.lora_dropout=0.1",
        "train.beta=0",
    ];
    crate::parse(&recipe(&["pairs"]), &sets).expect("a recipe");
}
