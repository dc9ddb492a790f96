//! What a run leaves behind: the adapter's folder and the loss log.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cli::Provenance;
use model::{Adapter, AdapterOrigin, LoraSettings};
use serde::Serialize;

use crate::checkpoint::Best;
use crate::folder::commit_folder;

/// One line of `log.jsonl`. It holds no times, so that the same training writes the same bytes.
#[derive(Debug, Serialize)]
pub(crate) struct LogLine {
    /// Optimizer steps done.
    pub(crate) step: usize,
    /// Passes over the data, with the part of the current one.
    pub(crate) epoch: f64,
    /// Nats per supervised token, before this step's update.
    pub(crate) loss: f64,
    /// Rate of this step.
    pub(crate) learning_rate: f64,
    /// Norm of all gradients together, before clipping.
    pub(crate) grad_norm: f64,
    /// Tokens read so far, padding not counted.
    pub(crate) tokens: usize,
}

/// A line of `log.jsonl` about a validation.
#[derive(Debug, Serialize)]
pub(crate) struct ValidationLine {
    /// Optimizer steps done.
    pub(crate) step: usize,
    /// Passes over the data, with the part of the current one.
    pub(crate) epoch: f64,
    /// Nats per learned token of the validation part.
    pub(crate) validation_loss: f64,
}

/// How a finished training went: `training.json` beside the adapter.
#[derive(Debug, Serialize)]
pub(crate) struct TrainingSummary {
    pub(crate) steps: usize,
    pub(crate) examples: usize,
    pub(crate) tokens: usize,
    pub(crate) supervised_tokens: usize,
    pub(crate) trainable_parameters: usize,
    pub(crate) final_loss: f64,
    /// Validation loss of the adapter, and the step that it is of; `null` without validation.
    pub(crate) best: Option<Best>,
    /// Whether training ended because the validation loss no longer fell.
    pub(crate) stopped_early: bool,
    pub(crate) seconds: f64,
    pub(crate) device: String,
    pub(crate) project_version: &'static str,
    /// What came from the hub, the model first: commits, and the hash of each file.
    pub(crate) sources: Vec<Provenance>,
}

/// The loss log, a line a step, each written through at once.
pub(crate) struct LossLog {
    file: BufWriter<File>,
    path: PathBuf,
}

impl LossLog {
    /// Opens `log.jsonl` for writing after its first `keep_bytes`; what a killed run wrote behind them goes.
    ///
    /// # Errors
    /// The file cannot be written, or is shorter than that.
    pub(crate) fn open(output_dir: &Path, keep_bytes: u64) -> Result<Self> {
        let path = output_dir.join("log.jsonl");
        let shown = || format!("cannot write {}", path.display());
        let options = OpenOptions::new()
            .create(true)
            .append(true)
            .truncate(false)
            .clone();
        let file = options.open(&path).with_context(shown)?;
        let found = file.metadata().with_context(shown)?.len();
        if found < keep_bytes {
            anyhow::bail!(
                "{} has {found} bytes, but had {keep_bytes} when the checkpoint was saved\n\
                 hint: put the file back, or begin anew with --restart",
                path.display()
            );
        }
        file.set_len(keep_bytes).with_context(shown)?;
        Ok(Self {
            file: BufWriter::new(file),
            path,
        })
    }

    pub(crate) fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let written = serde_json::to_writer(&mut self.file, line)
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .and_then(|()| self.file.flush());
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Brings the log onto the disk and gives its length in bytes.
    pub(crate) fn sync(&mut self) -> Result<u64> {
        let file = self.file.get_ref();
        file.sync_all()
            .and_then(|()| Ok(file.metadata()?.len()))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Writes the finished adapter with its recipe: a folder that appears whole or not at all.
///
/// # Errors
/// The disk is full or not writable; the adapter before this one stays.
pub(crate) fn commit_adapter(
    final_dir: &Path,
    adapter: &Adapter,
    settings: &LoraSettings,
    origin: &AdapterOrigin,
    recipe_yaml: &str,
    summary: &TrainingSummary,
) -> Result<()> {
    commit_folder(final_dir, |part| {
        adapter.save(part, settings, origin)?;
        let put = |file: &str, text: &str| {
            let path = part.join(file);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        put("recipe.yaml", recipe_yaml)?;
        put("training.json", &(serde_json::to_string_pretty(summary)? + "\n"))
    })
    .context("cannot save the adapter\nhint: free space under the output folder and run the same command again")
}
