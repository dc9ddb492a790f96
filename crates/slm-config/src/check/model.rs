//! Rules of sections `model` and `lora`.

use super::{Check, is_file_name};
use crate::recipe::{InitLoraWeights, Lora, Model};

/// Variables of chat templates that a recipe cannot set.
const OWN_VARIABLES: [&str; 4] = ["messages", "tools", "documents", "add_generation_prompt"];

impl Check {
    pub(super) fn model(&mut self, model: &Model) {
        let Model {
            name_or_path,
            wheel_sha256,
            hub_name,
            revision,
            chat_template_kwargs,
            ..
        } = model;
        for name in chat_template_kwargs.keys() {
            let allowed = "names other than those that every template receives: messages, tools, documents, \
                           add_generation_prompt";
            let is_free = !OWN_VARIABLES.contains(&name.as_str());
            self.require(is_free, "model.chat_template_kwargs", name, allowed);
        }
        if let Some(package) = name_or_path.strip_prefix("pip:") {
            let holds = package.split_once("==").is_some_and(|(name, rest)| {
                let (version, file) = rest.split_once('#').unwrap_or_default();
                !name.is_empty() && !version.is_empty() && !file.is_empty()
            });
            let form = "pip:PACKAGE==VERSION#file/in/wheel";
            self.require(holds, "model.name_or_path", name_or_path, form);
            if wheel_sha256.is_none() {
                let allowed = "the wheel's SHA-256, since name_or_path starts with pip:";
                self.missing("model.wheel_sha256", allowed);
            }
        } else {
            let allowed = "nothing, since name_or_path does not start with pip: (null removes it)";
            self.require(
                wheel_sha256.is_none(),
                "model.wheel_sha256",
                wheel_sha256,
                allowed,
            );
        }
        if let Some(name) = name_or_path.strip_prefix("hf:") {
            let (repository, rest) = name.split_at(name.find(['@', '#']).unwrap_or(name.len()));
            let holds = repository
                .split('/')
                .filter(|part| is_file_name(part))
                .count()
                == 2
                && repository.matches('/').count() == 1;
            let form = "hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf:OWNER/NAME#FILE.gguf";
            self.require(holds, "model.name_or_path", name_or_path, form);
            let allowed = "nothing, since name_or_path names one after @";
            let once = !rest.starts_with('@') || revision.is_none();
            self.require(once, "model.revision", revision, allowed);
        }
        if let Some(name) = hub_name {
            let parts: Vec<_> = name.split('/').collect();
            let holds = parts.len() == 2 && parts.into_iter().all(is_file_name);
            self.require(holds, "model.hub_name", name, "OWNER/NAME");
        }
    }

    pub(super) fn lora(&mut self, lora: &Lora) {
        let Lora {
            use_dora,
            init_lora_weights,
            ..
        } = lora;
        let apart = !*use_dora || *init_lora_weights == InitLoraWeights::Default;
        let allowed = "true, since lora.use_dora and pissa cannot be combined";
        self.require(apart, "lora.init_lora_weights", "pissa", allowed);
    }
}
