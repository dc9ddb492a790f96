//! `adapter_config.json`: what PEFT's settings mean here, and which ones would silently change the result.

use std::path::Path;

use serde_json::{Value, json};

use super::{AdapterError, AdapterOrigin};
use crate::lora::{LoraSettings, Patterns};

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

/// The settings of an adapter that is saved.
pub(super) fn config_json(settings: &LoraSettings, origin: &AdapterOrigin) -> Value {
    let targets: Vec<&str> = settings
        .targets
        .iter()
        .map(|target| target.name())
        .collect();
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": origin.base_model_name_or_path,
        "revision": origin.revision,
        "inference_mode": true,
        "r": settings.r,
        "lora_alpha": number(settings.lora_alpha),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": false,
        "target_modules": targets,
        "modules_to_save": null,
        "use_rslora": settings.use_rslora,
        "use_dora": false,
        "init_lora_weights": true,
        "rank_pattern": map_of(settings.rank_pattern.iter().map(|(p, r)| (p, json!(r)))),
        "alpha_pattern": map_of(settings.alpha_pattern.iter().map(|(p, a)| (p, number(*a)))),
    })
}

/// A number; whole ones as integers, as PEFT does and older readers expect.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 {
        json!(value as i64)
    } else {
        json!(value)
    }
}

/// Patterns as a JSON object, in their order.
fn map_of<'a>(entries: impl Iterator<Item = (&'a String, Value)>) -> Value {
    Value::Object(
        entries
            .map(|(pattern, value)| (pattern.clone(), value))
            .collect(),
    )
}

/// Which modules an adapter targets, as PEFT reads `target_modules`.
pub(super) enum Targets {
    AllLinear,
    /// A module matches by its whole path or by its last parts.
    Names(Vec<String>),
    /// The whole path, from `model.` on, must match.
    Pattern(regex::Regex),
}

impl Targets {
    /// Reads `target_modules`, or says what is wrong with it.
    fn parse(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(name) if name == "all-linear" => Ok(Self::AllLinear),
            Value::String(pattern) => whole_match(pattern)
                .map(Self::Pattern)
                .map_err(|e| format!("`target_modules` is no regular expression: {e}")),
            Value::Array(names) => {
                let names = names.iter().filter_map(Value::as_str);
                Ok(Self::Names(names.map(str::to_owned).collect()))
            }
            _ => Err("`target_modules` is neither a list nor a string".to_owned()),
        }
    }

    pub(super) fn matches(&self, module: &str) -> bool {
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
pub(super) struct PeftSettings {
    r: usize,
    lora_alpha: f64,
    use_rslora: bool,
    pub(super) targets: Targets,
    rank_pattern: Patterns<f64>,
    alpha_pattern: Patterns<f64>,
    pub(super) origin: AdapterOrigin,
    pub(super) warnings: Vec<String>,
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

/// The first setting that would silently change the result, and what to do about it.
fn unsupported(fields: &serde_json::Map<String, Value>) -> Option<(&'static str, &'static str)> {
    let get = |key: &str| fields.get(key).unwrap_or(&Value::Null);
    if get("peft_type") != "LORA" {
        return Some(("peft_type", "only LORA adapters can be read"));
    }
    if !matches!(get("bias").as_str(), None | Some("none")) {
        return Some(("bias", "train the adapter with bias \"none\""));
    }
    let key = UNSUPPORTED.into_iter().find(|key| !is_unset(get(key)))?;
    let hint = "merge the adapter into its base model with PEFT and use that";
    Some((key, hint))
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
        let targets = Targets::parse(get("target_modules")).map_err(corrupt)?;
        let patterns = |key: &str| -> Result<Vec<(String, f64)>, AdapterError> {
            let entries = get(key).as_object().into_iter().flatten();
            entries
                .map(|(pattern, value)| {
                    let value = value.as_f64().ok_or_else(|| {
                        corrupt(format!("`{key}` holds a value that is no number"))
                    })?;
                    Ok((pattern.clone(), value))
                })
                .collect()
        };
        let compiled = |key: &str| -> Result<Patterns<f64>, AdapterError> {
            Patterns::new(&patterns(key)?).map_err(|e| corrupt(format!("`{key}`: {e}")))
        };
        Ok(Self {
            r: r as usize,
            lora_alpha,
            use_rslora: get("use_rslora").as_bool().unwrap_or(false),
            targets,
            rank_pattern: compiled("rank_pattern")?,
            alpha_pattern: compiled("alpha_pattern")?,
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
    pub(super) fn rank_and_scale(&self, module: &str) -> (usize, f64) {
        let rank = self.rank_pattern.value(module);
        let r = rank.map_or(self.r, |r| r as usize);
        let alpha = self.alpha_pattern.value(module).unwrap_or(self.lora_alpha);
        (r, LoraSettings::scale_of(r, alpha, self.use_rslora))
    }
}

fn whole_match(pattern: &str) -> Result<regex::Regex, regex::Error> {
    regex::Regex::new(&format!("^(?:{pattern})$"))
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
}
