//! Adapters on disk, in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.

mod settings;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use burn::tensor::Device;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::config::ModelConfig;
use crate::gguf::adapter_file::write_adapter;
use crate::lora::{
    Adapter, LayerAdapter, LoraSettings, LowRank, Magnitude, WholeModules, on_host, parameter,
    parameter_id, place_of,
};
use crate::weight_file::HostTensor;
use settings::{PeftSettings, config_json};

/// File with an adapter's settings.
const CONFIG_FILE: &str = "adapter_config.json";
/// File with an adapter's tensors.
const WEIGHTS_FILE: &str = "adapter_model.safetensors";

/// Before every module's path in an adapter file: PEFT's wrapper, the causal LM, its decoder.
const PREFIX: &str = "base_model.model.model.";

/// The same without the decoder, for tensors beside it.
const WRAPPER: &str = "base_model.model.";

/// The magnitudes of a module; unlike other tensors, PEFT's has no `.weight` after it.
const MAGNITUDE: &str = "lora_magnitude_vector";

/// Why an adapter cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A file is missing, unreadable or cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is there but broken.
    #[error("{path}: {problem}\nhint: the file may be truncated; copy or train the adapter again")]
    Corrupt {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The settings ask for something that would silently change the result.
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
    /// The tensors do not belong to this base model, or to these settings.
    #[error("adapter does not fit base model `{model}`\n{}\nhint: {CONFIG_FILE} names `{trained_on}` as its base model", .mismatches.join("\n"))]
    Mismatch {
        /// The base model in use.
        model: String,
        /// The base model that the adapter names.
        trained_on: String,
        /// One line for each tensor that finds no home, or home that finds no tensor.
        mismatches: Vec<String>,
    },
}

/// What an adapter file says about its origin, besides the tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterOrigin {
    /// The base model's name on the hub.
    pub base_model_name_or_path: String,
    /// The base model's revision on the hub.
    pub revision: Option<String>,
}

/// An adapter that was read from disk.
#[derive(Debug)]
pub struct LoadedAdapter {
    /// The pairs.
    pub adapter: Adapter,
    /// Which model it was trained on.
    pub origin: AdapterOrigin,
    /// Settings that we do not know and ignored.
    pub warnings: Vec<String>,
}

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> AdapterError {
    let path = path.display().to_string();
    move |source| AdapterError::Io { path, source }
}

impl Adapter {
    /// Writes the adapter's two files into an existing folder.
    ///
    /// The files are not safe from a crash in the middle: write into a temporary folder and
    /// rename that.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(
        &self,
        folder: &Path,
        settings: &LoraSettings,
        origin: &AdapterOrigin,
    ) -> Result<(), AdapterError> {
        let mut tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
        for (layer, target, pair) in self.pairs() {
            let mut parts = vec![
                ("lora_A.weight", pair.host_a()),
                ("lora_B.weight", pair.host_b()),
            ];
            parts.extend(pair.host_magnitude().map(|m| (MAGNITUDE, m)));
            for (name, HostTensor { shape, values }) in parts {
                let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                let name = format!("{PREFIX}{}.{name}", target.module_path(layer));
                tensors.insert(name, (shape, bytes));
            }
        }
        for (module, weight) in self.whole.iter() {
            let HostTensor { shape, values } = on_host(weight.val());
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            tensors.insert(format!("{WRAPPER}{}", module.tensor_name()), (shape, bytes));
        }
        let path = folder.join(WEIGHTS_FILE);
        let views = tensors.iter().map(|(name, (shape, bytes))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
                .unwrap_or_else(|e| unreachable!("shape and bytes come from one tensor: {e}"));
            (name.as_str(), view)
        });
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let bytes = safetensors::serialize(views, Some(metadata))
            .unwrap_or_else(|e| unreachable!("names are unique and shapes right: {e}"));
        std::fs::write(&path, bytes).map_err(io_error(&path))?;

        let path = folder.join(CONFIG_FILE);
        let config = config_json(settings, origin);
        let text = serde_json::to_string_pretty(&config)
            .unwrap_or_else(|e| unreachable!("plain JSON: {e}"));
        std::fs::write(&path, text + "\n").map_err(io_error(&path))
    }

    /// Writes the adapter as a GGUF file for llama.cpp, beside a base model of this shape.
    ///
    /// # Errors
    /// The adapter has magnitudes or modules trained as a whole, which llama.cpp does not know, or the file cannot be
    /// written.
    pub fn save_gguf(&self, path: &Path, config: &ModelConfig) -> Result<(), AdapterError> {
        let whole = self.whole.iter().map(|(module, _)| module.name());
        let whole: Vec<&str> = whole.collect();
        let unknown = [
            (self.is_dora(), "use_dora", "true".to_owned()),
            (!whole.is_empty(), "modules_to_save", whole.join(", ")),
        ];
        if let Some((_, key, value)) = unknown.into_iter().find(|(has, ..)| *has) {
            return Err(AdapterError::Unsupported {
                path: path.display().to_string(),
                key: key.to_owned(),
                value,
                hint: "llama.cpp knows no such adapters; merge it into its base model",
            });
        }
        let file = File::create(path).map_err(io_error(path))?;
        write_adapter(self, config, &mut BufWriter::new(file)).map_err(io_error(path))
    }

    /// Reads an adapter from a folder in PEFT's layout, for a base model of this shape.
    ///
    /// Reading is strict both ways: a tensor that finds no home and a home that finds no tensor are
    /// errors, since either would silently leave the base model as it is. `model_name` is for messages.
    ///
    /// # Errors
    /// Missing or broken files, settings that are not supported, tensors of another model.
    pub fn load(
        folder: &Path,
        config: &ModelConfig,
        model_name: &str,
        device: &Device,
    ) -> Result<LoadedAdapter, AdapterError> {
        let path = folder.join(CONFIG_FILE);
        let text = std::fs::read_to_string(&path).map_err(io_error(&path))?;
        let settings = PeftSettings::parse(&text, &path)?;
        if let Some(module) = settings.modules_to_save.first()
            && config.tie_word_embeddings
        {
            return Err(AdapterError::Unsupported {
                path: path.display().to_string(),
                key: "modules_to_save".to_owned(),
                value: module.name().to_owned(),
                hint: "this model's embedding and head are one matrix; merge the adapter with PEFT and use that",
            });
        }
        let path = folder.join(WEIGHTS_FILE);
        let bytes = std::fs::read(&path).map_err(io_error(&path))?;
        let mut tensors = read_tensors(&bytes, &path)?;

        let mut mismatches = Vec::new();
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for layer in 0..config.num_hidden_layers {
            layers.push(LayerAdapter::build(|target| {
                let module = target.module_path(layer);
                if !settings.targets.matches(&module) {
                    return Ok::<_, AdapterError>(None);
                }
                let (r, scale) = settings.rank_and_scale(&module);
                let (out_features, in_features) = target.shape(config);
                let mut take = |name: &str, part, expected: &[usize]| {
                    let key = format!("{module}.{name}");
                    match tensors.remove(&key) {
                        None => mismatches.push(format!("  {key}: missing, expected {expected:?}")),
                        Some((found, _)) if found != expected => {
                            mismatches
                                .push(format!("  {key}: found {found:?}, expected {expected:?}"));
                        }
                        Some((_, values)) => {
                            let id = parameter_id(place_of(layer, target), part);
                            // A vector is a row.
                            let (width, rows) = expected.split_last()?;
                            let shape = [rows.iter().product(), *width];
                            return Some(parameter(values, shape, id, device));
                        }
                    }
                    None
                };
                let lora_a = take("lora_A", 0, &[r, in_features]);
                let lora_b = take("lora_B", 1, &[out_features, r]);
                let magnitude = if settings.use_dora {
                    take(MAGNITUDE, 2, &[out_features]).map(Magnitude::new)
                } else {
                    None
                };
                let pair = lora_a.zip(lora_b);
                Ok(pair.map(|(a, b)| LowRank::new(a, b, magnitude, scale)))
            })?);
        }
        let whole = WholeModules::build(|module| {
            if !settings.modules_to_save.contains(&module) {
                return None;
            }
            let (key, expected) = (module.name(), module.shape(config));
            match tensors.remove(key) {
                None => mismatches.push(format!("  {key}: missing, expected {expected:?}")),
                Some((found, _)) if found != expected => {
                    mismatches.push(format!("  {key}: found {found:?}, expected {expected:?}"));
                }
                Some((_, values)) => {
                    return Some(parameter(values, expected, module.parameter_id(), device));
                }
            }
            None
        });
        mismatches.extend(
            tensors
                .keys()
                .map(|key| format!("  {key}: has no place in this model")),
        );
        let adapter = Self {
            layers,
            whole,
            noise: None,
        };
        if mismatches.is_empty() && adapter.pairs().next().is_none() {
            mismatches.push("  target_modules matches no module".to_owned());
        }
        if !mismatches.is_empty() {
            // A wrong base model mismatches everywhere; a few lines are enough to see it.
            let more = mismatches.len().saturating_sub(6);
            mismatches.truncate(6);
            if more > 0 {
                mismatches.push(format!("  and {more} more"));
            }
            return Err(AdapterError::Mismatch {
                model: model_name.to_owned(),
                trained_on: settings.origin.base_model_name_or_path,
                mismatches,
            });
        }
        Ok(LoadedAdapter {
            adapter,
            origin: settings.origin,
            warnings: settings.warnings,
        })
    }
}

/// Shape and values of each tensor, by module path and `lora_A` or `lora_B`.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The tensors of an adapter file, in single precision.
fn read_tensors(bytes: &[u8], path: &Path) -> Result<Tensors, AdapterError> {
    let corrupt = |problem: String| AdapterError::Corrupt {
        path: path.display().to_string(),
        problem,
    };
    let file = SafeTensors::deserialize(bytes).map_err(|e| corrupt(e.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let values = match view.dtype() {
            Dtype::F32 => view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            Dtype::F16 => view
                .data()
                .chunks_exact(2)
                .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect(),
            Dtype::BF16 => view
                .data()
                .chunks_exact(2)
                .map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect(),
            other => {
                return Err(corrupt(format!(
                    "{name} has type {other:?}, expected F32, F16 or BF16"
                )));
            }
        };
        tensors.insert(short_name(name), (view.shape().to_vec(), values));
    }
    Ok(tensors)
}

/// `base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight` to `layers.0.mlp.up_proj.lora_A`.
///
/// The adapter's name (`default`) stands in files that were saved around PEFT's own function.
fn short_name(name: &str) -> String {
    let name = name.strip_prefix(PREFIX).unwrap_or(name);
    let name = name.strip_prefix(WRAPPER).unwrap_or(name);
    let name = name.strip_suffix(".weight").unwrap_or(name);
    for part in ["lora_A", "lora_B", MAGNITUDE] {
        if let Some(at) = name.find(&format!(".{part}.")) {
            return name[..=at + part.len()].to_owned();
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensor_names_lose_wrapper_and_adapter_name() {
        let expected = "layers.0.mlp.up_proj.lora_A";
        assert_eq!(
            short_name("base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"),
            expected
        );
        assert_eq!(
            short_name("base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight"),
            expected
        );
        let expected = "layers.0.mlp.up_proj.lora_magnitude_vector";
        for ending in ["", ".default", ".weight", ".default.weight"] {
            let name = format!("{PREFIX}{expected}{ending}");
            assert_eq!(short_name(&name), expected);
        }
    }
}
