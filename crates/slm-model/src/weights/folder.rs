//! Hugging Face folders: configuration, consistency checks, and bounded JSON files.

use std::path::Path;

use serde_json::Value;

use super::{EMBEDDING, HEAD, WeightsError};
use crate::config::{ConfigError, Fp8, ModelConfig, SETTINGS_FILES, fp8_or_refused, token_ids};
use crate::safetensors::{SafetensorsError, SafetensorsFolder};
use crate::weight_file::read_bounded;

/// Upper bound of a plausible configuration or template; they reach 1.5 MB, with every added token described. A value
/// may take sixteen times its text in memory.
pub(super) const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// Reads `config.json`, with the end tokens of `generation_config.json`, which transformers' `generate` uses.
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

/// Returns the settings of FP8 weights, if there are any; refuses a folder whose configuration shows that its weights
/// were quantised in another way.
pub(super) fn fp8_folder(folder: &Path) -> Result<Option<Fp8>, WeightsError> {
    let path = folder.join("config.json");
    let config = read_json(&path)?.unwrap_or(Value::Null);
    let found = fp8_or_refused(&config);
    let fp8 = found.map_err(|source| WeightsError::Config { path, source })?;
    let mut files = SETTINGS_FILES.into_iter();
    match files.find(|(name, _)| folder.join(name).is_file()) {
        None => Ok(fp8),
        Some((name, method)) => Err(WeightsError::Config {
            path: folder.to_owned(),
            source: ConfigError::Quantised {
                method: method.to_owned(),
                found: format!("`{name}`"),
            },
        }),
    }
}

/// Whether a folder whose configuration ties the head to the embedding still contains a different head.
///
/// transformers 5 ties the two only if they are equal, and warns otherwise; transformers 4 always used the embedding.
pub(super) fn has_head_of_its_own(folder: &SafetensorsFolder) -> Result<bool, SafetensorsError> {
    if [HEAD, EMBEDDING]
        .iter()
        .any(|name| folder.shape(name).is_none())
    {
        return Ok(false);
    }
    Ok(!folder.hold_the_same(HEAD, EMBEDDING)?)
}

/// Reads a JSON file; `None` if it does not exist.
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

/// Reads a file of at most `most` bytes.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, WeightsError> {
    read_bounded(path, most).map_err(|source| WeightsError::Io {
        path: path.to_owned(),
        source,
    })
}
