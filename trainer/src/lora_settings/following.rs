//! Settings that follow the adapter of `lora.init_from`, and keys of the recipe that contradict it.

use anyhow::Result;
use slm_cli::UserMistake;
use slm_config::Recipe;
use slm_model::{Adapter, Init, LoraSettings, ModelConfig, Restrictions, Targets};

use super::of_recipe;

/// Most characters of a value in a message.
const MOST_SHOWN: usize = 60;

/// The settings of a training that starts from an adapter: the adapter's, with the recipe's dropout.
///
/// # Errors
/// The adapter's settings cannot be read, or a key that the recipe names contradicts them.
pub(super) fn following(recipe: &Recipe, config: &ModelConfig) -> Result<LoraSettings> {
    let Some(init_from) = &recipe.lora.init_from else {
        return of_recipe(recipe);
    };
    let adapter = Adapter::settings(&init_from.path)?.lora;
    let own = of_recipe(recipe)?;
    let contradictions: Vec<String> = init_from
        .named()
        .iter()
        .filter(|key| !agrees(key, &own, &adapter, config))
        .map(|key| {
            let (ours, theirs) = (shown(key, &own), shown(key, &adapter));
            format!("  `lora.{key}` is {ours}, the adapter's is {theirs}")
        })
        .collect();
    if contradictions.is_empty() {
        return Ok(LoraSettings {
            lora_dropout: own.lora_dropout,
            ..adapter
        });
    }
    let text = format!(
        "the recipe contradicts {}, the adapter of `lora.init_from`\n{}\n\
         hint: remove these keys, which follow the adapter; or remove `lora.init_from` to train a new adapter",
        init_from.path.display(),
        contradictions.join("\n")
    );
    Err(UserMistake(text).into())
}

/// Whether the adapter would have the same shape with the recipe's value of a key.
fn agrees(key: &str, own: &LoraSettings, adapter: &LoraSettings, config: &ModelConfig) -> bool {
    let mut with = adapter.clone();
    match key {
        "r" => with.r = own.r,
        "lora_alpha" => with.lora_alpha = own.lora_alpha,
        "target_modules" => {
            with.targets = own.targets.clone();
            with.restrictions = Restrictions::default();
        }
        "use_rslora" => with.use_rslora = own.use_rslora,
        "use_dora" => return own.use_dora == adapter.use_dora,
        "init_lora_weights" => return own.init == Init::Uniform,
        "modules_to_save" => {
            let has = |module| own.modules_to_save.contains(module);
            let all = adapter.modules_to_save.iter().all(has);
            return all && own.modules_to_save.len() == adapter.modules_to_save.len();
        }
        "rank_pattern" => with.rank_pattern.clone_from(&own.rank_pattern),
        "alpha_pattern" => with.alpha_pattern.clone_from(&own.alpha_pattern),
        _ => return false,
    }
    with.pairs(config) == adapter.pairs(config)
}

/// A value for a message.
fn shown(key: &str, lora: &LoraSettings) -> String {
    let text = match key {
        "r" => lora.r.to_string(),
        "lora_alpha" => lora.lora_alpha.to_string(),
        "target_modules" => match &lora.targets {
            Targets::AllLinear => "all-linear".to_owned(),
            Targets::Named(names) => format!("[{}]", names.join(", ")),
            Targets::Matching(pattern) => pattern.as_str().to_owned(),
        },
        "use_rslora" => lora.use_rslora.to_string(),
        "use_dora" => lora.use_dora.to_string(),
        "init_lora_weights" => match lora.init {
            Init::Uniform => "plain LoRA".to_owned(),
            Init::Pissa => "pissa".to_owned(),
        },
        "modules_to_save" => {
            let names = lora.modules_to_save.iter().map(|module| module.name());
            format!("[{}]", names.collect::<Vec<_>>().join(", "))
        }
        "rank_pattern" => format!("{:?}", lora.rank_pattern),
        _ => format!("{:?}", lora.alpha_pattern),
    };
    if text.chars().count() <= MOST_SHOWN {
        return text;
    }
    let start: String = text.chars().take(MOST_SHOWN).collect();
    format!("{start}...")
}
