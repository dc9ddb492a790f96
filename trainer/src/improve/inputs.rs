//! What stages are made from and what they make, as hashes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slm_artifacts::{AdapterFolder, DatasetFolder, sha256, sha256_of_file, sha256_of_texts};
use slm_config::{DatasetFormat, Prefer, Recipe, without_costs};

use super::hashes::is_source;
use super::judge;
use super::stages::Stages;
use super::state::{Hashes, Kind};
use super::tasks::Part;

impl Stages<'_> {
    /// Returns the hashes of what a stage is made from; `recipe` is the stage's.
    ///
    /// # Errors
    /// A file of an earlier stage cannot be read, or a file of tasks has changed during the run.
    pub(super) fn inputs(
        &self,
        kind: Kind,
        round: usize,
        recipe: &Recipe,
        adapter: Option<&Path>,
    ) -> Result<Hashes> {
        self.tasks.check_files()?;
        let mut inputs = match kind {
            Kind::Sample => self.tasks.inputs(Part::Train),
            Kind::Judge => self.tasks.inputs(Part::Dev),
            Kind::Data => {
                let mut inputs = self.tasks.inputs(Part::Dev);
                for round in 1..=round {
                    let answers = judge::hash(&self.folder_of(Kind::Sample, round))?;
                    inputs.insert(format!("answers of round {round}"), answers);
                }
                // The rules are words of the command.
                let command = self.planned_command(kind, round, None).text();
                inputs.insert("command".to_owned(), sha256(command));
                if self.recipe.improve.prefer == Prefer::Likelihood {
                    self.add_model(&mut inputs)?;
                }
                inputs
            }
            Kind::Fit => {
                let mut inputs = self.outputs(Kind::Data, round)?;
                inputs.extend(self.tasks.inputs(Part::Dev));
                self.add_model(&mut inputs)?;
                // The first is the round's own.
                for (index, dataset) in recipe.data.datasets.iter().enumerate().skip(1) {
                    let only: Option<fn(&str) -> bool> = match dataset.format {
                        DatasetFormat::PythonSource => Some(is_source),
                        DatasetFormat::Rows(_) => None,
                    };
                    let hash = self.hashes.of(Path::new(&dataset.path), only)?;
                    inputs.insert(format!("replayed data {index}, {}", dataset.path), hash);
                }
                inputs
            }
        };
        if matches!(kind, Kind::Sample | Kind::Judge) {
            self.add_model(&mut inputs)?;
            for (name, file) in recipe.evaluate.prompts.entries() {
                if let Some(file) = file {
                    let hash = self.hashes.of(file, None)?;
                    inputs.insert(format!("evaluate.prompts.{name}"), hash);
                }
            }
        }
        inputs.insert(
            "recipe".to_owned(),
            sha256(without_costs(&recipe.to_yaml())),
        );
        if let Some(adapter) = adapter {
            inputs.extend(adapter_hashes(adapter)?);
        }
        Ok(inputs)
    }

    /// Adds the base model: the hash of its local file or folder; for another, of its name, revision and hashes in the
    /// recipe.
    fn add_model(&self, inputs: &mut Hashes) -> Result<()> {
        let model = &self.recipe.model;
        let path = Path::new(&model.name_or_path);
        let hash = if path.exists() {
            self.hashes.of(path, None)?
        } else {
            let pins = [&model.revision, &model.sha256, &model.wheel_sha256];
            let pins = pins.map(|pin| pin.as_deref().unwrap_or_default());
            sha256_of_texts([model.name_or_path.as_str()].into_iter().chain(pins))
        };
        inputs.insert("base model".to_owned(), hash);
        Ok(())
    }

    /// Returns the hashes of what a stage made. They do not depend on how long it took.
    ///
    /// # Errors
    /// A file is missing or cannot be read.
    pub(super) fn outputs(&self, kind: Kind, round: usize) -> Result<Hashes> {
        let folder = self.folder_of(kind, round);
        match kind {
            Kind::Sample | Kind::Judge => {
                Ok([("answers".to_owned(), judge::hash(&folder)?)].into())
            }
            Kind::Data => {
                let files = DatasetFolder(&folder);
                hashes_of([
                    (DatasetFolder::ROWS, files.rows()),
                    (DatasetFolder::SOURCES, files.sources()),
                    (DatasetFolder::INFO, files.info()),
                ])
            }
            Kind::Fit => adapter_hashes(&self.adapter_of(round)),
        }
    }
}

/// Returns the hashes of an adapter's weights and settings.
///
/// # Errors
/// A file is missing or cannot be read.
pub(super) fn adapter_hashes(folder: &Path) -> Result<Hashes> {
    let files = AdapterFolder(folder);
    hashes_of([
        (AdapterFolder::WEIGHTS, files.weights()),
        (AdapterFolder::CONFIG, files.config()),
    ])
}

fn hashes_of<const N: usize>(files: [(&str, PathBuf); N]) -> Result<Hashes> {
    let hash = |(name, path): (&str, PathBuf)| {
        let hash =
            sha256_of_file(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok((name.to_owned(), hash))
    };
    files
        .into_iter()
        .map(hash)
        .collect::<Result<BTreeMap<_, _>>>()
}
