//! The recipe that a user names.

use std::path::Path;

use slm_config::{FoundBeside, Names, Recipe, RecipeError};

use crate::output::note;

/// Reads a recipe that the user wrote, and notes on stderr which of its relative paths are beside the recipe.
///
/// # Errors
/// As [`Recipe::load`].
pub fn load_recipe(
    path: &Path,
    overrides: &[String],
    benchmarks: Names,
) -> Result<Recipe, RecipeError> {
    Recipe::load_with_paths(path, overrides, benchmarks).map(noted)
}

/// Like [`load_recipe`], for a command that reads no data sets.
///
/// # Errors
/// As [`Recipe::load`].
pub fn load_recipe_without_data(
    path: &Path,
    overrides: &[String],
    benchmarks: Names,
) -> Result<Recipe, RecipeError> {
    Recipe::load_with_paths_without_data(path, overrides, benchmarks).map(noted)
}

fn noted((recipe, found): (Recipe, Vec<FoundBeside>)) -> Recipe {
    for found in found {
        note(&format!("note: {found}"));
    }
    recipe
}

/// The place that a relative path was searched at, as a line with a hint; empty for an absolute path.
pub fn searched(path: &Path) -> String {
    match std::path::absolute(path) {
        Ok(absolute) if path.is_relative() => {
            let home = if path.starts_with("~") {
                "; only a shell expands `~`"
            } else {
                ""
            };
            format!(
                "\nhint: searched {}, and beside the recipe{home}",
                absolute.display()
            )
        }
        _ => String::new(),
    }
}
