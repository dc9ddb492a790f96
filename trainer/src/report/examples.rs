//! `examples.json`: the first training examples as the model reads them, for the page of the training.

use std::path::Path;

use anyhow::Result;
use slm_model::Tokenizer;

use crate::batch::Example;
use crate::dataset::{Examples, Units};
use crate::folder::replace_file;

/// Name of the file inside the run's folder.
const EXAMPLES_FILE: &str = "examples.json";

/// Number of units that are kept.
const KEPT: usize = 3;

/// A title, and the parts of the text with whether each is supervised.
pub(crate) type Spelled = (String, Vec<(String, bool)>);

/// Writes the first examples.
///
/// # Errors
/// The examples cannot be read, or the disk is full.
pub(crate) fn write(run: &Path, examples: &Examples, tokenizer: &Tokenizer) -> Result<()> {
    let mut spelled: Vec<Spelled> = Vec::new();
    for (number, &unit) in examples.train.iter().take(KEPT).enumerate() {
        for index in examples.units.examples(unit) {
            let side = match &examples.units {
                Units::Rows => String::new(),
                Units::Pairs if index % 2 == 0 => ", chosen".to_owned(),
                Units::Pairs => ", rejected".to_owned(),
                Units::Labelled(labels) => {
                    format!(", {}", if labels[index] { "good" } else { "bad" })
                }
            };
            let example = examples.store.get(index)?;
            let title = format!(
                "Example {}{side}: {} tokens",
                number + 1,
                example.tokens.len()
            );
            spelled.push((title, parts(&example, tokenizer)));
        }
    }
    replace_file(run, EXAMPLES_FILE, &serde_json::to_string_pretty(&spelled)?)
}

/// Returns the examples of a training; none if an earlier version wrote none.
pub(crate) fn read(run: &Path) -> Vec<Spelled> {
    let text = std::fs::read(run.join(EXAMPLES_FILE)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Spells the text, cut where supervision begins or ends.
fn parts(example: &Example, tokenizer: &Tokenizer) -> Vec<(String, bool)> {
    let mut parts: Vec<(Vec<u32>, bool)> = Vec::new();
    for (&token, &is_supervised) in example.tokens.iter().zip(&example.supervised) {
        match parts.last_mut() {
            Some((tokens, same)) if *same == is_supervised => tokens.push(token),
            _ => parts.push((vec![token], is_supervised)),
        }
    }
    let spell = |tokens: &[u32]| {
        let text = tokenizer.decode_continuation(tokens);
        // A part may begin or end inside a character.
        text.unwrap_or_else(|_| char::REPLACEMENT_CHARACTER.to_string())
    };
    parts
        .into_iter()
        .map(|(tokens, is_supervised)| (spell(&tokens), is_supervised))
        .collect()
}
