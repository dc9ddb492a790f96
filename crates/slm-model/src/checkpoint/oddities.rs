//! Folders that are not what their configuration says at first sight: quantised weights, and heads that are not tied.

use std::path::Path;

use serde_json::Value;

use super::{CheckpointError, EMBEDDING, HEAD, read_json};
use crate::config::{ConfigError, SETTINGS_FILES, refuse_quantised};
use crate::safetensors::{SafetensorsError, SafetensorsFolder};

/// Refuses a folder whose weights another program has quantised, by its configuration.
pub(super) fn refuse_quantised_folder(folder: &Path) -> Result<(), CheckpointError> {
    let path = folder.join("config.json");
    let config = read_json(&path)?.unwrap_or(Value::Null);
    let found = refuse_quantised(&config);
    found.map_err(|source| CheckpointError::Config { path, source })?;
    let mut files = SETTINGS_FILES.into_iter();
    match files.find(|(name, _)| folder.join(name).is_file()) {
        None => Ok(()),
        Some((name, method)) => Err(CheckpointError::Config {
            path: folder.to_owned(),
            source: ConfigError::Quantised {
                method: method.to_owned(),
                found: format!("`{name}`"),
            },
        }),
    }
}

/// Whether a folder whose configuration ties the head to the embedding has another head all the same.
///
/// transformers 5 ties the two only where they are equal, and says so; transformers 4 always used the embedding.
pub(super) fn has_head_of_its_own(folder: &SafetensorsFolder) -> Result<bool, SafetensorsError> {
    if [HEAD, EMBEDDING]
        .iter()
        .any(|name| folder.shape(name).is_none())
    {
        return Ok(false);
    }
    Ok(!folder.hold_the_same(HEAD, EMBEDDING)?)
}
