//! Data in a page: JSON, compressed and encoded as text.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::document::HtmlError;

/// Compresses a value; equal values give equal texts.
pub(super) fn encode(value: &impl Serialize) -> Result<String, HtmlError> {
    let json = serde_json::to_vec(value).map_err(|error| HtmlError::Data(error.to_string()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let compressed = (encoder.write_all(&json)).and_then(|()| encoder.finish());
    let compressed = compressed.map_err(|error| HtmlError::Data(error.to_string()))?;
    Ok(STANDARD.encode(compressed))
}

/// Returns the source expression that allows exactly this script.
pub(super) fn source_of(script: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)))
}
