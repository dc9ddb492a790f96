//! One view over the two forms in which models come: a `.gguf` file, or a folder as on the Hugging Face hub.
//!
//! [`Checkpoint`] speaks Hugging Face's tensor names and layouts whatever the form, and checks every tensor
//! against the configuration before it hands it out.

mod oddities;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::chat::{ChatError, ChatTemplate};
use crate::config::{ConfigError, ModelConfig, refuse_quantised_tensors, token_ids};
use crate::engine::Matrix;
use crate::gguf::layout::{self, LayoutError};
use crate::gguf::{GgufError, GgufFile, PackedTensor};
use crate::safetensors::{SafetensorsError, SafetensorsFolder};
use crate::shape::NamedShape;
use crate::synthetic::{Synthetic, SyntheticType};
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::weight_file::{HostTensor, hex, read_bounded, sha256_of_file};

use oddities::{has_head_of_its_own, refuse_quantised_folder};

/// No honest tokenizer is larger; they reach 35 MB.
const MAX_TOKENIZER_BYTES: u64 = 256 << 20;
/// No honest configuration or template is larger; they reach 1.5 MB, with every added token described. A value may take
/// sixteen times its text in memory.
const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// The output projection.
const HEAD: &str = "lm_head.weight";
/// The embedding.
const EMBEDDING: &str = "model.embed_tokens.weight";

/// What is wrong with a checkpoint, or with what was asked of it.
#[derive(Debug, Error)]
pub enum CheckpointError {
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
        /// The checkpoint.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor of another shape than the configuration says.
    #[error("{}: tensor `{tensor}`: found {found:?}, expected {expected:?}\nhint: weights and configuration are of different models", path.display())]
    Shape {
        /// The checkpoint.
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
        /// The checkpoint.
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

/// A model on disk: its headers and metadata are read, its tensors are read on demand.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    config: ModelConfig,
    source: Source,
    warnings: Vec<String>,
}

#[derive(Debug)]
enum Source {
    Gguf(GgufFile),
    Folder(SafetensorsFolder),
    Synthetic(Synthetic),
}

impl Checkpoint {
    /// Opens a `.gguf` file or a Hugging Face folder, and checks that every tensor of the configuration is there, in its
    /// shape and in a type that can be read. Reads headers and metadata only.
    ///
    /// # Errors
    /// Nothing is there, files are missing or broken, weights that another program has quantised, or a model that
    /// cannot be run.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let metadata = std::fs::metadata(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => CheckpointError::NotFound {
                path: path.to_owned(),
            },
            _ => CheckpointError::Io {
                path: path.to_owned(),
                source,
            },
        })?;
        let mut warnings = Vec::new();
        let (config, source) = if metadata.is_dir() {
            let mut config = folder_config(path)?;
            refuse_quantised_folder(path)?;
            let folder = SafetensorsFolder::open(path)?;
            refuse_quantised_tensors(folder.names()).map_err(|source| CheckpointError::Config {
                path: path.to_owned(),
                source,
            })?;
            if config.tie_word_embeddings && has_head_of_its_own(&folder)? {
                config.tie_word_embeddings = false;
                warnings.push(format!(
                    "{}: `tie_word_embeddings` is true, but `{HEAD}` is there and differs from the embedding; it is \
                     used as a head of its own, as in transformers 5",
                    path.join("config.json").display()
                ));
            }
            (config, Source::Folder(folder))
        } else if path.extension().is_some_and(|ext| ext == "safetensors") {
            return Err(CheckpointError::NotAFolder {
                path: path.to_owned(),
            });
        } else {
            let file = GgufFile::open(path)?;
            let config = layout::config_of(&file).map_err(|error| match error {
                LayoutError::Gguf(error) => CheckpointError::Gguf(error),
                LayoutError::Config(source) => CheckpointError::Config {
                    path: path.to_owned(),
                    source,
                },
            })?;
            (config, Source::Gguf(file))
        };
        let checkpoint = Self {
            path: path.to_owned(),
            config,
            source,
            warnings,
        };
        for (name, shape) in checkpoint.config.tensors() {
            checkpoint.check_header(&name, &shape)?;
        }
        Ok(checkpoint)
    }

    /// Opens a model whose weights are elsewhere, for its configuration, tokenizer and chat template: a folder need not
    /// hold any.
    ///
    /// # Errors
    /// As [`Self::open`], but for missing weights.
    pub fn open_without_weights(path: &Path) -> Result<Self, CheckpointError> {
        if !path.is_dir() {
            return Self::open(path);
        }
        Ok(Self {
            path: path.to_owned(),
            config: folder_config(path)?,
            source: Source::Folder(SafetensorsFolder::without_weights(path)),
            warnings: Vec::new(),
        })
    }

    /// A model of a named shape that lies nowhere: its weights are drawn, and kept as `kind` says.
    ///
    /// It computes as any other model does; what it says means nothing.
    pub fn synthetic(shape: NamedShape, kind: SyntheticType, seed: u64) -> Self {
        Self::synthetic_of_depth(shape, shape.config().num_hidden_layers, kind, seed)
    }

    /// As [`Self::synthetic`], of so many layers: all of them take the same time.
    pub fn synthetic_of_depth(
        shape: NamedShape,
        num_hidden_layers: usize,
        kind: SyntheticType,
        seed: u64,
    ) -> Self {
        Self {
            path: format!("synthetic {shape} {kind}").into(),
            config: ModelConfig {
                num_hidden_layers,
                ..shape.config()
            },
            source: Source::Synthetic(Synthetic { kind, seed }),
            warnings: Vec::new(),
        }
    }

    /// The file or folder that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// What is odd about the files, for the user.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The tensors that are there, by Hugging Face's names; foreign ones are left out.
    pub fn tensor_names(&self) -> Vec<String> {
        match &self.source {
            Source::Gguf(file) => file
                .tensors()
                .filter_map(|(name, _)| layout::hub_name(name))
                .collect(),
            Source::Folder(folder) => folder.names().map(str::to_owned).collect(),
            Source::Synthetic(_) => {
                let tensors = self.config.tensors().into_iter();
                tensors.map(|(name, _)| name).collect()
            }
        }
    }

    /// Whether the tensor that Hugging Face calls `name` is there.
    pub fn has_tensor(&self, name: &str) -> bool {
        match &self.source {
            Source::Gguf(file) => {
                layout::gguf_name(name).is_some_and(|name| file.tensor_info(&name).is_some())
            }
            Source::Folder(folder) => folder.shape(name).is_some(),
            Source::Synthetic(_) => self.config.tensor_shape(name).is_some(),
        }
    }

    /// Reads a tensor by Hugging Face's name, in Hugging Face's layout, in single precision.
    ///
    /// # Shapes
    /// - as [`ModelConfig::tensor_shape`] says: `[out, in]` for linear layers, `[vocab_size, hidden_size]` for
    ///   the embedding and the head
    /// # Errors
    /// A tensor that is missing, of another shape than the configuration says, or not finite.
    pub fn tensor(&self, name: &str) -> Result<HostTensor, CheckpointError> {
        let expected =
            self.config
                .tensor_shape(name)
                .ok_or_else(|| CheckpointError::UnknownTensor {
                    path: self.path.clone(),
                    tensor: name.to_owned(),
                })?;
        self.check_header(name, &expected)?;
        let tensor = match &self.source {
            Source::Folder(folder) => folder.tensor(name)?,
            Source::Synthetic(synthetic) => return Ok(synthetic.tensor(name, expected)),
            Source::Gguf(file) => {
                let mut tensor = file.tensor(&name_in_gguf(name))?;
                if layout::is_permuted(self.config.architecture, name) {
                    layout::unpermute_heads(&mut tensor, self.config.head_dim);
                }
                tensor
            }
        };
        if tensor.values.par_iter().any(|value| !value.is_finite()) {
            return Err(CheckpointError::NotFinite {
                path: self.path.clone(),
                tensor: name.to_owned(),
            });
        }
        Ok(tensor)
    }

    /// Checks by its header that a tensor is there, in the shape that the configuration says and in a type that can be
    /// read.
    fn check_header(&self, name: &str, expected: &[usize]) -> Result<(), CheckpointError> {
        let found = match &self.source {
            Source::Folder(folder) => folder.readable_shape(name)?,
            Source::Gguf(file) => file.shape(&name_in_gguf(name))?,
            Source::Synthetic(_) => return Ok(()),
        };
        if found == expected {
            return Ok(());
        }
        Err(CheckpointError::Shape {
            path: self.path.clone(),
            tensor: name.to_owned(),
            found: found.to_vec(),
            expected: expected.to_vec(),
        })
    }

    /// Reads a matrix as [`Self::tensor`] does, laid out for the engine and kept as narrow as it is on disk.
    ///
    /// # Errors
    /// As [`Self::tensor`].
    pub(crate) fn matrix(&self, name: &str) -> Result<Matrix, CheckpointError> {
        if let Some(packed) = self.packed(name)? {
            return Ok(Matrix::from_packed(&packed));
        }
        // What is wrong with a tensor is told here.
        let tensor = self.tensor(name)?;
        Ok(Matrix::from_values(&tensor.values, tensor.shape[1]))
    }

    /// The blocks of a matrix in Hugging Face's order of rows, where it is sound and lies in blocks on disk.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn packed(&self, name: &str) -> Result<Option<PackedTensor>, CheckpointError> {
        let file = match &self.source {
            Source::Gguf(file) => file,
            Source::Folder(_) => return Ok(None),
            Source::Synthetic(synthetic) => {
                let shape = self.config.tensor_shape(name);
                return Ok(shape.and_then(|shape| synthetic.packed(name, &shape)));
            }
        };
        let Some(gguf_name) = layout::gguf_name(name) else {
            return Ok(None);
        };
        let Some(packed) = file.packed(&gguf_name)? else {
            return Ok(None);
        };
        let shape = Some(vec![packed.rows(), packed.columns()]);
        if self.config.tensor_shape(name) != shape || !packed.is_finite() {
            return Ok(None);
        }
        let head_dim = self.config.head_dim;
        Ok(Some(
            if layout::is_permuted(self.config.architecture, name) {
                packed.with_rows(|row| layout::source_row(row, head_dim))
            } else {
                packed
            },
        ))
    }

    /// Bytes of a matrix's blocks, where it lies in blocks on disk.
    pub(crate) fn packed_bytes(&self, name: &str) -> Option<usize> {
        match &self.source {
            Source::Gguf(file) => {
                let info = file.tensor_info(&layout::gguf_name(name)?)?;
                info.kind.is_packed().then(|| info.bytes() as usize)
            }
            Source::Folder(_) => None,
            Source::Synthetic(synthetic) => {
                synthetic.packed_bytes(&self.config.tensor_shape(name)?)
            }
        }
    }

    /// The tokenizer, from `tokenizer.json` or the metadata.
    pub fn tokenizer(&self) -> Result<Tokenizer, CheckpointError> {
        let eos = &self.config.eos_token_ids;
        let (path, tokenizer) = match &self.source {
            Source::Gguf(file) => (
                self.path.clone(),
                Tokenizer::from_gguf(file.metadata(), eos),
            ),
            Source::Folder(_) => {
                let path = self.path.join("tokenizer.json");
                let json = read(&path, MAX_TOKENIZER_BYTES)?;
                let config = read_json(&self.path.join("tokenizer_config.json"))?;
                (path, Tokenizer::from_files(&json, config.as_ref(), eos))
            }
            Source::Synthetic(_) => {
                let path = self.path.clone();
                return Err(CheckpointError::NoTokenizer { path });
            }
        };
        tokenizer.map_err(|source| CheckpointError::Tokenizer { path, source })
    }

    /// The chat template, if the checkpoint has one.
    pub fn chat_template(&self) -> Result<Option<ChatTemplate>, CheckpointError> {
        let (path, template, special_tokens) = match &self.source {
            Source::Gguf(file) => (
                self.path.clone(),
                file.metadata()
                    .string("tokenizer.chat_template")?
                    .map(str::to_owned),
                gguf_special_tokens(file)?,
            ),
            Source::Folder(_) => folder_template(&self.path)?,
            Source::Synthetic(_) => return Ok(None),
        };
        template
            .map(|template| ChatTemplate::new(&template, special_tokens))
            .transpose()
            .map_err(|source| CheckpointError::Chat { path, source })
    }

    /// The text of the chat template in a GGUF file, and the special tokens by name; nothing for a folder.
    pub(crate) fn gguf_template(
        &self,
    ) -> Result<(Option<String>, BTreeMap<String, String>), CheckpointError> {
        let Source::Gguf(file) = &self.source else {
            return Ok((None, BTreeMap::new()));
        };
        let template = file.metadata().string("tokenizer.chat_template")?;
        Ok((template.map(str::to_owned), gguf_special_tokens(file)?))
    }

    /// The GGUF file, if it is one.
    pub(crate) fn gguf(&self) -> Option<&GgufFile> {
        match &self.source {
            Source::Gguf(file) => Some(file),
            Source::Folder(_) | Source::Synthetic(_) => None,
        }
    }

    /// What identifies the checkpoint's content: of a GGUF file its sha256, of a folder the sha256 of the text that
    /// `sha256sum` prints for its weights, configuration and tokenizer, sorted by name. Reads all of them. Of a synthetic
    /// model that of its name and seed.
    pub fn sha256(&self) -> Result<String, CheckpointError> {
        let hash = |path: &Path| {
            sha256_of_file(path).map_err(|source| CheckpointError::Io {
                path: path.to_owned(),
                source,
            })
        };
        let folder = match &self.source {
            Source::Gguf(_) => return hash(&self.path),
            Source::Folder(folder) => folder,
            Source::Synthetic(Synthetic { seed, .. }) => {
                let layers = self.config.num_hidden_layers;
                let text = format!("{} {layers} {seed}", self.path.display());
                return Ok(hex(&Sha256::digest(text)));
            }
        };
        let mut paths: Vec<PathBuf> = folder.files().map(Path::to_owned).collect();
        paths.extend(["config.json", "tokenizer.json"].map(|name| self.path.join(name)));
        paths.retain(|path| path.is_file());
        paths.sort();
        let mut hasher = Sha256::new();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            hasher.update(format!("{}  {name}\n", hash(&path)?));
        }
        Ok(hex(&hasher.finalize()))
    }
}

/// `config.json`, with the end tokens of `generation_config.json`, which transformers' `generate` goes by.
fn folder_config(folder: &Path) -> Result<ModelConfig, CheckpointError> {
    let path = folder.join("config.json");
    let config_error = |path: &Path, source| CheckpointError::Config {
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

/// A tensor's name in a GGUF file.
fn name_in_gguf(name: &str) -> String {
    layout::gguf_name(name).unwrap_or_else(|| name.to_owned())
}

type Template = (PathBuf, Option<String>, BTreeMap<String, String>);

const SPECIAL_TOKENS: [&str; 4] = ["bos_token", "eos_token", "unk_token", "pad_token"];

/// The template of a folder: `chat_template.jinja`, or the one in `tokenizer_config.json`.
fn folder_template(folder: &Path) -> Result<Template, CheckpointError> {
    let config_path = folder.join("tokenizer_config.json");
    let config = read_json(&config_path)?.unwrap_or(Value::Null);
    let special_tokens = SPECIAL_TOKENS
        .iter()
        .filter_map(|&name| {
            // A text, or the description of an added token.
            let token = &config[name];
            let text = token.as_str().or_else(|| token["content"].as_str())?;
            Some((name.to_owned(), text.to_owned()))
        })
        .collect();
    let jinja_path = folder.join("chat_template.jinja");
    if jinja_path.is_file() {
        let text = String::from_utf8_lossy(&read(&jinja_path, MAX_CONFIG_BYTES)?).into_owned();
        return Ok((jinja_path, Some(text), special_tokens));
    }
    let template = match &config["chat_template"] {
        // Several templates by name: the default is the one for plain conversations.
        Value::Array(templates) => templates
            .iter()
            .find(|template| template["name"] == "default")
            .and_then(|template| template["template"].as_str()),
        template => template.as_str(),
    };
    Ok((config_path, template.map(str::to_owned), special_tokens))
}

/// The special tokens that a GGUF file names by id.
fn gguf_special_tokens(file: &GgufFile) -> Result<BTreeMap<String, String>, CheckpointError> {
    let metadata = file.metadata();
    let tokens = metadata.strings("tokenizer.ggml.tokens")?.unwrap_or(&[]);
    let keys = ["bos", "eos", "unknown", "padding"];
    let mut special_tokens = BTreeMap::new();
    for (name, key) in SPECIAL_TOKENS.iter().zip(keys) {
        let id = metadata.unsigned::<usize>(&format!("tokenizer.ggml.{key}_token_id"))?;
        if let Some(text) = id.and_then(|id| tokens.get(id)) {
            special_tokens.insert((*name).to_owned(), text.clone());
        }
    }
    Ok(special_tokens)
}

/// A file of JSON, or `None` if it is not there.
fn read_json(path: &Path) -> Result<Option<Value>, CheckpointError> {
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = read(path, MAX_CONFIG_BYTES)?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| CheckpointError::Json {
            path: path.to_owned(),
            source,
        })
}

/// The bytes of a file of at most `most` bytes.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, CheckpointError> {
    read_bounded(path, most).map_err(|source| CheckpointError::Io {
        path: path.to_owned(),
        source,
    })
}
