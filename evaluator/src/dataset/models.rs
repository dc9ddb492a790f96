//! The models that work for a data set or a memory: the base model of the runs, and a teacher.

use std::path::Path;

use anyhow::{Context, Result};
use slm_cli::UserMistake;
use slm_config::Recipe;
use slm_model::DeviceChoice;

use super::runs::HarvestedRun;
use crate::backend::Backend;
use crate::experiment::adapters::NamedAdapter;
use crate::experiment::answering::Answering;
use crate::experiment::timings::Timings;
use crate::run_folder::RUN;

/// The base model of a run, and the model of a teacher's recipe.
pub(crate) struct Models {
    /// The recipe of the run.
    pub(crate) recipe: Recipe,
    coder: Answering,
    teacher: Option<(Answering, Recipe)>,
}

impl Models {
    /// Opens the base model of a run, and the model or server of the recipe `teacher`, if there is one.
    ///
    /// # Errors
    /// A model cannot be opened, or the run's has changed since.
    pub(crate) fn open(
        run: &HarvestedRun,
        teacher: Option<&Path>,
        device: DeviceChoice,
    ) -> Result<Self> {
        Self::open_with(run, &[], teacher, device)
    }

    /// As [`Self::open`], with adapters of the base model.
    ///
    /// # Errors
    /// As [`Self::open`]; or an adapter cannot be opened, or is of another base model.
    pub(super) fn open_with(
        run: &HarvestedRun,
        adapters: &[NamedAdapter],
        teacher: Option<&Path>,
        device: DeviceChoice,
    ) -> Result<Self> {
        let path = run.folder.join(RUN);
        let recipe =
            Recipe::parse_without_data(&run.info.recipe.yaml, &path, &[], slm_benchmarks::NAMES)
                .with_context(|| format!("cannot read the recipe in {}", path.display()))?;
        let coder = Answering::open(&recipe, adapters, &[], device, &mut Timings::default())?;
        let now = coder.answerer(&recipe)?.base_model;
        if now.sha256 != run.info.base_model.sha256 {
            return Err(UserMistake(format!(
                "{}: the base model {} changed since the run\nhint: restore its files, or sample again",
                run.folder.display(),
                now.name
            ))
            .into());
        }
        let teacher = match teacher {
            None => None,
            Some(path) => {
                let recipe = slm_cli::load_recipe_without_data(path, &[], slm_benchmarks::NAMES)?;
                let opened = Answering::open(&recipe, &[], &[], device, &mut Timings::default())?;
                Some((opened, recipe))
            }
        };
        Ok(Self {
            recipe,
            coder,
            teacher,
        })
    }

    /// Returns the base model of the run.
    pub(crate) fn coder(&self) -> Box<dyn Backend + '_> {
        self.arm(None)
    }

    /// Returns the base model of the run with the adapter at an index, or without one.
    pub(super) fn arm(&self, adapter: Option<usize>) -> Box<dyn Backend + '_> {
        self.coder.arm(adapter, self.recipe.evaluate.batch_size)
    }

    /// Returns the teacher; the base model of the run without one.
    pub(crate) fn teacher(&self) -> Box<dyn Backend + '_> {
        match &self.teacher {
            None => self.coder(),
            Some((opened, of)) => opened.arm(None, of.evaluate.batch_size),
        }
    }

    /// Returns the name of the model that [`Self::teacher`] is.
    pub(crate) fn teacher_name(&self) -> &str {
        let recipe = self.teacher.as_ref().map_or(&self.recipe, |(_, of)| of);
        recipe.model.base_model_name()
    }
}
