//! The text of the recipe.

use std::fmt::Write as _;
use std::path::Path;

use slm_config::{Overlength, Quantization};

use super::choice::Choice;
use super::dataset_yaml::datasets;
use super::survey::Survey;

/// A short recipe with a comment on every key.
pub(super) fn text(survey: &Survey, choice: &Choice, output: &Path) -> String {
    let file = one_line(&slm_cli::shell_word(&output.display().to_string()));
    let mut text = format!(
        "# trainer fit {file} && evaluator compare\n\
         #\n\
         # Written by `trainer init`: {}.\n\
         # `trainer recipe KEY` explains a key; `trainer recipe` lists those that are not set here.\n",
        one_line(&survey.found())
    );
    let _ = write!(text, "\nmodel:\n{}", choice.model_section);
    if choice.quantization != Quantization::None {
        let name = choice.quantization.name();
        let _ = write!(
            text,
            "  # Frozen weights in few bits, so that the training fits into memory.\n  quantization: {name}\n"
        );
    }
    let _ = write!(
        text,
        "\nlora:\n  # Rank of the update.\n  r: {}\n  # The update is scaled by lora_alpha / r.\n  lora_alpha: {}\n",
        choice.rank,
        2 * choice.rank
    );
    data(&mut text, survey, choice);
    let _ = write!(
        text,
        "\ntrain:\n\
         \x20 # Passes over the examples.\n  num_train_epochs: {}\n\
         \x20 # Sequences in memory at once. If memory runs out, halve it and double the next.\n  micro_batch_size: {}\n\
         \x20 # Micro-batches per optimizer step.\n  gradient_accumulation_steps: {}\n\
         \x20 # The usual one for LoRA.\n  learning_rate: 2e-4\n",
        choice.epochs, choice.micro_batch_size, choice.gradient_accumulation_steps
    );
    text.push_str(
        "\noutput:\n\
         \x20 # Optimizer steps between two checkpoints; the same command resumes from the last one.\n  save_steps: 25\n\
         \nevaluate:\n\
         \x20 # The tasks that come with this program; `trainer recipe evaluate.benchmarks` lists others.\n\
         \x20 # To evaluate on your own functions: `evaluator tasks FOLDER -o own.jsonl --split 0.7`, and here\n\
         \x20 # [{name: repository, path: own.jsonl}].\n  benchmarks: [embedded]\n\
         \x20 # Longest completion in tokens.\n  max_new_tokens: 512\n",
    );
    text
}

fn data(text: &mut String, survey: &Survey, choice: &Choice) {
    text.push_str("\ndata:\n");
    text.push_str(&datasets(survey, choice.max_examples));
    let _ = write!(
        text,
        "  # Longest example in tokens; `overlength` is what becomes of longer ones.\n  max_seq_length: {}\n  \
         # Short examples share a sequence: less padding, the same result.\n  packing: true\n",
        choice.max_seq_length
    );
    text.push_str(match choice.overlength {
        Overlength::Split => "  # Longer texts are split into pieces.\n  overlength: split\n",
        Overlength::Truncate => {
            "  # Most examples are longer than that: their ends are cut off.\n  overlength: truncate\n"
        }
        Overlength::Drop | Overlength::Error => {
            "  # Longer examples are left out and counted.\n  overlength: drop\n"
        }
    });
    if choice.val_size > 0.0 {
        let _ = write!(
            text,
            "  # Share of the examples held out to measure the validation loss.\n  val_size: {}\n",
            choice.val_size
        );
    }
}

/// Text that cannot end its comment.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}
