//! `adapter_config.json`: how PEFT's settings are interpreted, and which ones would silently change the result.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

use super::{AdapterError, AdapterOrigin};
use crate::lora::{
    Init, LayersToTransform, LoraSettings, Patterns, Restrictions, SavedModule, Shapes,
};
use crate::target::{PathPattern, Targets};

/// Settings that change the result and are not supported, unless they have PEFT's default.
const UNSUPPORTED: [&str; 10] = [
    "fan_in_fan_out",
    "layer_replication",
    "target_parameters",
    "alora_invocation_tokens",
    "use_qalora",
    "use_bdlora",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
    "velora_config",
];

/// Hint for a setting that only PEFT knows.
const MERGE_WITH_PEFT: &str =
    "merge the adapter into its base model with PEFT and use the merged model";

/// Prefixes of `init_lora_weights` for initializations that modify the base model's weights. Such an adapter fits only
/// the modified weights, unless PEFT converted it when saving, which sets `init_lora_weights` to `true`.
const STARTS_WITHIN_WEIGHTS: [&str; 5] = ["pissa", "olora", "corda", "loftq", "lora_ga"];

/// Name of the base model of an adapter that names none.
pub(super) const UNKNOWN_BASE: &str = "unknown";
/// Maximum rank: no linear layer is wider.
const MAX_RANK: u32 = 1 << 20;
/// Maximum number of rank or alpha patterns. PEFT writes at most one per linear layer, and large models have 600.
const MAX_PATTERNS: usize = 1024;

/// Reads `target_modules` or `exclude_modules`, or returns what is wrong with it.
fn read_targets(key: &str, value: &Value) -> Result<Targets, String> {
    match value {
        Value::String(name) if name == "all-linear" && key == "target_modules" => {
            Ok(Targets::AllLinear)
        }
        Value::String(pattern) => PathPattern::new(pattern)
            .map(Targets::Matching)
            .map_err(|e| format!("`{key}`: {e}")),
        Value::Array(names) => {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned));
            let names: Option<Vec<String>> = names.collect();
            let names = names.ok_or(format!("`{key}` contains a value that is not a string"))?;
            Ok(Targets::Named(names))
        }
        _ => Err(format!("`{key}` is neither a list nor a string")),
    }
}

/// Reads the tokens whose rows are trained, or returns what is wrong with them.
fn read_tokens(value: &Value) -> Result<Vec<(SavedModule, Vec<usize>)>, String> {
    let key = "trainable_token_indices";
    let list = |value: &Value| -> Result<Vec<usize>, String> {
        let wrong = format!("`{key}` contains a value that is not a list of tokens");
        let index = |value: &Value| value.as_u64().and_then(|index| usize::try_from(index).ok());
        let tokens: Option<Vec<usize>> = value
            .as_array()
            .and_then(|list| list.iter().map(index).collect());
        let tokens = tokens.filter(|tokens| !tokens.is_empty()).ok_or(wrong)?;
        let distinct: BTreeSet<usize> = tokens.iter().copied().collect();
        if distinct.len() < tokens.len() {
            return Err(format!("`{key}` contains a token twice"));
        }
        Ok(tokens)
    };
    match value {
        value if is_unset(key, value) => Ok(Vec::new()),
        Value::Object(modules) => {
            let read = |(name, tokens): (&String, &Value)| {
                let last = name.rsplit('.').next().unwrap_or(name);
                let module = SavedModule::from_name(last).ok_or_else(|| {
                    format!("`{key}` names `{name}`, expected embed_tokens or lm_head")
                })?;
                Ok((module, list(tokens)?))
            };
            modules.iter().map(read).collect()
        }
        value => Ok(vec![(SavedModule::EmbedTokens, list(value)?)]),
    }
}

/// Reads the layers that get pairs, or returns what is wrong with them.
fn read_layers(fields: &Map<String, Value>) -> Result<Option<LayersToTransform>, String> {
    let get = |key: &str| fields.get(key).filter(|value| !is_unset(key, value));
    let patterns = match get("layers_pattern") {
        None => Vec::new(),
        Some(Value::String(pattern)) if pattern.is_empty() => Vec::new(),
        Some(Value::String(pattern)) => vec![pattern.clone()],
        Some(value) => {
            let texts = value.as_array().filter(|list| list.len() <= MAX_PATTERNS);
            let texts = texts.and_then(|list| {
                let texts = list.iter().map(|item| item.as_str().map(str::to_owned));
                texts.collect::<Option<Vec<String>>>()
            });
            texts.ok_or("`layers_pattern` is neither a string nor a short list of strings")?
        }
    };
    let Some(layers) = get("layers_to_transform") else {
        if patterns.is_empty() {
            return Ok(None);
        }
        return Err("`layers_pattern` is set without `layers_to_transform`".to_owned());
    };
    if fields.get("target_modules").is_some_and(Value::is_string) {
        let text = "`layers_to_transform` is set although `target_modules` is a pattern, which already selects layers";
        return Err(text.to_owned());
    }
    let wrong = "`layers_to_transform` is neither the index of a layer nor a list of them";
    let index = |value: &Value| value.as_u64().and_then(|index| usize::try_from(index).ok());
    let indices = match layers {
        Value::Array(list) => list.iter().map(index).collect::<Option<Vec<usize>>>(),
        one => index(one).map(|index| vec![index]),
    };
    LayersToTransform::new(indices.ok_or(wrong)?, patterns)
        .map(Some)
        .map_err(|error| format!("`layers_pattern`: {error}"))
}

/// The settings of `adapter_config.json` that affect the result.
pub(super) struct PeftSettings {
    /// The adapter's shape, with `Init::Uniform`.
    pub(super) lora: LoraSettings,
    shapes: Shapes,
    pub(super) origin: AdapterOrigin,
    pub(super) warnings: Vec<String>,
}

/// Keys that are read, or that do not affect the result: origin of an adapter and how it was initialized.
const KNOWN: [&str; 28] = [
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
    "modules_to_save",
    "use_rslora",
    "use_dora",
    "init_lora_weights",
    "rank_pattern",
    "alpha_pattern",
    "auto_mapping",
    "peft_version",
    "lora_bias",
    "trainable_token_indices",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "loftq_config",
    "eva_config",
    "corda_config",
    "lora_ga_config",
    "ensure_weight_tying",
];

/// Whether a value leaves a feature off: null, false, empty, or what PEFT 0.18 to 0.21 write for a key that nobody
/// set.
fn is_unset(key: &str, value: &Value) -> bool {
    match (key, value) {
        (_, Value::Null | Value::Bool(false)) => true,
        (_, Value::Array(items)) => items.is_empty(),
        (_, Value::Object(fields)) => fields.is_empty(),
        ("megatron_core", Value::String(module)) => module == "megatron.core",
        ("qalora_group_size", Value::Number(size)) => size.as_u64() == Some(16),
        _ => false,
    }
}

/// Reads the modules that are trained in full; `None` if one of them is unknown.
fn whole_modules(value: &Value) -> Option<Vec<SavedModule>> {
    let names = value.as_array()?.iter();
    names
        .map(|name| SavedModule::from_name(name.as_str()?))
        .collect()
}

/// Returns the first setting that would silently change the result, with a hint.
fn unsupported(fields: &Map<String, Value>) -> Option<(&'static str, &'static str)> {
    let get = |key: &str| fields.get(key).unwrap_or(&Value::Null);
    if get("peft_type") != "LORA" {
        return Some(("peft_type", "only LORA adapters can be read"));
    }
    if !matches!(get("bias").as_str(), None | Some("none")) {
        return Some(("bias", MERGE_WITH_PEFT));
    }
    let start = get("init_lora_weights").as_str().unwrap_or_default();
    let start = start.to_lowercase();
    if STARTS_WITHIN_WEIGHTS
        .iter()
        .any(|name| start.starts_with(name))
    {
        let hint = "save the adapter with PEFT's `path_initial_model_for_weight_conversion`, which makes it plain LoRA, \
                    or merge it with PEFT";
        return Some(("init_lora_weights", hint));
    }
    if !is_unset("modules_to_save", get("modules_to_save"))
        && whole_modules(get("modules_to_save")).is_none()
    {
        let hint = "only embed_tokens and lm_head are supported; merge the adapter into its base model with PEFT";
        return Some(("modules_to_save", hint));
    }
    if !is_unset("lora_bias", get("lora_bias")) && !is_unset("use_dora", get("use_dora")) {
        return Some(("lora_bias", "PEFT does not combine it with use_dora either"));
    }
    let mut keys = UNSUPPORTED.into_iter();
    let key = keys.find(|key| !is_unset(key, get(key)))?;
    Some((key, MERGE_WITH_PEFT))
}

/// Reads a rank.
fn rank(value: &Value) -> Option<usize> {
    // Some programs write integers as 8.0.
    let whole = value.as_f64().filter(|r| r.fract() == 0.0);
    whole
        .filter(|r| (1.0..=f64::from(MAX_RANK)).contains(r))
        .map(|r| r as usize)
}

/// Reads an alpha, the numerator of the scale.
fn alpha(value: &Value) -> Option<f64> {
    value.as_f64().filter(|alpha| (*alpha as f32).is_finite())
}

/// Reads a map from patterns to values, in its order.
fn patterns<V>(
    fields: &Map<String, Value>,
    key: &str,
    read: impl Fn(&Value) -> Option<V>,
) -> Result<Vec<(String, V)>, String> {
    let no_entries = Map::new();
    let entries = match fields.get(key) {
        None | Some(Value::Null) => &no_entries,
        Some(Value::Object(entries)) => entries,
        Some(_) => return Err(format!("`{key}` is not a map")),
    };
    if entries.len() > MAX_PATTERNS {
        let n = entries.len();
        return Err(format!(
            "`{key}` has {n} entries, expected at most {MAX_PATTERNS}"
        ));
    }
    let entries = entries.iter().map(|(pattern, value)| {
        let read =
            read(value).ok_or_else(|| format!("`{key}`: invalid value {value} for `{pattern}`"))?;
        Ok((pattern.clone(), read))
    });
    entries.collect()
}

/// Compiles the patterns of a map.
fn compiled<V: Copy>(key: &str, entries: &[(String, V)]) -> Result<Patterns<V>, String> {
    Patterns::new(entries).map_err(|error| format!("`{key}`: {error}"))
}

/// Reads which of the targets get no pair, or returns what is wrong with that.
fn read_restrictions(fields: &Map<String, Value>) -> Result<Restrictions, String> {
    let key = "exclude_modules";
    let excluded = fields.get(key).unwrap_or(&Value::Null);
    let exclude = if is_unset(key, excluded) || excluded == "" {
        None
    } else {
        Some(read_targets(key, excluded)?)
    };
    let layers = read_layers(fields)?;
    Ok(Restrictions { exclude, layers })
}

/// Returns which of embedding and head get a pair, or which setting is not supported beside it.
fn read_vocabulary_pairs(
    fields: &Map<String, Value>,
    targets: &Targets,
    restrictions: &Restrictions,
    modules_to_save: &[SavedModule],
) -> Result<Vec<SavedModule>, String> {
    // As in PEFT, a module that is trained in full gets no pair.
    let pairs: Vec<SavedModule> = SavedModule::ALL
        .into_iter()
        .filter(|module| !modules_to_save.contains(module))
        .filter(|module| targets.matches_path(module.path()))
        .filter(|module| restrictions.allow_path(targets, module.path()))
        .collect();
    let is_set = |key: &&str| fields.get(*key).is_some_and(|value| !is_unset(key, value));
    let mut keys = ["use_dora", "lora_bias", "ensure_weight_tying"].into_iter();
    match (pairs.first(), keys.find(is_set)) {
        (Some(module), Some(key)) => Err(format!(
            "`{key}` together with LoRA on `{}` is not supported",
            module.name()
        )),
        _ => Ok(pairs),
    }
}

impl PeftSettings {
    /// Reads the settings; `path` is for messages.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, AdapterError> {
        let shown = path.display().to_string();
        let corrupt = |problem: String| AdapterError::Corrupt {
            path: shown.clone(),
            problem,
        };
        let value: Value =
            serde_json::from_str(text).map_err(|e| corrupt(format!("not JSON: {e}")))?;
        let fields = value
            .as_object()
            .ok_or_else(|| corrupt("not a JSON object".to_owned()))?;
        let get = |key: &str| fields.get(key).unwrap_or(&Value::Null);

        if let Some((key, hint)) = unsupported(fields) {
            return Err(AdapterError::Unsupported {
                path: shown,
                key: key.to_owned(),
                value: get(key).to_string(),
                hint,
            });
        }
        let warnings = fields
            .iter()
            .filter(|(key, value)| {
                !KNOWN.contains(&key.as_str())
                    && !UNSUPPORTED.contains(&key.as_str())
                    && !is_unset(key, value)
            })
            .map(|(key, value)| format!("{shown}: `{key}` = {value} is unknown and ignored"))
            .collect();

        let r =
            rank(get("r")).ok_or_else(|| corrupt("`r` is not a positive integer".to_owned()))?;
        let lora_alpha = alpha(get("lora_alpha"))
            .ok_or_else(|| corrupt("`lora_alpha` is not a number".to_owned()))?;
        let targets = read_targets("target_modules", get("target_modules")).map_err(corrupt)?;
        let restrictions = read_restrictions(fields).map_err(corrupt)?;
        let token_indices = read_tokens(get("trainable_token_indices")).map_err(corrupt)?;
        let modules_to_save = whole_modules(get("modules_to_save")).unwrap_or_default();
        let vocabulary_pairs =
            read_vocabulary_pairs(fields, &targets, &restrictions, &modules_to_save);
        let vocabulary_pairs = vocabulary_pairs.map_err(|problem| AdapterError::Refused {
            path: shown.clone(),
            problem,
            hint: MERGE_WITH_PEFT.to_owned(),
        })?;
        let rank_pattern = patterns(fields, "rank_pattern", rank).map_err(corrupt)?;
        let ranks = compiled("rank_pattern", &rank_pattern).map_err(corrupt)?;
        let alpha_pattern = patterns(fields, "alpha_pattern", alpha).map_err(corrupt)?;
        let alphas = compiled("alpha_pattern", &alpha_pattern).map_err(corrupt)?;
        let flag = |key: &str| get(key).as_bool().unwrap_or(false);
        let use_rslora = flag("use_rslora");
        let dropout = get("lora_dropout").as_f64();
        Ok(Self {
            lora: LoraSettings {
                r,
                lora_alpha,
                lora_dropout: dropout
                    .filter(|rate| (0.0..1.0).contains(rate))
                    .unwrap_or(0.0),
                use_rslora,
                use_dora: flag("use_dora"),
                lora_bias: flag("lora_bias"),
                init: Init::Uniform,
                targets,
                restrictions,
                vocabulary_pairs,
                token_indices,
                modules_to_save,
                rank_pattern,
                alpha_pattern,
            },
            shapes: Shapes {
                r,
                lora_alpha,
                use_rslora,
                ranks,
                alphas,
            },
            origin: AdapterOrigin {
                base_model_name_or_path: get("base_model_name_or_path")
                    .as_str()
                    .unwrap_or(UNKNOWN_BASE)
                    .to_owned(),
                revision: get("revision").as_str().map(str::to_owned),
            },
            warnings,
        })
    }

    /// Rank and scale of a module.
    pub(super) fn rank_and_scale(&self, module: &str) -> (usize, f64) {
        self.shapes.rank_and_scale(module)
    }
}

#[cfg(test)]
mod tests;
