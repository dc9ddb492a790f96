//! Adapters on disk, in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::Device;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

use crate::config::ModelConfig;
use crate::lora::{Adapter, LayerAdapter, LoraSettings, LowRank, parameter};

/// File with an adapter's settings.
const CONFIG_FILE: &str = "adapter_config.json";
/// File with an adapter's tensors.
const WEIGHTS_FILE: &str = "adapter_model.safetensors";

/// Before every module's path in an adapter file: PEFT's wrapper, the causal LM, its decoder.
const PREFIX: &str = "base_model.model.model.";

/// Settings that would change the result and that we do not have; PEFT's default is safe.
const UNSUPPORTED: [&str; 12] = [
    "use_dora",
    "lora_bias",
    "fan_in_fan_out",
    "modules_to_save",
    "layers_to_transform",
    "layer_replication",
    "exclude_modules",
    "trainable_token_indices",
    "target_parameters",
    "alora_invocation_tokens",
    "use_qalora",
    "use_bdlora",
];

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
            for (name, parameter) in [("lora_A", &pair.lora_a), ("lora_B", &pair.lora_b)] {
                let data = parameter.val().inner().into_data();
                let shape = data.shape().to_vec();
                let values: Vec<f32> = data
                    .try_into_vec()
                    .unwrap_or_else(|e| unreachable!("adapters are f32: {e:?}"));
                let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                tensors.insert(
                    format!("{PREFIX}{}.{name}.weight", target.module_path(layer)),
                    (shape, bytes),
                );
            }
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
                let mut take = |name: &str, expected: [usize; 2]| {
                    let key = format!("{module}.{name}");
                    match tensors.remove(&key) {
                        None => mismatches.push(format!("  {key}: missing, expected {expected:?}")),
                        Some((found, _)) if found != expected => {
                            mismatches
                                .push(format!("  {key}: found {found:?}, expected {expected:?}"));
                        }
                        Some((_, values)) => return Some(parameter(values, expected, device)),
                    }
                    None
                };
                let lora_a = take("lora_A", [r, in_features]);
                let lora_b = take("lora_B", [out_features, r]);
                Ok(lora_a.zip(lora_b).map(|(lora_a, lora_b)| LowRank {
                    lora_a,
                    lora_b,
                    scale,
                }))
            })?);
        }
        mismatches.extend(
            tensors
                .keys()
                .map(|key| format!("  {key}: has no place in this model")),
        );
        let adapter = Self { layers };
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

fn config_json(settings: &LoraSettings, origin: &AdapterOrigin) -> Value {
    let targets: Vec<&str> = settings
        .targets
        .iter()
        .map(|target| target.name())
        .collect();
    // Whole alphas are written as integers, as PEFT does and older readers expect.
    let whole = settings.lora_alpha.fract() == 0.0;
    let alpha = if whole {
        json!(settings.lora_alpha as i64)
    } else {
        json!(settings.lora_alpha)
    };
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": origin.base_model_name_or_path,
        "revision": origin.revision,
        "inference_mode": true,
        "r": settings.r,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": false,
        "target_modules": targets,
        "modules_to_save": null,
        "use_rslora": settings.use_rslora,
        "use_dora": false,
        "init_lora_weights": true,
        "rank_pattern": {},
        "alpha_pattern": {},
    })
}

/// Which modules an adapter targets, as PEFT reads `target_modules`.
enum Targets {
    AllLinear,
    /// A module matches by its whole path or by its last parts.
    Names(Vec<String>),
    /// The whole path, from `model.` on, must match.
    Pattern(regex::Regex),
}

impl Targets {
    fn matches(&self, module: &str) -> bool {
        let path = format!("model.{module}");
        match self {
            Self::AllLinear => true,
            Self::Names(names) => names
                .iter()
                .any(|name| path == *name || path.ends_with(&format!(".{name}"))),
            Self::Pattern(pattern) => pattern.is_match(&path),
        }
    }
}

/// The part of `adapter_config.json` that matters.
struct PeftSettings {
    r: usize,
    lora_alpha: f64,
    use_rslora: bool,
    targets: Targets,
    rank_pattern: Vec<(regex::Regex, usize)>,
    alpha_pattern: Vec<(regex::Regex, f64)>,
    origin: AdapterOrigin,
    warnings: Vec<String>,
}

/// Keys that we read, or that say nothing about the result.
const KNOWN: [&str; 17] = [
    "peft_type",
    "task_type",
    "base_model_name_or_path",
    "revision",
    "inference_mode",
    "r",
    "lora_alpha",
    "lora_dropout",
    "bias",
    "target_modules",
    "use_rslora",
    "init_lora_weights",
    "rank_pattern",
    "alpha_pattern",
    "auto_mapping",
    "peft_version",
    "layers_pattern",
];

/// Null, false, empty: what PEFT writes for a feature that is not in use.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

impl PeftSettings {
    fn parse(text: &str, path: &Path) -> Result<Self, AdapterError> {
        let shown = path.display().to_string();
        let corrupt = |problem: String| AdapterError::Corrupt {
            path: shown.clone(),
            problem,
        };
        let unsupported = |key: &str, value: &Value, hint| AdapterError::Unsupported {
            path: shown.clone(),
            key: key.to_owned(),
            value: value.to_string(),
            hint,
        };
        let value: Value =
            serde_json::from_str(text).map_err(|e| corrupt(format!("not JSON: {e}")))?;
        let fields = value
            .as_object()
            .ok_or_else(|| corrupt("not a JSON object".to_owned()))?;
        let get = |key: &str| fields.get(key).unwrap_or(&Value::Null);

        if get("peft_type") != "LORA" {
            return Err(unsupported(
                "peft_type",
                get("peft_type"),
                "only LORA adapters can be read",
            ));
        }
        if !matches!(get("bias").as_str(), None | Some("none")) {
            return Err(unsupported(
                "bias",
                get("bias"),
                "train the adapter with bias \"none\"",
            ));
        }
        for key in UNSUPPORTED {
            if !is_unset(get(key)) {
                return Err(unsupported(
                    key,
                    get(key),
                    "merge the adapter into its base model with PEFT and use that",
                ));
            }
        }
        let warnings = fields
            .iter()
            .filter(|(key, value)| {
                !KNOWN.contains(&key.as_str())
                    && !UNSUPPORTED.contains(&key.as_str())
                    && !is_unset(value)
            })
            .map(|(key, value)| format!("{shown}: `{key}` = {value} is unknown and ignored"))
            .collect();

        let r = get("r")
            .as_u64()
            .filter(|&r| r > 0)
            .ok_or_else(|| corrupt("`r` is not a positive integer".to_owned()))?;
        let lora_alpha = get("lora_alpha")
            .as_f64()
            .ok_or_else(|| corrupt("`lora_alpha` is not a number".to_owned()))?;
        let targets =
            match get("target_modules") {
                Value::String(name) if name == "all-linear" => Targets::AllLinear,
                Value::String(pattern) => Targets::Pattern(whole_match(pattern).map_err(|e| {
                    corrupt(format!("`target_modules` is no regular expression: {e}"))
                })?),
                Value::Array(names) => Targets::Names(
                    names
                        .iter()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect(),
                ),
                _ => {
                    return Err(corrupt(
                        "`target_modules` is neither a list nor a string".to_owned(),
                    ));
                }
            };
        let patterns = |key: &str| -> Result<Vec<(regex::Regex, f64)>, AdapterError> {
            let entries = get(key).as_object().into_iter().flatten();
            entries
                .map(|(pattern, value)| {
                    // PEFT anchors a pattern at the end of the path and at a dot before it.
                    let pattern =
                        whole_match(&format!(r"(?:.*\.)?(?:{pattern})")).map_err(|e| {
                            corrupt(format!("`{key}` holds no regular expression: {e}"))
                        })?;
                    let value = value.as_f64().ok_or_else(|| {
                        corrupt(format!("`{key}` holds a value that is no number"))
                    })?;
                    Ok((pattern, value))
                })
                .collect()
        };
        Ok(Self {
            r: r as usize,
            lora_alpha,
            use_rslora: get("use_rslora").as_bool().unwrap_or(false),
            targets,
            rank_pattern: patterns("rank_pattern")?
                .into_iter()
                .map(|(p, r)| (p, r as usize))
                .collect(),
            alpha_pattern: patterns("alpha_pattern")?,
            origin: AdapterOrigin {
                base_model_name_or_path: get("base_model_name_or_path")
                    .as_str()
                    .unwrap_or("unknown")
                    .to_owned(),
                revision: get("revision").as_str().map(str::to_owned),
            },
            warnings,
        })
    }

    /// Rank and scale of one module.
    fn rank_and_scale(&self, module: &str) -> (usize, f64) {
        let path = format!("model.{module}");
        let rank = self
            .rank_pattern
            .iter()
            .find(|(pattern, _)| pattern.is_match(&path));
        let alpha = self
            .alpha_pattern
            .iter()
            .find(|(pattern, _)| pattern.is_match(&path));
        let r = rank.map_or(self.r, |&(_, r)| r);
        let alpha = alpha.map_or(self.lora_alpha, |&(_, alpha)| alpha);
        (r, LoraSettings::scale_of(r, alpha, self.use_rslora))
    }
}

fn whole_match(pattern: &str) -> Result<regex::Regex, regex::Error> {
    regex::Regex::new(&format!("^(?:{pattern})$"))
}

/// Shape and f32 values of each tensor, by module path and `lora_A` or `lora_B`.
fn read_tensors(
    bytes: &[u8],
    path: &Path,
) -> Result<BTreeMap<String, (Vec<usize>, Vec<f32>)>, AdapterError> {
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
    let name = name.strip_suffix(".weight").unwrap_or(name);
    for part in ["lora_A", "lora_B"] {
        if let Some(at) = name.find(&format!(".{part}.")) {
            return name[..=at + part.len()].to_owned();
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(config: &Value) -> Result<PeftSettings, AdapterError> {
        PeftSettings::parse(&config.to_string(), Path::new("adapter_config.json"))
    }

    fn config(extra: &[(&str, Value)]) -> Value {
        let mut config =
            json!({"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]});
        for (key, value) in extra {
            config[*key] = value.clone();
        }
        config
    }

    #[test]
    fn target_modules_match_as_in_peft() {
        let check = |targets: Value, module: &str, expected: bool| {
            let settings = parse(&config(&[("target_modules", targets)])).expect("settings");
            assert_eq!(settings.targets.matches(module), expected, "{module}");
        };
        check(json!(["q_proj"]), "layers.0.self_attn.q_proj", true);
        check(
            json!(["self_attn.q_proj"]),
            "layers.0.self_attn.q_proj",
            true,
        );
        check(json!(["proj"]), "layers.0.self_attn.q_proj", false);
        check(
            json!(r".*\.self_attn\.(q|v)_proj"),
            "layers.0.self_attn.v_proj",
            true,
        );
        check(
            json!(r"self_attn\.q_proj"),
            "layers.0.self_attn.q_proj",
            false,
        );
        check(json!("all-linear"), "layers.9.mlp.down_proj", true);
    }

    #[test]
    fn patterns_override_rank_and_alpha() {
        let settings = parse(&config(&[
            ("rank_pattern", json!({"q_proj": 4})),
            ("alpha_pattern", json!({r"layers\.1\.self_attn\.q_proj": 2})),
        ]))
        .expect("settings");
        assert_eq!(
            settings.rank_and_scale("layers.0.self_attn.q_proj"),
            (4, 4.0)
        );
        assert_eq!(
            settings.rank_and_scale("layers.1.self_attn.q_proj"),
            (4, 0.5)
        );
        assert_eq!(settings.rank_and_scale("layers.0.mlp.up_proj"), (8, 2.0));
    }

    #[test]
    fn rslora_scales_by_the_root_of_the_rank() {
        let settings =
            parse(&config(&[("r", json!(16)), ("use_rslora", json!(true))])).expect("settings");
        assert_eq!(settings.rank_and_scale("layers.0.mlp.up_proj"), (16, 4.0));
    }

    #[test]
    fn settings_that_would_be_lost_are_refused_and_unknown_ones_named() {
        for (key, value) in [
            ("use_dora", json!(true)),
            ("modules_to_save", json!(["lm_head"])),
            ("bias", json!("all")),
        ] {
            let error = parse(&config(&[(key, value)]))
                .err()
                .expect("refused")
                .to_string();
            assert!(error.contains(key), "{error}");
        }
        let settings = parse(&config(&[
            ("brand_new", json!(3)),
            ("megatron_config", json!(null)),
        ]))
        .expect("settings");
        assert_eq!(settings.warnings.len(), 1);
        assert!(settings.warnings[0].contains("brand_new"));
    }

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
    }
}
