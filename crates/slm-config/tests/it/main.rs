//! The recipe from the outside: reading, and the errors of mistakes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod declarations;
mod errors;
mod hostile;
mod knowledge;
mod newcomers;
mod objectives;
mod overrides;
mod recipes;
mod shipped;

use std::path::Path;

use slm_config::{Recipe, RecipeError};

/// The smallest recipe that runs.
const SMALLEST: &str = "\
model:
  name_or_path: base.gguf
data:
  datasets:
    - {path: src, format: python_source}
";

/// Names of benchmarks.
const BENCHMARKS: slm_config::Names = &["embedded", "humaneval", "mbpp-sanitized", "mbpp+"];

/// Reads `text` as the file `recipes/test.yaml`.
fn parse(text: &str, overrides: &[&str]) -> Result<Recipe, RecipeError> {
    let overrides: Vec<_> = overrides.iter().map(ToString::to_string).collect();
    Recipe::parse(text, Path::new("recipes/test.yaml"), &overrides, BENCHMARKS)
}

/// The whole text that a user reads about a faulty recipe.
fn error(text: &str, overrides: &[&str]) -> String {
    match parse(text, overrides) {
        Ok(recipe) => panic!("no error for\n{text}\nbut {recipe:?}"),
        Err(error) => error.to_string(),
    }
}
