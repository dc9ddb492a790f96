//! `trainer recipe`: explains the keys of a recipe.

use slm_cli::{Failure, UserMistake};
use slm_config::Reference;

use crate::arguments::RecipeKeyArguments;

/// Prints the keys that the arguments name, all keys, or the JSON schema.
pub(crate) fn run(arguments: &RecipeKeyArguments) -> Result<(), Failure> {
    let reference = Reference::new(slm_benchmarks::NAMES);
    if arguments.schema {
        slm_cli::document(reference.json_schema().trim_end());
        return Ok(());
    }
    let text = match &arguments.key {
        None => reference.overview(),
        Some(key) => reference
            .explain(key)
            .map_err(|error| Failure::Mistake(UserMistake(error.to_string()).into()))?,
    };
    slm_cli::result(text.trim_end());
    Ok(())
}
