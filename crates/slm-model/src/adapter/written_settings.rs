//! `adapter_config.json` as it is written: an adapter's settings under PEFT's names.

use serde_json::{Map, Value, json};
use slm_artifacts::{AdapterConfig, TargetModules, whole_or_float};

use super::AdapterOrigin;
use crate::lora::{Adapter, Init, LoraSettings, SavedModule};
use crate::target::{Target, Targets};

/// Returns the settings to save for an adapter.
pub(super) fn config_of(
    adapter: &Adapter,
    settings: &LoraSettings,
    origin: &AdapterOrigin,
) -> AdapterConfig {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let target_modules = target_modules(&settings.targets, adapter);
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
        other: rarely_set(settings, adapter),
    }
}

/// Writes a choice of modules.
fn target_modules(targets: &Targets, adapter: &Adapter) -> TargetModules {
    match targets {
        // By name, since not every reader knows `all-linear`.
        Targets::AllLinear => {
            let mut all: Vec<Target> = adapter.pairs().map(|(_, target, _)| target).collect();
            all.sort_unstable();
            all.dedup();
            let names = all.into_iter().map(|target| target.name().to_owned());
            TargetModules::Names(names.collect())
        }
        Targets::Named(names) => TargetModules::Names(names.clone()),
        Targets::Matching(pattern) => TargetModules::Pattern(pattern.as_str().to_owned()),
    }
}

/// The settings that only adapters of other programs have, and adapters trained further from these.
fn rarely_set(settings: &LoraSettings, adapter: &Adapter) -> Map<String, Value> {
    let mut other = Map::new();
    if settings.lora_bias {
        other.insert("lora_bias".to_owned(), json!(true));
    }
    match &settings.token_indices[..] {
        [] => {}
        [(SavedModule::EmbedTokens, tokens)] => {
            other.insert("trainable_token_indices".to_owned(), json!(tokens));
        }
        all => {
            let all = all.iter();
            let all: Map<String, Value> = all
                .map(|(module, tokens)| (module.name().to_owned(), json!(tokens)))
                .collect();
            other.insert("trainable_token_indices".to_owned(), Value::Object(all));
        }
    }
    if let Some(exclude) = &settings.restrictions.exclude {
        other.insert(
            "exclude_modules".to_owned(),
            json!(target_modules(exclude, adapter)),
        );
    }
    if let Some(layers) = &settings.restrictions.layers {
        other.insert("layers_to_transform".to_owned(), json!(layers.indices()));
        if !layers.patterns().is_empty() {
            other.insert("layers_pattern".to_owned(), json!(layers.patterns()));
        }
    }
    other
}
