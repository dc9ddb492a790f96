//! Conversion of the recipe's section `lora` into the settings of the model crate.

mod following;

use anyhow::Result;
use slm_cli::UserMistake;
use slm_config::{InitLoraWeights, ModuleToSave, Recipe, TargetModules};
use slm_model::{
    Init, LoraSettings, ModelConfig, PathPattern, PatternError, Restrictions, SavedModule, Targets,
};

use following::following;

/// Converts the recipe's LoRA section into the settings of the model crate, checked against `config`. With
/// `lora.init_from` they are those of that adapter.
///
/// # Errors
/// A pattern is not a valid regular expression, a name or pattern matches no layer of this model, or the recipe contradicts
/// the adapter that it starts from.
pub(crate) fn lora_settings(recipe: &Recipe, config: &ModelConfig) -> Result<LoraSettings> {
    if recipe.lora.init_from.is_some() {
        return following(recipe, config);
    }
    let settings = of_recipe(recipe)?;
    settings.check(config).map_err(|error| {
        let keys = match error {
            PatternError::NoSuchModule { .. } => "target_modules",
            PatternError::Tied(_) => "modules_to_save",
            PatternError::Malformed { .. } | PatternError::MatchesNothing(_) => {
                "rank_pattern` or `lora.alpha_pattern"
            }
        };
        wrong_choice(keys, &error)
    })?;
    Ok(settings)
}

/// Converts the recipe's LoRA section, unchecked but for the targets and the patterns' syntax.
///
/// # Errors
/// A pattern is not a valid regular expression.
pub(crate) fn of_recipe(recipe: &Recipe) -> Result<LoraSettings> {
    let slm_config::Lora {
        init_from: _,
        r,
        lora_alpha,
        lora_dropout,
        target_modules,
        use_rslora,
        use_dora,
        init_lora_weights,
        modules_to_save,
        rank_pattern,
        alpha_pattern,
        loraplus_lr_ratio: _,
    } = &recipe.lora;
    let targets = match target_modules {
        TargetModules::AllLinear => Ok(Targets::AllLinear),
        TargetModules::Listed(modules) => {
            let names = modules.iter().map(|module| module.as_str().to_owned());
            Ok(Targets::Named(names.collect()))
        }
        TargetModules::Matching(pattern) => PathPattern::new(pattern).map(Targets::Matching),
    };
    let targets = targets.map_err(|error| wrong_choice("target_modules", &error))?;
    let whole = modules_to_save.iter().map(|module| match module {
        ModuleToSave::EmbedTokens => SavedModule::EmbedTokens,
        ModuleToSave::LmHead => SavedModule::LmHead,
    });
    let settings = LoraSettings {
        r: *r,
        lora_alpha: *lora_alpha as f64,
        lora_dropout: *lora_dropout,
        use_rslora: *use_rslora,
        use_dora: *use_dora,
        lora_bias: false,
        init: match init_lora_weights {
            InitLoraWeights::Default => Init::Uniform,
            InitLoraWeights::Pissa => Init::Pissa,
        },
        targets,
        restrictions: Restrictions::default(),
        vocabulary_pairs: Vec::new(),
        token_indices: Vec::new(),
        modules_to_save: whole.collect(),
        rank_pattern: rank_pattern.iter().map(|(p, &r)| (p.clone(), r)).collect(),
        alpha_pattern: alpha_pattern
            .iter()
            .map(|(p, &alpha)| (p.clone(), alpha as f64))
            .collect(),
    };
    settings
        .check_patterns()
        .map_err(|error| wrong_choice("rank_pattern` or `lora.alpha_pattern", &error))?;
    Ok(settings)
}

/// Explains what is wrong with a key that selects layers.
fn wrong_choice(key: &str, error: &PatternError) -> UserMistake {
    let hint = match error {
        PatternError::Malformed { .. } => "look-around and back-references are not supported",
        PatternError::NoSuchModule { .. } => {
            "a name in a list matches the end of a path, a regular expression the whole path"
        }
        PatternError::MatchesNothing(_) => {
            "a pattern matches the end of a path such as model.layers.0.self_attn.q_proj"
        }
        PatternError::Tied(_) => "remove `lora.modules_to_save`, and raise `lora.r` instead",
    };
    UserMistake(format!("`lora.{key}`: {error}\nhint: {hint}"))
}
