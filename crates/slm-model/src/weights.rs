//! A common view of the two forms of models: a `.gguf` file, or a folder as on the Hugging Face hub.
//!
//! [`Weights`] uses Hugging Face's tensor names and layouts for both forms, and checks every tensor against the
//! configuration before it returns it.

mod error;
mod folder;
mod text;

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use slm_artifacts::{Sha256, sha256, sha256_of_file};

use crate::config::NormKind;
use crate::config::{ConfigError, ModelConfig, RopeScaling, refuse_quantised_tensors};
use crate::gguf::layout::{self, LayoutError};
use crate::gguf::{GgufFile, PackedTensor};
use crate::safetensors::SafetensorsFolder;
use crate::shape::NamedShape;
use crate::synthetic::{Synthetic, SyntheticType};
use crate::weight_file::HostTensor;
use folder::{folder_config, fp8_folder, has_head_of_its_own};

pub use error::WeightsError;

/// The output projection.
const HEAD: &str = "lm_head.weight";
/// The embedding.
const EMBEDDING: &str = "model.embed_tokens.weight";

/// A model on disk: headers and metadata are read on opening, tensors on demand.
#[derive(Debug)]
pub struct Weights {
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

impl Weights {
    /// Opens a `.gguf` file or a Hugging Face folder, and checks that every tensor of the configuration exists, with
    /// the right shape and a supported type. Reads headers and metadata only.
    ///
    /// # Errors
    /// The path or a file is missing, a file is broken, the weights were quantised by another program, or the model is
    /// not supported.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let metadata = std::fs::metadata(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => WeightsError::NotFound {
                path: path.to_owned(),
            },
            _ => WeightsError::Io {
                path: path.to_owned(),
                source,
            },
        })?;
        let mut warnings = Vec::new();
        let (config, source) = if metadata.is_dir() {
            let mut config = folder_config(path)?;
            let fp8 = fp8_folder(path)?;
            let folder = SafetensorsFolder::open(path)?.with_fp8(fp8);
            refuse_quantised_tensors(folder.names(), fp8).map_err(|source| {
                WeightsError::Config {
                    path: path.to_owned(),
                    source,
                }
            })?;
            if config.tie_word_embeddings && has_head_of_its_own(&folder)? {
                config.tie_word_embeddings = false;
                warnings.push(format!(
                    "{}: `tie_word_embeddings` is true, but `{HEAD}` exists and differs from the embedding; it is \
                     used as a separate head, as in transformers 5",
                    path.join("config.json").display()
                ));
            }
            (config, Source::Folder(folder))
        } else if path.extension().is_some_and(|ext| ext == "safetensors") {
            return Err(WeightsError::NotAFolder {
                path: path.to_owned(),
            });
        } else {
            let file = GgufFile::open(path)?;
            let config = layout::config_of(&file).map_err(|error| match error {
                LayoutError::Gguf(error) => WeightsError::Gguf(error),
                LayoutError::Config(source) => WeightsError::Config {
                    path: path.to_owned(),
                    source,
                },
            })?;
            (config, Source::Gguf(file))
        };
        let weights = Self {
            path: path.to_owned(),
            config,
            source,
            warnings,
        };
        for (name, shape) in weights.config.tensors() {
            weights.check_header(&name, &shape)?;
        }
        Ok(weights)
    }

    /// Opens a model whose weights are not needed, for its configuration, tokenizer and chat template: a folder may
    /// lack them.
    ///
    /// # Errors
    /// As [`Self::open`], except for missing weights.
    pub fn open_without_weights(path: &Path) -> Result<Self, WeightsError> {
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

    /// Creates a model of a named shape with random weights in memory, stored as `kind`.
    ///
    /// It computes like any other model, but its output is meaningless.
    pub fn synthetic(shape: NamedShape, kind: SyntheticType, seed: u64) -> Self {
        Self::synthetic_of_depth(shape, shape.config().num_hidden_layers, kind, seed)
    }

    /// As [`Self::synthetic`], with another number of layers: all layers take the same time.
    pub fn synthetic_of_depth(
        shape: NamedShape,
        num_hidden_layers: usize,
        kind: SyntheticType,
        seed: u64,
    ) -> Self {
        let config = ModelConfig {
            num_hidden_layers,
            ..shape.config()
        };
        Self {
            path: format!("synthetic {shape} {kind}").into(),
            ..Self::synthetic_of_config(config, kind, seed)
        }
    }

    /// As [`Self::synthetic`], with any configuration that passes its check.
    pub fn synthetic_of_config(config: ModelConfig, kind: SyntheticType, seed: u64) -> Self {
        Self {
            path: format!("synthetic {kind}").into(),
            config,
            source: Source::Synthetic(Synthetic { kind, seed }),
            warnings: Vec::new(),
        }
    }

    /// The path of the file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model's configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Sets the context length of a model with `LongRoPE`, which has other rotary frequencies beyond its original context:
    /// they are the same for all texts of a run, as in llama.cpp and vLLM. Without this call the context is the original
    /// one. Other models are unchanged.
    ///
    /// # Errors
    /// The length is beyond the model's maximum.
    pub fn set_context_length(&mut self, tokens: usize) -> Result<(), ConfigError> {
        let most = self.config.max_position_embeddings;
        if tokens > most {
            return Err(ConfigError::Value {
                key: "context_length",
                found: tokens.to_string(),
                expected: format!("at most max_position_embeddings, {most}"),
            });
        }
        if let Some(RopeScaling::LongRope {
            original_max_position_embeddings,
            ..
        }) = &self.config.rope_scaling
        {
            self.config.long_context = tokens > *original_max_position_embeddings;
        }
        Ok(())
    }

    /// Warnings about the files, for the user.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The names of all tensors in Hugging Face's notation; unknown ones are omitted.
    pub fn tensor_names(&self) -> Vec<String> {
        match &self.source {
            Source::Gguf(file) => file
                .tensors()
                .filter_map(|(name, _)| layout::hub_name(self.config.family, name))
                .collect(),
            Source::Folder(folder) => folder.names().map(str::to_owned).collect(),
            Source::Synthetic(_) => {
                let tensors = self.config.tensors().into_iter();
                tensors.map(|(name, _)| name).collect()
            }
        }
    }

    /// Whether the tensor that Hugging Face calls `name` exists.
    pub fn has_tensor(&self, name: &str) -> bool {
        match &self.source {
            Source::Gguf(file) => layout::gguf_name(self.config.family, name)
                .is_some_and(|name| file.tensor_info(&name).is_some()),
            Source::Folder(folder) => folder.shape(name).is_some(),
            Source::Synthetic(_) => self.config.tensor_shape(name).is_some(),
        }
    }

    /// Reads a tensor by Hugging Face's name, in its layout, converted to single precision.
    ///
    /// # Shapes
    /// - as in [`ModelConfig::tensor_shape`]: `[out, in]` for linear layers, `[vocab_size, hidden_size]` for
    ///   the embedding and the head
    /// # Errors
    /// The tensor is missing, its shape contradicts the configuration, or its values are not finite.
    pub fn tensor(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let expected =
            self.config
                .tensor_shape(name)
                .ok_or_else(|| WeightsError::UnknownTensor {
                    path: self.path.clone(),
                    tensor: name.to_owned(),
                })?;
        self.check_header(name, &expected)?;
        let tensor = match &self.source {
            Source::Folder(folder) => folder.tensor(name)?,
            Source::Synthetic(synthetic) => return Ok(synthetic.tensor(name, expected)),
            Source::Gguf(file) => {
                let mut tensor = file.tensor(&self.name_in_gguf(name))?;
                if layout::is_permuted(self.config.family, name) {
                    layout::unpermute_heads(&mut tensor, self.config.head_dim);
                }
                if self.config.family.norm == NormKind::RmsFromOne && name.ends_with("norm.weight")
                {
                    // The converter adds the one.
                    tensor.values.iter_mut().for_each(|value| *value -= 1.0);
                }
                tensor
            }
        };
        if tensor.values.par_iter().any(|value| !value.is_finite()) {
            return Err(WeightsError::NotFinite {
                path: self.path.clone(),
                tensor: name.to_owned(),
            });
        }
        Ok(tensor)
    }

    /// Checks by its header that a tensor exists, with the shape of the configuration and a supported
    /// type.
    fn check_header(&self, name: &str, expected: &[usize]) -> Result<(), WeightsError> {
        let found = match &self.source {
            Source::Folder(folder) => folder.readable_shape(name)?,
            Source::Gguf(file) => file.shape(&self.name_in_gguf(name))?,
            Source::Synthetic(_) => return Ok(()),
        };
        if found == expected {
            return Ok(());
        }
        Err(WeightsError::Shape {
            path: self.path.clone(),
            tensor: name.to_owned(),
            found: found.to_vec(),
            expected: expected.to_vec(),
        })
    }

    /// Reads a matrix in packed form, in Hugging Face's row order; `None` if it is not packed on disk or not valid.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn packed(&self, name: &str) -> Result<Option<PackedTensor>, WeightsError> {
        let file = match &self.source {
            Source::Gguf(file) => file,
            Source::Folder(_) => return Ok(None),
            Source::Synthetic(synthetic) => {
                let shape = self.config.tensor_shape(name);
                return Ok(shape.and_then(|shape| synthetic.packed(name, &shape)));
            }
        };
        let Some(gguf_name) = layout::gguf_name(self.config.family, name) else {
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
        Ok(Some(if layout::is_permuted(self.config.family, name) {
            packed.with_rows(|row| layout::source_row(row, head_dim))
        } else {
            packed
        }))
    }

    /// Size of a matrix's blocks in bytes, if it is packed on disk.
    pub(crate) fn packed_bytes(&self, name: &str) -> Option<usize> {
        match &self.source {
            Source::Gguf(file) => {
                let info = file.tensor_info(&layout::gguf_name(self.config.family, name)?)?;
                info.kind.is_packed().then(|| info.bytes() as usize)
            }
            Source::Folder(_) => None,
            Source::Synthetic(synthetic) => {
                synthetic.packed_bytes(&self.config.tensor_shape(name)?)
            }
        }
    }

    /// Returns a tensor's name in the GGUF file.
    fn name_in_gguf(&self, name: &str) -> String {
        layout::gguf_name(self.config.family, name).unwrap_or_else(|| name.to_owned())
    }

    /// Returns the GGUF file, if it is one.
    pub(crate) fn gguf(&self) -> Option<&GgufFile> {
        match &self.source {
            Source::Gguf(file) => Some(file),
            Source::Folder(_) | Source::Synthetic(_) => None,
        }
    }

    /// Computes a hash that identifies the model's content. For a GGUF file it is its sha256; for a folder, the sha256
    /// of the output of `sha256sum` for its weights, configuration and tokenizer, sorted by name; for a synthetic
    /// model, that of its name and seed. Reads all of these files.
    pub fn sha256(&self) -> Result<String, WeightsError> {
        let hash = |path: &Path| {
            sha256_of_file(path).map_err(|source| WeightsError::Io {
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
                return Ok(sha256(text));
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
        Ok(hasher.hex())
    }
}
