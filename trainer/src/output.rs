//! What a run leaves behind: the adapter folder, which appears whole or not at all, and the loss log.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use model::{Adapter, AdapterOrigin, LoraSettings};
use serde::Serialize;

/// One line of `log.jsonl`.
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
    /// Tokens a second since the start.
    pub(crate) tokens_per_second: f64,
    /// Seconds since the first step began.
    pub(crate) elapsed_s: f64,
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
    pub(crate) seconds: f64,
    pub(crate) device: String,
    pub(crate) project_version: &'static str,
}

/// The loss log, a line a step, each written through at once.
pub(crate) struct LossLog {
    file: BufWriter<File>,
    path: PathBuf,
}

impl LossLog {
    pub(crate) fn create(output_dir: &Path) -> Result<Self> {
        fs::create_dir_all(output_dir)
            .with_context(|| format!("cannot create {}", output_dir.display()))?;
        let path = output_dir.join("log.jsonl");
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            file: BufWriter::new(file),
            path,
        })
    }

    pub(crate) fn write(&mut self, line: &LogLine) -> Result<()> {
        let written = serde_json::to_writer(&mut self.file, line)
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .and_then(|()| self.file.flush());
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Writes the finished adapter with its recipe: into a temporary folder, then under its name by renaming.
///
/// Whatever happens in between, the final name holds the adapter before or the new one, never a part.
///
/// # Errors
/// The disk is full or not writable; the temporary folder is removed then.
pub(crate) fn commit_adapter(
    final_dir: &Path,
    adapter: &Adapter,
    settings: &LoraSettings,
    origin: &AdapterOrigin,
    recipe_yaml: &str,
    summary: &TrainingSummary,
) -> Result<()> {
    let parent = final_dir.parent().unwrap_or(Path::new("."));
    let name = final_dir.file_name().map_or_else(
        || "adapter".into(),
        |name| name.to_string_lossy().into_owned(),
    );
    let sibling = |suffix: &str| parent.join(format!(".{name}.{}.{suffix}", std::process::id()));
    let (part, old) = (sibling("part"), sibling("old"));
    let write = || -> Result<()> {
        fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
        adapter.save(&part, settings, origin)?;
        let put = |file: &str, text: &str| {
            let path = part.join(file);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        put("recipe.yaml", recipe_yaml)?;
        put(
            "training.json",
            &(serde_json::to_string_pretty(summary)? + "\n"),
        )?;
        for entry in fs::read_dir(&part)? {
            File::open(entry?.path())?.sync_all()?;
        }
        if final_dir.exists() {
            fs::rename(final_dir, &old)?;
        }
        fs::rename(&part, final_dir)
            .with_context(|| format!("cannot put the adapter at {}", final_dir.display()))?;
        // Makes the renames last; a folder cannot be synced on every system, and need not be.
        let _ = File::open(parent).and_then(|folder| folder.sync_all());
        Ok(())
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_dir_all(&part);
        if old.exists() && !final_dir.exists() {
            let _ = fs::rename(&old, final_dir);
        }
    }
    let _ = fs::remove_dir_all(&old);
    written.context("cannot save the adapter\nhint: free space under the output folder and run the same command again")
}
