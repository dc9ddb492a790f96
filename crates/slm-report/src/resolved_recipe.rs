//! Single values of a run's resolved recipe, which versions of this program wrote with keys that others lack.

/// Returns the plain value at a path of keys, for example `["evaluate", "samples"]`; `None` if the recipe lacks it.
///
/// Reads what `Recipe::to_yaml` writes: block mappings, each level indented by two more spaces.
pub(crate) fn value<'a>(yaml: &'a str, path: &[&str]) -> Option<&'a str> {
    let (key, sections) = path.split_last()?;
    let mut lines = yaml.lines();
    for (depth, section) in sections.iter().enumerate() {
        entry(&mut lines, depth, section)?;
    }
    let value = entry(&mut lines, sections.len(), key)?;
    (!value.is_empty()).then_some(value)
}

/// Advances to the key of the mapping at this depth and returns what follows its colon; `None` if the mapping ends before.
fn entry<'a>(
    lines: &mut impl Iterator<Item = &'a str>,
    depth: usize,
    key: &str,
) -> Option<&'a str> {
    let margin = 2 * depth;
    for line in lines {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        if !content.is_empty() && indent < margin {
            return None;
        }
        let found = content
            .strip_prefix(key)
            .and_then(|of| of.strip_prefix(':'));
        if let Some(value) = found.filter(|_| indent == margin) {
            return Some(value.trim());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use slm_config::Recipe;

    use super::value;

    #[test]
    fn a_value_is_found_where_a_recipe_is_written() {
        let text = "model: {name_or_path: m.gguf}\n\
                    evaluate: {samples_temperature: 0.35, samples_select: weighted, beam: {score: verifier}}\n";
        let recipe = Recipe::parse_without_data(text, Path::new("r.yaml"), &[], &["embedded"]);
        let yaml = recipe.expect("a recipe").to_yaml();
        for (path, expected) in [
            (&["evaluate", "samples_temperature"][..], Some("0.35")),
            (&["evaluate", "samples_select"], Some("weighted")),
            (&["evaluate", "beam", "score"], Some("verifier")),
            (&["evaluate", "samples"], Some("5")),
            (&["samples"], None),
            (&["train", "samples_temperature"], None),
            (&["evaluate", "beam", "samples"], None),
        ] {
            assert_eq!(value(&yaml, path), expected, "{path:?} in\n{yaml}");
        }
    }
}
