//! What can be wrong with the files of a model.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::chat::ChatError;
use crate::config::ConfigError;
use crate::gguf::GgufError;
use crate::safetensors::SafetensorsError;
use crate::tokenizer::TokenizerError;

/// What is wrong with a model, or with what was asked of it.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// Nothing is there.
    #[error("{}: no such file or folder\nhint: a model is a .gguf file, or a folder with config.json, model.safetensors and tokenizer.json", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// A file of weights was given where its folder was meant.
    #[error("{}: a safetensors file alone is no model\nhint: pass the folder that also holds config.json and tokenizer.json", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// The GGUF file is broken.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The safetensors files are broken.
    #[error(transparent)]
    Safetensors(#[from] SafetensorsError),
    /// The configuration describes no model that can be run.
    #[error("{}: {source}", path.display())]
    Config {
        /// The file that holds the configuration.
        path: PathBuf,
        /// What is wrong.
        source: ConfigError,
    },
    /// The tokenizer cannot be built.
    #[error("{}: {source}", path.display())]
    Tokenizer {
        /// The file that holds the tokenizer.
        path: PathBuf,
        /// What is wrong.
        source: TokenizerError,
    },
    /// The chat template cannot be compiled.
    #[error("{}: {source}", path.display())]
    Chat {
        /// The file that holds the template.
        path: PathBuf,
        /// What is wrong.
        source: ChatError,
    },
    /// A file of JSON that is none.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The configuration says that there is no such tensor.
    #[error("{}: a model of this configuration has no tensor `{tensor}`", path.display())]
    UnknownTensor {
        /// The model.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor of another shape than the configuration says.
    #[error("{}: tensor `{tensor}`: found {found:?}, expected {expected:?}\nhint: weights and configuration are of different models", path.display())]
    Shape {
        /// The model.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that follows from the configuration.
        expected: Vec<usize>,
    },
    /// A tensor with infinities or NaN in it.
    #[error("{}: tensor `{tensor}` holds values that are no finite numbers\nhint: the file is damaged; download it again", path.display())]
    NotFinite {
        /// The model.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// Weights that were drawn come without a tokenizer.
    #[error("{}: a synthetic model has no tokenizer", path.display())]
    NoTokenizer {
        /// The model.
        path: PathBuf,
    },
}
