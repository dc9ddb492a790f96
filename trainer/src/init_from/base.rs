//! Whether an adapter belongs to the recipe's base model, by hash and by name.

use anyhow::Result;
use slm_cli::{BaseFit, BaseModel, UserMistake};
use slm_config::Model;

use super::SourceAdapter;

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
    match BaseFit::of(is_same_file, theirs, ours) {
        BaseFit::Same => Ok(()),
        BaseFit::Doubtful(why) => {
            slm_cli::note(&format!(
                "warning: `lora.init_from` was trained on {theirs}, the recipe's model is {ours}: {why}. The loss before \
                 the first step shows whether they fit."
            ));
            Ok(())
        }
        BaseFit::Other => {
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
