//! The ranges of sections `model` and `lora`.

use super::{Check, is_file_name};
use crate::recipe::{InitLoraWeights, Lora, Model};
use crate::target_modules::TargetModules;

impl Check {
    pub(super) fn model(&mut self, model: &Model) {
        let Model {
            name_or_path,
            sha256,
            wheel_sha256,
            hub_name,
            revision,
            dtype: _,
            quantization: _,
        } = model;
        let forms = "hf:OWNER/NAME, a folder, a .gguf file or pip:PACKAGE==VERSION#file/in/wheel";
        self.not_blank("model.name_or_path", name_or_path, forms);
        self.sha256("model.sha256", sha256.as_ref());
        self.sha256("model.wheel_sha256", wheel_sha256.as_ref());
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
            let allowed = "nothing, since name_or_path does not start with pip:";
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
        if let Some(revision) = revision {
            self.not_blank("model.revision", revision, "a branch, a tag or a commit");
        }
    }

    pub(super) fn lora(&mut self, lora: &Lora) {
        let Lora {
            r,
            lora_alpha,
            lora_dropout,
            target_modules,
            use_rslora: _,
            use_dora,
            init_lora_weights,
            modules_to_save,
            rank_pattern,
            alpha_pattern,
            loraplus_lr_ratio,
        } = lora;
        self.int_in("lora.r", *r, 1..=1024);
        self.int_in("lora.lora_alpha", *lora_alpha, 1..=65_536);
        self.float_in("lora.lora_dropout", *lora_dropout, 0.0..1.0);
        let apart = !*use_dora || *init_lora_weights == InitLoraWeights::Default;
        let allowed = "true, since lora.use_dora trains lengths that pissa leaves no room for";
        self.require(apart, "lora.init_lora_weights", "pissa", allowed);
        if let TargetModules::Listed(modules) = target_modules {
            self.choice("lora.target_modules", modules, "layer");
        }
        for (index, module) in modules_to_save.iter().enumerate() {
            let once = !modules_to_save[..index].contains(module);
            let key = format!("lora.modules_to_save[{index}]");
            self.require(once, &key, module, "each module once");
        }
        let patterns = [
            ("rank_pattern", rank_pattern, 1024),
            ("alpha_pattern", alpha_pattern, 65_536),
        ];
        for (name, pattern, most) in patterns {
            for (_, &value) in pattern
                .iter()
                .filter(|(_, value)| !(1..=most).contains(*value))
            {
                let allowed = format!("1 to {most} for each layer");
                self.require(false, &format!("lora.{name}"), value, allowed);
            }
        }
        let key = "lora.loraplus_lr_ratio";
        self.float_in(key, *loraplus_lr_ratio, 0.01..=1000.0);
    }
}
