//! Adapters on disk, in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.

mod causes;
mod file;
mod gguf;
mod homes;
mod load;
mod settings;
mod vocabulary;
mod written_settings;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use safetensors::tensor::TensorView;
use slm_artifacts::AdapterFolder;

use crate::config::ModelConfig;
use crate::lora::{Adapter, LoraSettings, SavedModule, on_host};
use crate::merge::WeightType;
use crate::weight_file::HostTensor;
use gguf::write_adapter;
use written_settings::config_of;

/// File with an adapter's settings.
const CONFIG_FILE: &str = AdapterFolder::CONFIG;
/// File with an adapter's tensors.
const WEIGHTS_FILE: &str = AdapterFolder::WEIGHTS;

/// Prefix of module paths in an adapter file: PEFT's wrapper, the causal LM, its decoder.
const PREFIX: &str = "base_model.model.model.";

/// The prefix without the decoder, for tensors outside it.
const WRAPPER: &str = "base_model.model.";

/// Name of a module's magnitudes; unlike for other tensors, PEFT appends no `.weight`.
const MAGNITUDE: &str = "lora_magnitude_vector";

/// Name of the bias of B.
const BIAS: &str = "lora_B.bias";

/// Why an adapter cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A file is missing, unreadable or cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file exists but is malformed.
    #[error("{path}: {problem}\nhint: the file may be truncated; copy or train the adapter again")]
    Corrupt {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A setting is not supported and would silently change the result if ignored.
    #[error("{path}: `{key}` = {value} is not supported\nhint: {hint}")]
    Unsupported {
        /// The file.
        path: String,
        /// The setting.
        key: String,
        /// Its value.
        value: String,
        /// What to do.
        hint: &'static str,
    },
    /// The adapter trains unsupported modules, or was saved in a form that is not read.
    #[error("{path}: {problem}\nhint: {hint}")]
    Refused {
        /// The file.
        path: String,
        /// What is not supported.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The tensors do not belong to this base model, or to these settings.
    #[error("adapter does not fit base model `{model}`\n{}\nhint: {hint}", .mismatches.join("\n"))]
    Mismatch {
        /// The base model in use.
        model: String,
        /// Which model the adapter names as its base, and what to do.
        hint: String,
        /// One line for each missing, unexpected or misshapen tensor.
        mismatches: Vec<String>,
    },
}

/// The base model of an adapter, as its settings name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterOrigin {
    /// The base model's name on the hub.
    pub base_model_name_or_path: String,
    /// The base model's revision on the hub.
    pub revision: Option<String>,
}

/// The settings of an adapter on disk.
#[derive(Debug)]
pub struct AdapterSettings {
    /// Its shape.
    pub lora: LoraSettings,
    /// The model it was trained on.
    pub origin: AdapterOrigin,
    /// Warnings about unknown settings, which were ignored.
    pub warnings: Vec<String>,
}

/// An adapter loaded from disk.
#[derive(Debug)]
pub struct LoadedAdapter {
    /// The pairs.
    pub adapter: Adapter,
    /// The model it was trained on.
    pub origin: AdapterOrigin,
    /// Warnings about unknown settings, which were ignored, and about names that a wrapper has changed.
    pub warnings: Vec<String>,
    /// Whether a wrapper of the model has changed the tensors' names, so that PEFT does not find them.
    pub has_wrapped_names: bool,
}

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> AdapterError {
    let path = path.display().to_string();
    move |source| AdapterError::Io { path, source }
}

impl Adapter {
    /// Writes the adapter's two files into an existing folder, in single precision.
    ///
    /// The write is not atomic: write into a temporary folder and rename that.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(
        &self,
        folder: &Path,
        settings: &LoraSettings,
        origin: &AdapterOrigin,
    ) -> Result<(), AdapterError> {
        self.save_settings(folder, settings, origin)?;
        self.save_weights(folder, WeightType::F32)
    }

    /// Writes the settings of [`save`](Self::save) alone.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_settings(
        &self,
        folder: &Path,
        settings: &LoraSettings,
        origin: &AdapterOrigin,
    ) -> Result<(), AdapterError> {
        let path = folder.join(CONFIG_FILE);
        let config = config_of(self, settings, origin);
        let text = serde_json::to_string_pretty(&config)
            .unwrap_or_else(|e| unreachable!("plain JSON: {e}"));
        std::fs::write(&path, text + "\n").map_err(io_error(&path))
    }

    /// Writes the tensors of [`save`](Self::save) alone, in this type.
    ///
    /// # Errors
    /// The file cannot be written, or a value is too large for half precision.
    pub fn save_weights(&self, folder: &Path, dtype: WeightType) -> Result<(), AdapterError> {
        let mut tensors = BTreeMap::new();
        for (layer, target, pair) in self.pairs() {
            let mut parts = vec![
                ("lora_A.weight", pair.host_a()),
                ("lora_B.weight", pair.host_b()),
            ];
            parts.extend(pair.host_magnitude().map(|m| (MAGNITUDE, m)));
            parts.extend(pair.host_bias().map(|bias| (BIAS, bias)));
            for (name, HostTensor { shape, values }) in parts {
                let name = format!("{PREFIX}{}.{name}", target.module_path(layer));
                tensors.insert(name, (shape, values));
            }
        }
        for (module, weight) in self.modules_to_save.iter() {
            let HostTensor { shape, values } = on_host(weight.val());
            tensors.insert(
                format!("{WRAPPER}{}", module.tensor_name()),
                (shape, values),
            );
        }
        let mut changes = BTreeMap::new();
        vocabulary::add_tensors(self, &mut changes);
        for (name, HostTensor { shape, values }) in changes {
            tensors.insert(name, (shape, values));
        }
        let path = folder.join(WEIGHTS_FILE);
        if let Some((name, _)) = tensors
            .iter()
            .find(|(_, (_, values))| dtype.overflows(values))
        {
            return Err(AdapterError::Refused {
                path: path.display().to_string(),
                problem: format!("tensor `{name}` contains values beyond half precision"),
                hint: "write it as bf16 or f32".to_owned(),
            });
        }
        let tensors = tensors
            .into_iter()
            .map(|(name, (shape, values))| (name, shape, dtype.bytes(&values)));
        let tensors: Vec<_> = tensors.collect();
        let views = tensors.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(dtype.of_file(), shape.clone(), bytes)
                .unwrap_or_else(|e| unreachable!("shape and bytes come from one tensor: {e}"));
            (name.as_str(), view)
        });
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let bytes = safetensors::serialize(views, Some(metadata))
            .unwrap_or_else(|e| unreachable!("names are unique and shapes right: {e}"));
        std::fs::write(&path, bytes).map_err(io_error(&path))
    }

    /// Writes the adapter as a GGUF file for llama.cpp, for a base model with this configuration.
    ///
    /// # Errors
    /// The adapter has magnitudes, biases, or changes of the embedding or the head, which llama.cpp does not support, or the
    /// file cannot be written.
    pub fn save_gguf(&self, path: &Path, config: &ModelConfig) -> Result<(), AdapterError> {
        let whole = self.modules_to_save.iter().map(|(module, _)| module.name());
        let whole: Vec<&str> = whole.collect();
        let mut changed = SavedModule::ALL.into_iter();
        let changed = changed.find(|&module| self.vocabulary.changes(module));
        let has_bias = self.pairs().any(|(_, _, pair)| pair.lora_bias.is_some());
        let unknown = [
            (self.is_dora(), "use_dora", "true".to_owned()),
            (has_bias, "lora_bias", "true".to_owned()),
            (
                changed.is_some(),
                "target_modules",
                changed.map_or_else(String::new, |module| module.name().to_owned()),
            ),
            (!whole.is_empty(), "modules_to_save", whole.join(", ")),
        ];
        if let Some((_, key, value)) = unknown.into_iter().find(|(has, ..)| *has) {
            return Err(AdapterError::Unsupported {
                path: path.display().to_string(),
                key: key.to_owned(),
                value,
                hint: "llama.cpp does not support such adapters; merge the adapter into its base model",
            });
        }
        let file = File::create(path).map_err(io_error(path))?;
        write_adapter(self, config, &mut BufWriter::new(file)).map_err(io_error(path))
    }
}
