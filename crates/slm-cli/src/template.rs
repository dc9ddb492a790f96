//! The chat template of a recipe, and its comparison with the one that an adapter learned.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use slm_artifacts::{AdapterFolder, ChatTemplateRecord};
use slm_config::TemplateValue;
use slm_model::{ChatTemplate, Tokenizer, Weights};

use crate::exit::UserMistake;

/// Maximum size of a template file in bytes; templates are checked again when they are compiled.
const MAX_BYTES: u64 = 1 << 20;

/// What a recipe sets about the chat template.
#[derive(Debug, Clone, Default)]
pub(crate) struct TemplateSettings {
    path: Option<PathBuf>,
    kwargs: BTreeMap<String, Value>,
}

impl TemplateSettings {
    pub(crate) fn of(section: &slm_config::Model) -> Self {
        Self {
            path: section.chat_template.clone(),
            kwargs: template_kwargs(section),
        }
    }

    /// Returns the recipe's template, or else the model's, with the recipe's variables.
    ///
    /// # Errors
    /// The recipe's file is missing, or a template is broken.
    pub(crate) fn template(
        &self,
        weights: &Weights,
        tokenizer: &Tokenizer,
    ) -> Result<ChatTemplate> {
        let template = match &self.path {
            Some(path) => {
                let source = read_template(path)?;
                let template = weights.other_chat_template(&source);
                template.map_err(|error| {
                    let cause = std::error::Error::source(&error)
                        .map_or_else(|| error.to_string(), ToString::to_string);
                    UserMistake(format!(
                        "`model.chat_template`: {}: {cause}",
                        path.display()
                    ))
                })?
            }
            None => weights
                .chat_template()
                .context("cannot read the chat template")?
                .unwrap_or_else(|| ChatTemplate::for_vocabulary(tokenizer)),
        };
        Ok(template.with_kwargs(self.kwargs.clone()))
    }
}

/// Reads the file of `model.chat_template`.
///
/// # Errors
/// It is missing, too large or not UTF-8.
pub fn read_template(path: &Path) -> Result<String> {
    let mistake = |problem: String| UserMistake(format!("`model.chat_template`: {problem}"));
    let shown = path.display();
    let size = fs::metadata(path).map_err(|error| {
        mistake(format!(
            "cannot read {shown}: {error}\n\
             hint: name a file with a Jinja template; an adapter keeps a copy as {}",
            AdapterFolder::CHAT_TEMPLATE
        ))
    })?;
    if size.len() > MAX_BYTES || !size.is_file() {
        return Err(mistake(format!(
            "{shown}: expected a file of at most {MAX_BYTES} bytes"
        ))
        .into());
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    String::from_utf8(bytes).map_err(|_| mistake(format!("{shown}: not UTF-8")).into())
}

/// Returns the variables of a recipe's `model.chat_template_kwargs` as JSON.
pub fn template_kwargs(section: &slm_config::Model) -> BTreeMap<String, Value> {
    let value = |value: &TemplateValue| match value {
        TemplateValue::Bool(value) => Value::from(*value),
        TemplateValue::Int(value) => Value::from(*value),
        TemplateValue::Text(value) => Value::from(value.as_str()),
    };
    let kwargs = section.chat_template_kwargs.iter();
    kwargs
        .map(|(name, given)| (name.clone(), value(given)))
        .collect()
}

/// Describes a template for `training.json`.
pub fn template_record(template: &ChatTemplate) -> ChatTemplateRecord {
    ChatTemplateRecord {
        sha256: template.sha256().to_owned(),
        kwargs: template.kwargs().clone(),
    }
}

/// Prints a warning if the adapter in `folder` learned with another chat template, or with other variables, or if the
/// record of its training cannot be read.
pub fn note_other_template(folder: &Path, template: &ChatTemplate) {
    let record = AdapterFolder(folder).training();
    let trained = AdapterFolder(folder).read_training();
    if trained.is_none() && record.exists() {
        crate::note(&format!(
            "warning: {}: cannot be read, so that it is unknown with which chat template the adapter learned",
            record.display()
        ));
    }
    let Some(trained) = trained.and_then(|summary| summary.chat_template) else {
        return;
    };
    for problem in differences(&trained, &template_record(template)) {
        crate::note(&format!(
            "warning: {} was trained with {problem}, so its answers may be worse",
            folder.display()
        ));
    }
}

/// Describes how two templates differ, one text for each difference.
fn differences(trained: &ChatTemplateRecord, used: &ChatTemplateRecord) -> Vec<String> {
    let mut found = Vec::new();
    if trained.sha256 != used.sha256 {
        let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
        found.push(format!(
            "another chat template (SHA-256 {}..., not {}...): --set model.chat_template={} selects its copy beside the adapter \
             if it has one",
            short(&trained.sha256),
            short(&used.sha256),
            AdapterFolder::CHAT_TEMPLATE
        ));
    }
    if trained.kwargs != used.kwargs {
        let shown = |kwargs: &BTreeMap<String, Value>| {
            let pairs: Vec<String> = kwargs.iter().map(|(k, v)| format!("{k}: {v}")).collect();
            format!("{{{}}}", pairs.join(", "))
        };
        found.push(format!(
            "`model.chat_template_kwargs` {}, not {}",
            shown(&trained.kwargs),
            shown(&used.kwargs)
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_of_templates_is_named() {
        let record = |sha256: &str, thinks: bool| ChatTemplateRecord {
            sha256: sha256.repeat(64),
            kwargs: BTreeMap::from([("enable_thinking".to_owned(), thinks.into())]),
        };
        let of = |used| differences(&record("a", true), &used);
        assert_eq!(of(record("a", true)), Vec::<String>::new());
        let other = of(record("b", false));
        assert!(
            other[0].contains("aaaaaaaaaaaa..., not bbbbbbbbbbbb..."),
            "{other:?}"
        );
        assert_eq!(
            other[1],
            "`model.chat_template_kwargs` {enable_thinking: true}, not {enable_thinking: false}"
        );
    }
}
