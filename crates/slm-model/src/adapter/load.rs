//! Reading an adapter in PEFT's layout.

use std::path::Path;

use burn::tensor::Device;
use slm_artifacts::sha256_of_file;

use super::causes::{mismatch_hint, refuse, refuse_pickled};
use super::file::AdapterFile;
use super::homes::Homes;
use super::settings::PeftSettings;
use super::vocabulary::vocabulary;
use super::{
    AdapterError, AdapterSettings, BIAS, CONFIG_FILE, LoadedAdapter, MAGNITUDE, WEIGHTS_FILE,
    io_error,
};
use crate::config::ModelConfig;
use crate::lora::{
    Adapter, LayerAdapter, LoraSettings, LowRank, Magnitude, SavedModule, SavedModules,
    module_index, parameter_id,
};
use crate::weight_file::read_bounded;

/// Upper bound of a plausible settings file; one line per linear layer takes 30 kB.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

impl Adapter {
    /// Returns the SHA-256 of an adapter's tensor file in lower-case hexadecimal, which identifies the adapter.
    ///
    /// # Errors
    /// The file is missing or unreadable, or the tensors are in a pickle file.
    pub fn sha256(folder: &Path) -> Result<String, AdapterError> {
        refuse_pickled(folder)?;
        let path = folder.join(WEIGHTS_FILE);
        sha256_of_file(&path).map_err(io_error(&path))
    }

    /// Reads the settings of an adapter in PEFT's layout without its tensors.
    ///
    /// # Errors
    /// The file is missing or malformed, or has settings that are not supported.
    pub fn settings(folder: &Path) -> Result<AdapterSettings, AdapterError> {
        let settings = read_settings(&folder.join(CONFIG_FILE))?;
        Ok(AdapterSettings {
            lora: settings.lora,
            origin: settings.origin,
            warnings: settings.warnings,
        })
    }

    /// Loads an adapter in PEFT's layout for a base model with this configuration.
    ///
    /// Both an unexpected and a missing tensor are errors, since either would silently leave part of the base model
    /// unadapted. `model_name` is for messages.
    ///
    /// # Errors
    /// Missing or malformed files, settings that are not supported, tensors of another model.
    pub fn load(
        folder: &Path,
        config: &ModelConfig,
        model_name: &str,
        device: &Device,
    ) -> Result<LoadedAdapter, AdapterError> {
        let path = folder.join(CONFIG_FILE);
        let settings = read_settings(&path)?;
        let lora = &settings.lora;
        refuse_tied(lora, config, &path)?;
        refuse_pickled(folder)?;
        let mut file = AdapterFile::open(folder)?;
        let warning = file.warning.take();
        refuse(&file, &settings, config)?;
        let mut homes = Homes {
            file,
            mismatches: Vec::new(),
            device,
        };
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for layer in 0..config.num_hidden_layers {
            layers.push(LayerAdapter::build(config.targets(), |target| {
                let module = target.module_path(layer);
                if !lora.adapts(&module) {
                    return Ok::<_, AdapterError>(None);
                }
                let (r, scale) = settings.rank_and_scale(&module);
                let (out_features, in_features) = target.shape(config);
                let mut take = |name: &str, part, shape: &[usize]| {
                    let id = parameter_id(module_index(layer, target), part);
                    homes.fill(&format!("{module}.{name}"), shape, id)
                };
                let lora_a = take("lora_A", 0, &[r, in_features])?;
                let lora_b = take("lora_B", 1, &[out_features, r])?;
                let magnitude = if lora.use_dora {
                    take(MAGNITUDE, 2, &[out_features])?.map(Magnitude::new)
                } else {
                    None
                };
                let bias = if lora.lora_bias {
                    take(BIAS, 3, &[out_features])?
                } else {
                    None
                };
                let pair = lora_a.zip(lora_b);
                Ok(pair.map(|(a, b)| LowRank::new(a, b, magnitude, scale).with_bias(bias)))
            })?);
        }
        let mut unreadable = None;
        let modules_to_save = SavedModules::build(|module| {
            if !lora.modules_to_save.contains(&module) {
                return None;
            }
            let filled = homes.fill(module.name(), &module.shape(config), module.parameter_id());
            filled.unwrap_or_else(|error| {
                unreadable = Some(error);
                None
            })
        });
        if let Some(error) = unreadable {
            return Err(error);
        }
        let vocabulary = vocabulary(&settings, config, &mut homes)?;
        let adapter = Self {
            layers,
            modules_to_save,
            vocabulary,
            noise: None,
        };
        let mut mismatches = homes.mismatches();
        if lora.trainable_shapes(config).is_empty() {
            mismatches.insert(0, no_module(lora, config));
        }
        if !mismatches.is_empty() {
            // A wrong base model mismatches everywhere; a few lines show it.
            let more = mismatches.len().saturating_sub(6);
            mismatches.truncate(6);
            if more > 0 {
                mismatches.push(format!("  and {more} more"));
            }
            let trained_on = &settings.origin.base_model_name_or_path;
            return Err(AdapterError::Mismatch {
                hint: mismatch_hint(model_name, trained_on),
                model: model_name.to_owned(),
                mismatches,
            });
        }
        Ok(LoadedAdapter {
            adapter,
            origin: settings.origin,
            has_wrapped_names: warning.is_some(),
            warnings: settings.warnings.into_iter().chain(warning).collect(),
        })
    }
}

/// Refuses an adapter that trains one of embedding and head apart from the other, although they are one matrix.
fn refuse_tied(lora: &LoraSettings, config: &ModelConfig, path: &Path) -> Result<(), AdapterError> {
    if !config.tie_word_embeddings {
        return Ok(());
    }
    let whole = lora.modules_to_save.first().copied();
    let mut of_head = lora.token_indices.iter().map(|(module, _)| *module);
    let of_head = of_head.find(|module| *module == SavedModule::LmHead);
    let found = [
        ("modules_to_save", whole),
        ("trainable_token_indices", of_head),
    ];
    let mut found = found
        .into_iter()
        .filter_map(|(key, module)| Some((key, module?)));
    found.next().map_or(Ok(()), |(key, module)| {
        Err(AdapterError::Unsupported {
            path: path.display().to_string(),
            key: key.to_owned(),
            value: module.name().to_owned(),
            hint: "this model ties the embedding to the head; merge the adapter with PEFT and use the merged model",
        })
    })
}

/// Reads the settings file of an adapter.
fn read_settings(path: &Path) -> Result<PeftSettings, AdapterError> {
    let bytes = read_bounded(path, MAX_CONFIG_BYTES).map_err(io_error(path))?;
    let text = String::from_utf8(bytes).map_err(|error| AdapterError::Corrupt {
        path: path.display().to_string(),
        problem: format!("not UTF-8: {error}"),
    })?;
    PeftSettings::parse(&text, path)
}

/// Names the setting that leaves an adapter without a module.
fn no_module(lora: &LoraSettings, config: &ModelConfig) -> String {
    let Some(layers) = &lora.restrictions.layers else {
        return "  target_modules matches no module".to_owned();
    };
    format!(
        "  layers_to_transform names the layers {:?}, and no module in them is adapted; this model has {} layers, counted \
         from 0",
        layers.indices(),
        config.num_hidden_layers
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::mutants;
    use crate::weights::Weights;

    #[test]
    fn mutated_adapters_end_in_an_error_or_an_adapter_but_never_in_a_panic() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
        let base = Weights::open(&golden.join("tiny-llama")).expect("a golden model");
        let read = |name: &str| {
            std::fs::read(golden.join("peft-variants/regex").join(name)).expect("a golden file")
        };
        let (config, weights) = (read(CONFIG_FILE), read(WEIGHTS_FILE));
        let header = 8 + usize::from(u16::from_le_bytes([weights[0], weights[1]]));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let put = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).expect("writable");
        };
        let load = || Adapter::load(folder.path(), base.config(), "tiny", &Device::flex());
        put(WEIGHTS_FILE, &weights);
        put(CONFIG_FILE, &config);
        load().expect("sound as a whole");
        let mut accepted = [0; 2];
        for bytes in mutants(&config, 19, 400) {
            put(CONFIG_FILE, &bytes);
            accepted[0] += usize::from(load().is_ok());
        }
        put(CONFIG_FILE, &config);
        for bytes in mutants(&weights[..header], 23, 400) {
            put(WEIGHTS_FILE, &[&bytes, &weights[header..]].concat());
            accepted[1] += usize::from(load().is_ok());
        }
        assert!(accepted.iter().all(|&n| n > 5), "accepted: {accepted:?}");
    }

    #[test]
    fn settings_of_many_megabytes_are_refused_unread() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/tiny-llama");
        let base = Weights::open(&golden).expect("a golden model");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = std::fs::File::create(folder.path().join(CONFIG_FILE)).expect("a file");
        file.set_len(1 << 40).expect("a sparse file");
        let error = Adapter::load(folder.path(), base.config(), "tiny", &Device::flex());
        let error = error.expect_err("refused").to_string();
        assert!(
            error.contains("not a regular file of at most 1048576 bytes"),
            "{error}"
        );
    }
}
