//! Data in a page: JSON, compressed and encoded as text.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use slm_artifacts::sha256;
use thiserror::Error;

/// Why a page could not be made.
#[derive(Debug, Error)]
pub enum HtmlError {
    /// Its data cannot be written as JSON or compressed.
    #[error("the data of the page cannot be encoded: {0}")]
    Data(String),
}

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
    let hex = sha256(script);
    let digits = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    let bytes: Vec<u8> = digits
        .filter_map(|of| u8::from_str_radix(of, 16).ok())
        .collect();
    format!("'sha256-{}'", STANDARD.encode(bytes))
}
