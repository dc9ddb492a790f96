//! The model that reviews.

use std::path::PathBuf;

use anyhow::Result;
use slm_cli::UserMistake;
use slm_config::{Recipe, Role, RoleSpeaker};

use super::shown::ReviewModel;
use crate::backend::{Answer, Backend};
use crate::experiment::adapters::{NamedAdapter, choose};
use crate::experiment::answering::Answering;
use crate::experiment::timings::Timings;
use crate::review_arguments::ReviewArguments;

/// A recipe's model or server, perhaps with an adapter.
pub(super) struct Model {
    pub(super) recipe: Recipe,
    adapter: Option<NamedAdapter>,
    answering: Answering,
}

impl Model {
    /// Opens the model that the arguments name; `None` if they name none.
    ///
    /// # Errors
    /// The recipe, the model or the adapter cannot be read, or the server does not serve them.
    pub(super) fn open(arguments: &ReviewArguments) -> Result<Option<Self>> {
        if !arguments.has_model() {
            return Ok(None);
        }
        let named: Vec<PathBuf> = arguments.adapter.iter().cloned().collect();
        let recipe = arguments.recipe.as_deref();
        let overrides = arguments.overrides();
        let (mut chosen, mut resolved) = choose(&named, false, recipe, &overrides)?;
        match resolved.evaluate.speaker(Role::Reviewer) {
            RoleSpeaker::Adapter(name) if named.is_empty() => {
                (chosen, resolved) = choose(&[PathBuf::from(name)], false, recipe, &overrides)?;
            }
            RoleSpeaker::Teacher => {
                let text = "`evaluate.speakers.reviewer` is `teacher`, which answers in workflows alone\n\
                            hint: name the server with --endpoint or evaluate.endpoint";
                return Err(UserMistake(text.to_owned()).into());
            }
            _ => {}
        }
        let recipe = resolved;
        let mut timings = Timings::default();
        let device = arguments.device;
        let answering = Answering::open(&recipe, &chosen, &[], device, &mut timings)?;
        Ok(Some(Self {
            recipe,
            adapter: chosen.into_iter().next(),
            answering,
        }))
    }

    /// Returns the model as it answers.
    pub(super) fn backend(&self) -> Box<dyn Backend + '_> {
        let adapter = self.adapter.as_ref().map(|_| 0);
        self.answering.arm(adapter, self.recipe.evaluate.batch_size)
    }

    /// Returns the adapter, if there is one.
    pub(super) fn adapter(&self) -> Option<&NamedAdapter> {
        self.adapter.as_ref()
    }

    pub(super) fn has_adapter(&self) -> bool {
        self.adapter.is_some()
    }

    /// Describes the model, and what its answers cost.
    pub(super) fn described(&self, answers: &[&Answer]) -> ReviewModel {
        let sampling = &self.recipe.evaluate.sampling;
        ReviewModel {
            base_model: self.recipe.model.base_model_name().to_owned(),
            adapter: self.adapter.as_ref().map(|of| of.name().to_owned()),
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            prompt_tokens: answers.iter().map(|of| of.prompt_tokens).sum(),
            completion_tokens: answers.iter().map(|of| of.completion_tokens).sum(),
        }
    }
}
