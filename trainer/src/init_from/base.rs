//! Whether an adapter belongs to the recipe's base model, by hash and by name.

use anyhow::Result;
use slm_cli::{BaseModel, UserMistake};
use slm_config::Model;

use super::SourceAdapter;

/// What hash and name show about the base model of an adapter.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is the recipe's, as far as is known.
    Same,
    /// Probably the recipe's; the text is a warning.
    Doubtful(&'static str),
    /// It is another one.
    Other,
}

/// Refuses an adapter of another base model, and warns where hash and name leave a doubt. Its tensors are compared later.
///
/// # Errors
/// The adapter was trained on another model, or the base model's files cannot be read.
pub(super) fn check(source: &SourceAdapter, model: &Model, base: &BaseModel) -> Result<()> {
    let recorded = source.training.as_ref();
    let recorded = recorded.map(|training| training.base_sha256.as_str());
    let is_same_file = match recorded.filter(|hash| !hash.is_empty()) {
        Some(hash) => Some(base.sha256()? == hash),
        None => None,
    };
    let (ours, theirs) = (
        model.base_model_name(),
        source.origin.base_model_name_or_path.as_str(),
    );
    match verdict(is_same_file, theirs, ours) {
        Verdict::Same => Ok(()),
        Verdict::Doubtful(why) => {
            slm_cli::note(&format!(
                "warning: `lora.init_from` was trained on {theirs}, the recipe's model is {ours}: {why}. The loss before \
                 the first step shows whether they fit."
            ));
            Ok(())
        }
        Verdict::Other => {
            let text = format!(
                "`lora.init_from`: {} was trained on {theirs}, but the recipe's model is {ours}\n\
                 hint: set `model.name_or_path` to the adapter's base model; if both are the same weights, name the hub model with \
                 `model.hub_name`",
                source.folder().display()
            );
            Err(UserMistake(text).into())
        }
    }
}

fn verdict(is_same_file: Option<bool>, theirs: &str, ours: &str) -> Verdict {
    let is_same_name = last_part(theirs) == last_part(ours);
    match is_same_file {
        Some(true) => Verdict::Same,
        Some(false) if is_same_name => {
            Verdict::Doubtful("the files differ, as those of another format or quantisation do")
        }
        Some(false) => Verdict::Other,
        None if is_same_name || theirs == "unknown" => Verdict::Same,
        None if is_hub_name(theirs) && is_hub_name(ours) => Verdict::Other,
        None => Verdict::Doubtful("a path does not show which model it is"),
    }
}

/// The last part of a model's name or path without its revision, in lower case.
fn last_part(name: &str) -> String {
    let name = name.trim_end_matches('/');
    let name = name.rsplit(['/', '\\', ':']).next().unwrap_or(name);
    name.split(['@', '#']).next().unwrap_or(name).to_lowercase()
}

/// Whether a name has the form `OWNER/NAME` of the hub and not that of a path.
fn is_hub_name(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    let is_plain = |part: &&str| !part.is_empty() && !part.starts_with('.') && !part.contains(':');
    parts.len() == 2 && parts.iter().all(is_plain) && !name.to_lowercase().ends_with(".gguf")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_decides_before_the_name() {
        for (is_same_file, theirs, ours, expected) in [
            (Some(true), "a/b", "/models/x.gguf", "same"),
            (Some(false), "a/b", "c/B@main", "doubtful"),
            (Some(false), "a/b", "/models/x.gguf", "other"),
            (None, "a/b", "./models/b/", "same"),
            (None, "unknown", "a/b", "same"),
            (None, "a/b", "a/c", "other"),
            (None, "/home/me/b", "a/c", "doubtful"),
            (None, "a/b", "pip:package==1#b/c.gguf", "doubtful"),
        ] {
            let found = match verdict(is_same_file, theirs, ours) {
                Verdict::Same => "same",
                Verdict::Doubtful(_) => "doubtful",
                Verdict::Other => "other",
            };
            assert_eq!(found, expected, "{is_same_file:?}, {theirs}, {ours}");
        }
    }
}
