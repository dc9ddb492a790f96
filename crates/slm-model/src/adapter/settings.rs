//! `adapter_config.json`: how PEFT's settings are interpreted, and which ones would silently change the result.

use std::path::Path;

use serde_json::{Map, Value};
use slm_artifacts::{AdapterConfig, TargetModules, whole_or_float};

use super::{AdapterError, AdapterOrigin};
use crate::lora::{Adapter, Init, LoraSettings, Patterns, SavedModule, Shapes};
use crate::target::{PathPattern, Target, Targets};

/// Settings that change the result and are not supported, unless they have PEFT's default.
const UNSUPPORTED: [&str; 14] = [
    "lora_bias",
    "fan_in_fan_out",
    "layers_to_transform",
    "layer_replication",
    "exclude_modules",
    "trainable_token_indices",
    "target_parameters",
    "alora_invocation_tokens",
    "use_qalora",
    "use_bdlora",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
    "velora_config",
];

/// Prefixes of `init_lora_weights` for initializations that modify the base model's weights. Such an adapter fits only
/// the modified weights, unless PEFT converted it when saving, which sets `init_lora_weights` to `true`.
const STARTS_WITHIN_WEIGHTS: [&str; 5] = ["pissa", "olora", "corda", "loftq", "lora_ga"];

/// Maximum rank: no linear layer is wider.
const MAX_RANK: u32 = 1 << 20;
/// Maximum number of rank or alpha patterns. PEFT writes at most one per linear layer, and large models have 600.
const MAX_PATTERNS: usize = 1024;

/// Returns the settings to save for an adapter.
pub(super) fn config_of(
    adapter: &Adapter,
    settings: &LoraSettings,
    origin: &AdapterOrigin,
) -> AdapterConfig {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let target_modules = match &settings.targets {
        // By name, since not every reader knows `all-linear`.
        Targets::AllLinear => {
            let mut all: Vec<Target> = adapter.pairs().map(|(_, target, _)| target).collect();
            all.sort_unstable();
            all.dedup();
            let all: Vec<&str> = all.into_iter().map(Target::name).collect();
            TargetModules::Names(names(&all))
        }
        Targets::Named(names) => TargetModules::Names(names.clone()),
        Targets::Matching(pattern) => TargetModules::Pattern(pattern.as_str().to_owned()),
    };
    // A `PiSSA` adapter is saved with twice the rank (see `Init::Pissa`); alpha grows so that the scale is the same.
    let (ranks, alphas) = match (settings.init, settings.use_rslora) {
        (Init::Uniform, _) => (1, 1.0),
        (Init::Pissa, false) => (2, 2.0),
        (Init::Pissa, true) => (2, f64::sqrt(2.0)),
    };
    let whole = settings.modules_to_save.iter().map(|module| module.name());
    let whole: Vec<&str> = whole.collect();
    let rank_pattern = settings.rank_pattern.iter();
    let alpha_pattern = settings.alpha_pattern.iter();
    AdapterConfig {
        peft_type: "LORA".to_owned(),
        task_type: Some("CAUSAL_LM".to_owned()),
        base_model_name_or_path: Some(origin.base_model_name_or_path.clone()),
        revision: origin.revision.clone(),
        inference_mode: true,
        r: ranks * settings.r,
        lora_alpha: alphas * settings.lora_alpha,
        lora_dropout: settings.lora_dropout,
        bias: "none".to_owned(),
        fan_in_fan_out: false,
        target_modules,
        modules_to_save: (!whole.is_empty()).then(|| names(&whole)),
        use_rslora: settings.use_rslora,
        use_dora: settings.use_dora,
        init_lora_weights: true.into(),
        rank_pattern: rank_pattern
            .map(|(pattern, r)| (pattern.clone(), (ranks * r).into()))
            .collect(),
        alpha_pattern: alpha_pattern
            .map(|(pattern, alpha)| (pattern.clone(), whole_or_float(alphas * alpha)))
            .collect(),
        other: Map::new(),
    }
}

/// Reads `target_modules`, or returns what is wrong with it.
fn read_targets(value: &Value) -> Result<Targets, String> {
    match value {
        Value::String(name) if name == "all-linear" => Ok(Targets::AllLinear),
        Value::String(pattern) => PathPattern::new(pattern)
            .map(Targets::Matching)
            .map_err(|e| format!("`target_modules`: {e}")),
        Value::Array(names) => {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned));
            let names: Option<Vec<String>> = names.collect();
            let names = names.ok_or("`target_modules` contains a value that is not a string")?;
            Ok(Targets::Named(names))
        }
        _ => Err("`target_modules` is neither a list nor a string".to_owned()),
    }
}

/// The settings of `adapter_config.json` that affect the result.
pub(super) struct PeftSettings {
    shapes: Shapes,
    pub(super) use_dora: bool,
    pub(super) modules_to_save: Vec<SavedModule>,
    pub(super) targets: Targets,
    pub(super) origin: AdapterOrigin,
    pub(super) warnings: Vec<String>,
}

/// Keys that are read, or that do not affect the result: origin of an adapter and how it was initialized.
const KNOWN: [&str; 24] = [
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
        return Some(("bias", "train the adapter with bias \"none\""));
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
    let mut keys = UNSUPPORTED.into_iter();
    let key = keys.find(|key| !is_unset(key, get(key)))?;
    let hint = "merge the adapter into its base model with PEFT and use the merged model";
    Some((key, hint))
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
fn patterns<V: Copy>(
    fields: &Map<String, Value>,
    key: &str,
    read: impl Fn(&Value) -> Option<V>,
) -> Result<Patterns<V>, String> {
    let entries = match fields.get(key) {
        None | Some(Value::Null) => return Patterns::new(&[]).map_err(|e| e.to_string()),
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
    let entries: Vec<(String, V)> = entries.collect::<Result<_, String>>()?;
    Patterns::new(&entries).map_err(|error| format!("`{key}`: {error}"))
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
        let targets = read_targets(get("target_modules")).map_err(corrupt)?;
        let ranks = patterns(fields, "rank_pattern", rank).map_err(corrupt);
        let alphas = patterns(fields, "alpha_pattern", alpha).map_err(corrupt);
        let flag = |key: &str| get(key).as_bool().unwrap_or(false);
        Ok(Self {
            shapes: Shapes {
                r,
                lora_alpha,
                use_rslora: flag("use_rslora"),
                ranks: ranks?,
                alphas: alphas?,
            },
            use_dora: flag("use_dora"),
            modules_to_save: whole_modules(get("modules_to_save")).unwrap_or_default(),
            targets,
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

    /// Rank and scale of a module.
    pub(super) fn rank_and_scale(&self, module: &str) -> (usize, f64) {
        self.shapes.rank_and_scale(module)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::mutants;
    use serde_json::json;

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
    fn target_modules_are_a_word_a_list_or_a_pattern() {
        let check = |targets: Value, expected: [bool; 2]| {
            let settings = parse(&config(&[("target_modules", targets)])).expect("settings");
            let modules = ["layers.0.self_attn.q_proj", "layers.9.mlp.down_proj"];
            assert_eq!(modules.map(|m| settings.targets.matches(m)), expected);
        };
        check(json!("all-linear"), [true, true]);
        check(json!(["q_proj", "0.down_proj"]), [true, false]);
        check(json!(r".*\.(up|down)_proj"), [false, true]);
        let look_around = config(&[("target_modules", json!("(?!x).*"))]);
        let error = parse(&look_around).err().expect("refused").to_string();
        assert!(
            error.contains("is not a valid regular expression"),
            "{error}"
        );
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
            ("init_lora_weights", json!("pissa_niter_16")),
            ("modules_to_save", json!(["lm_head", "norm"])),
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

    /// No warning for what PEFT 0.18.1 and 0.21.2 write for keys that nobody has set.
    #[test]
    fn only_values_that_are_not_pefts_defaults_are_named() {
        let defaults = [
            ("megatron_core", json!("megatron.core")),
            ("qalora_group_size", json!(16)),
            ("ensure_weight_tying", json!(false)),
            ("kasa_config", json!(null)),
            ("eva_config", json!({"rho": 2.0})),
        ];
        let settings = parse(&config(&defaults)).expect("settings");
        assert_eq!(settings.warnings, [""; 0]);
        let changed = [
            ("megatron_core", json!("other.core")),
            ("qalora_group_size", json!(32)),
        ];
        let settings = parse(&config(&changed)).expect("settings");
        assert_eq!(settings.warnings.len(), 2, "{:?}", settings.warnings);
        for key in ["kasa_config", "arrow_config", "monteclora_config"] {
            let error = parse(&config(&[(key, json!({"beta": 1}))]));
            let error = error.err().expect("refused").to_string();
            assert!(
                error.contains(key) && error.contains("with PEFT"),
                "{error}"
            );
        }
    }

    #[test]
    fn values_that_mean_nothing_are_refused_and_not_rounded() {
        for (key, value) in [
            ("r", json!(0)),
            ("r", json!(-8)),
            ("r", json!(4.5)),
            ("r", json!(1e18)),
            ("lora_alpha", json!("16")),
            ("lora_alpha", json!(1e300)),
            ("target_modules", json!(["q_proj", 3])),
            ("target_modules", json!(null)),
            ("rank_pattern", json!({"q_proj": 0})),
            ("rank_pattern", json!({"q_proj": 2.5})),
            ("rank_pattern", json!([4])),
            ("alpha_pattern", json!({"q_proj": null})),
            ("rank_pattern", json!({"(": 2})),
            ("rank_pattern", json!({"(a{1000}){1000}": 2})),
        ] {
            let error = parse(&config(&[(key, value.clone())])).err();
            let text = error
                .unwrap_or_else(|| panic!("{key}: {value}"))
                .to_string();
            assert!(text.contains(&format!("`{key}`")), "{text}");
        }
        // One pattern per linear layer of a large model, as PEFT writes them, is not too many.
        let of_llama = &Target::ALL[..7];
        let all =
            (0..80).flat_map(|layer| of_llama.iter().map(move |target| target.module_path(layer)));
        let all: Map<String, Value> = all
            .map(|module| (format!("model.{module}").replace('.', r"\."), json!(2)))
            .collect();
        parse(&config(&[("rank_pattern", Value::Object(all))])).expect("settings");
        // Patterns that are each within their own bound can exceed the total: here 1,000 of 200 kB.
        let large: Map<String, Value> = (0..1000)
            .map(|i| (format!("(a{{900}}){{9}}{i}"), json!(2)))
            .collect();
        let error = parse(&config(&[("rank_pattern", Value::Object(large))]));
        assert!(error.is_err_and(|error| error.to_string().contains("size limit")));
        let many: Map<String, Value> = (0..=MAX_PATTERNS)
            .map(|i| (format!("layers.{i}"), json!(2)))
            .collect();
        let error = parse(&config(&[("rank_pattern", Value::Object(many))]));
        let error = error.err().expect("refused").to_string();
        assert!(
            error.contains("1025 entries, expected at most 1024"),
            "{error}"
        );
    }

    #[test]
    fn mutated_files_end_in_an_error_or_settings_but_never_in_a_panic() {
        let whole = config(&[
            ("rank_pattern", json!({r"layers\.1\..*q_proj": 4})),
            ("alpha_pattern", json!({"k_proj": 2.5})),
            ("modules_to_save", json!(["lm_head"])),
            ("use_rslora", json!(true)),
        ]);
        let mut accepted = 0;
        for bytes in mutants(whole.to_string().as_bytes(), 17, 1_500) {
            let text = String::from_utf8_lossy(&bytes);
            let Ok(settings) = PeftSettings::parse(&text, Path::new("adapter_config.json")) else {
                continue;
            };
            accepted += 1;
            let (r, scale) = settings.rank_and_scale("layers.1.self_attn.q_proj");
            assert!(r > 0 && (scale as f32).is_finite(), "{text}");
        }
        assert!(accepted > 100, "{accepted} mutants were accepted");
        let deep = format!(
            r#"{{"peft_type":"LORA","eva_config":{}"#,
            "[".repeat(100_000)
        );
        let error = PeftSettings::parse(&deep, Path::new("adapter_config.json"));
        assert!(error.is_err_and(|error| error.to_string().len() < 1_000));
    }
}
