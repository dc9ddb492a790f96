//! Reasons why an adapter that PEFT can use is refused here, as far as its files show them.

use std::path::Path;

use super::file::AdapterFile;
use super::settings::PeftSettings;
use super::{AdapterError, CONFIG_FILE, WEIGHTS_FILE};
use crate::config::ModelConfig;
use crate::lora::SavedModule;

/// Hint for an adapter that only PEFT can apply.
const MERGE_WITH_PEFT: &str =
    "merge the adapter into its base model with PEFT (`merge_and_unload`) and use the merged model";

/// Refuses an adapter whose tensors exist only as a pickle file.
pub(super) fn refuse_pickled(folder: &Path) -> Result<(), AdapterError> {
    let path = folder.join("adapter_model.bin");
    if folder.join(WEIGHTS_FILE).exists() || !path.is_file() {
        return Ok(());
    }
    Err(AdapterError::Refused {
        path: path.display().to_string(),
        problem: "a pickle file, which is not read since it can run code".to_owned(),
        hint: format!(
            "save it as safetensors: cd {} && python -c \"import torch; from safetensors.torch import save_file; \
             save_file({{k: v.clone() for k, v in torch.load('adapter_model.bin', map_location='cpu', \
             weights_only=True).items()}}, '{WEIGHTS_FILE}')\"",
            folder.display()
        ),
    })
}

/// Refuses an adapter of a base model whose vocabulary was resized, or with files of two trainings.
pub(super) fn refuse(
    file: &AdapterFile,
    settings: &PeftSettings,
    config: &ModelConfig,
) -> Result<(), AdapterError> {
    let cause = resized(file, config).or_else(|| unnamed_pair(file, settings));
    match cause {
        None => Ok(()),
        Some((problem, hint)) => Err(AdapterError::Refused {
            path: file.path().display().to_string(),
            problem,
            hint,
        }),
    }
}

/// A problem and its hint.
type Cause = (String, String);

/// Finds a weight of the embedding or the head with another number of rows than the base model's.
fn resized(file: &AdapterFile, config: &ModelConfig) -> Option<Cause> {
    SavedModule::ALL.into_iter().find_map(|module| {
        let name = module.name();
        let [rows, width] = module.shape(config);
        let places = [name.to_owned(), format!("{name}.base_layer")];
        let found = places.iter().find_map(|place| file.shape(place))?;
        let &[found, columns] = found else {
            return None;
        };
        if columns != width || found == rows {
            return None;
        }
        let problem = format!(
            "the adapter holds a weight for `{name}` with {found} rows, the base model has {rows}: its vocabulary was \
             resized (`resize_token_embeddings`) before the training, which is not supported here"
        );
        Some((problem, MERGE_WITH_PEFT.to_owned()))
    })
}

/// Finds a pair of the embedding or the head that the settings do not name.
fn unnamed_pair(file: &AdapterFile, settings: &PeftSettings) -> Option<Cause> {
    let is_named = |module: &SavedModule| settings.lora.vocabulary_pairs.contains(module);
    let mut modules = SavedModule::ALL.into_iter();
    let module = modules.find(|module| {
        let beginning = format!("{}.lora_", module.name());
        !is_named(module)
            && file
                .places()
                .any(|(place, _)| place.starts_with(&beginning))
    })?;
    let problem = format!(
        "the adapter holds LoRA for `{}`, which `target_modules` in {CONFIG_FILE} does not name",
        module.name()
    );
    let hint = "copy both files of the adapter again; they are of different trainings";
    Some((problem, hint.to_owned()))
}

/// The hint for an adapter whose tensors do not fit the base model.
pub(super) fn mismatch_hint(model: &str, trained_on: &str) -> String {
    if is_same_model(model, trained_on) {
        format!(
            "{CONFIG_FILE} names this model, `{trained_on}`: its files have changed since, or the adapter trains \
             modules that this program does not support; {MERGE_WITH_PEFT}"
        )
    } else {
        format!("{CONFIG_FILE} names `{trained_on}` as its base model")
    }
}

/// Whether two names denote the same model: a repository, or a folder with its name.
fn is_same_model(a: &str, b: &str) -> bool {
    let last = |name: &str| {
        let name = name.trim_end_matches('/');
        let name = name.rsplit(['/', '\\', ':']).next().unwrap_or(name);
        name.split('@').next().unwrap_or(name).to_lowercase()
    };
    last(a) == last(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_the_same_by_the_last_part_of_its_name() {
        for (a, b) in [
            ("M", "M"),
            ("./models/M/", "/tmp/M"),
            ("hf:Qwen/Qwen2.5-0.5B@main", "Qwen/Qwen2.5-0.5B"),
            ("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B"),
        ] {
            assert!(is_same_model(a, b), "{a}, {b}");
            let hint = mismatch_hint(a, b);
            assert!(!hint.contains("as its base model"), "{hint}");
        }
        assert!(!is_same_model("Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-1.5B"));
        let hint = mismatch_hint("tiny-llama", "example/tiny-qwen2");
        assert!(
            hint.contains("names `example/tiny-qwen2` as its base model"),
            "{hint}"
        );
    }
}
