//! Errors of model files.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::chat::ChatError;
use crate::config::ConfigError;
use crate::gguf::GgufError;
use crate::safetensors::SafetensorsError;
use crate::tokenizer::TokenizerError;

/// An invalid model, or an impossible request to one.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The path does not exist.
    #[error("{}: no such file or folder\nhint: a model is a .gguf file, or a folder with config.json, model.safetensors and tokenizer.json", path.display())]
    NotFound {
        /// The given path.
        path: PathBuf,
    },
    /// A weight file was given instead of its folder.
    #[error("{}: a safetensors file alone is not a model\nhint: pass the folder that also contains config.json and tokenizer.json", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// A system call failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The GGUF file is invalid.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The safetensors files are invalid.
    #[error(transparent)]
    Safetensors(#[from] SafetensorsError),
    /// The configuration is invalid or not supported.
    #[error("{}: {source}", path.display())]
    Config {
        /// The file with the configuration.
        path: PathBuf,
        /// The cause.
        source: ConfigError,
    },
    /// The tokenizer cannot be built.
    #[error("{}: {source}", path.display())]
    Tokenizer {
        /// The file with the tokenizer.
        path: PathBuf,
        /// The cause.
        source: TokenizerError,
    },
    /// The chat template cannot be compiled.
    #[error("{}: {source}", path.display())]
    Chat {
        /// The file with the template.
        path: PathBuf,
        /// The cause.
        source: ChatError,
    },
    /// A file is not valid JSON.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Position and cause.
        source: serde_json::Error,
    },
    /// The configuration has no such tensor.
    #[error("{}: a model of this configuration has no tensor `{tensor}`", path.display())]
    UnknownTensor {
        /// The model.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor whose shape contradicts the configuration.
    #[error("{}: tensor `{tensor}`: found {found:?}, expected {expected:?}\nhint: weights and configuration are of different models", path.display())]
    Shape {
        /// The model.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape derived from the configuration.
        expected: Vec<usize>,
    },
    /// A tensor contains infinities or NaN.
    #[error("{}: tensor `{tensor}` contains non-finite values\nhint: the file is damaged; download it again", path.display())]
    NotFinite {
        /// The model.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// Synthetic models have no tokenizer.
    #[error("{}: a synthetic model has no tokenizer", path.display())]
    NoTokenizer {
        /// The model.
        path: PathBuf,
    },
}
