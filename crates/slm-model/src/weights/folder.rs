//! A model as a folder in Hugging Face layout: its configuration, what contradicts it, and its bounded JSON files.

use std::path::Path;

use serde_json::Value;

use super::{EMBEDDING, HEAD, WeightsError};
use crate::config::{ConfigError, ModelConfig, SETTINGS_FILES, refuse_quantised, token_ids};
use crate::safetensors::{SafetensorsError, SafetensorsFolder};
use crate::weight_file::read_bounded;

/// No honest configuration or template is larger; they reach 1.5 MB, with every added token described. A value may take
/// sixteen times its text in memory.
pub(super) const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// `config.json`, with the end tokens of `generation_config.json`, which transformers' `generate` goes by.
pub(super) fn folder_config(folder: &Path) -> Result<ModelConfig, WeightsError> {
    let path = folder.join("config.json");
    let config_error = |path: &Path, source| WeightsError::Config {
        path: path.to_owned(),
        source,
    };
    let text = String::from_utf8_lossy(&read(&path, MAX_CONFIG_BYTES)?).into_owned();
    let mut config = ModelConfig::from_json(&text).map_err(|e| config_error(&path, e))?;
    let path = folder.join("generation_config.json");
    if let Some(generation) = read_json(&path)? {
        let ids = token_ids(generation.get("eos_token_id"), "eos_token_id");
        for id in ids.map_err(|e| config_error(&path, e))? {
            if !config.eos_token_ids.contains(&id) {
                config.eos_token_ids.push(id);
            }
        }
    }
    Ok(config)
}

/// Refuses a folder whose weights another program has quantised, by its configuration.
pub(super) fn refuse_quantised_folder(folder: &Path) -> Result<(), WeightsError> {
    let path = folder.join("config.json");
    let config = read_json(&path)?.unwrap_or(Value::Null);
    let found = refuse_quantised(&config);
    found.map_err(|source| WeightsError::Config { path, source })?;
    let mut files = SETTINGS_FILES.into_iter();
    match files.find(|(name, _)| folder.join(name).is_file()) {
        None => Ok(()),
        Some((name, method)) => Err(WeightsError::Config {
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

/// A file of JSON, or `None` if it is not there.
pub(super) fn read_json(path: &Path) -> Result<Option<Value>, WeightsError> {
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = read(path, MAX_CONFIG_BYTES)?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| WeightsError::Json {
            path: path.to_owned(),
            source,
        })
}

/// The bytes of a file of at most `most` bytes.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, WeightsError> {
    read_bounded(path, most).map_err(|source| WeightsError::Io {
        path: path.to_owned(),
        source,
    })
}
