//! What commands with a recipe and `--endpoint` have in common.

use std::path::Path;

use slm_config::Recipe;

/// Whether the recipe can be read, if one is named.
pub(crate) fn has_recipe(recipe: Option<&Path>, overrides: &[String]) -> bool {
    recipe.is_none_or(|path| {
        Recipe::load_without_data(path, overrides, slm_benchmarks::NAMES).is_ok()
    })
}

/// Returns all overrides of the recipe; that of `--endpoint` is last.
pub(crate) fn overrides(set: &[String], endpoint: Option<&str>) -> Vec<String> {
    let url = endpoint.map(|url| format!("evaluate.endpoint.url={url}"));
    set.iter().cloned().chain(url).collect()
}
