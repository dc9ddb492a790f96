//! Checkpoints of a training: everything that a resumed run needs to give the same result as an uninterrupted one.
//!
//! A checkpoint is the folder `step-N` with the adapter, the optimizer's state, the recipe, a few numbers, and the
//! SHA-256 of each of these files. The order of the examples, the learning rate and every random number are pure
//! functions of the recipe's seed and the step, so that the step is the whole state of the schedule, the random number
//! generators and the position in the epoch.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
pub(crate) use slm_artifacts::BestValidation as Best;
use slm_artifacts::{AdapterFolder, Energy, remove_folder, sha256_of_file};
use slm_model::{Adapter, AdapterOrigin, LoraSettings};

use crate::folder::{RunFolder, commit_folder};
use crate::log::LossMean;
use crate::preference::{PreferenceProgress, REFERENCE_FILE};

const STATE_FILE: &str = "state.json";
const OPTIMIZER_FILE: &str = "optimizer.bpk";
/// In the format of `sha256sum`; written last, so that a folder without it is recognised as incomplete.
const SUMS_FILE: &str = "SHA256SUMS";

/// Version of the layout of the files. Layout 1 lacks the fields of `state.json` that have a default; a higher number
/// belongs to a newer version of this program.
const LAYOUT: u32 = 2;

/// The numbers of a checkpoint: `state.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainingState {
    /// Layout of the checkpoint.
    pub(crate) layout: u32,
    /// Optimizer steps completed.
    pub(crate) step: usize,
    /// Tokens processed, without padding.
    pub(crate) tokens: usize,
    /// The supervised tokens among them.
    pub(crate) supervised_tokens: usize,
    /// Loss of the last step, in nats per supervised token.
    pub(crate) last_loss: f64,
    /// Mean training loss of the steps since the last line of the log.
    #[serde(default)]
    pub(crate) unlogged: LossMean,
    /// Seconds of training over all runs, including validations and checkpoints.
    pub(crate) seconds: f64,
    /// Energy in these seconds; `None` if an earlier version wrote the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) energy: Option<Energy>,
    /// Peak memory of a process of this training, where the system reports it.
    #[serde(default)]
    pub(crate) peak_memory_bytes: Option<u64>,
    /// Validation loss before the first step, in nats per supervised token: that of the base model, or of the adapter that
    /// the training started from.
    #[serde(default)]
    pub(crate) base_validation_loss: Option<f64>,
    /// The lowest validation loss after a step, and that step.
    pub(crate) best: Option<Best>,
    /// Validations since then.
    pub(crate) validations_since_best: usize,
    /// Seconds that the last validation took.
    #[serde(default)]
    pub(crate) validation_seconds: f64,
    /// Consecutive steps whose loss was above the watchdog's threshold.
    pub(crate) steps_above_threshold: usize,
    /// Whether early stopping has ended the training before its last step.
    pub(crate) stopped_early: bool,
    /// Length of the loss log when the checkpoint was written, in bytes.
    pub(crate) log_bytes: u64,
    /// Sums of a preference objective.
    #[serde(default)]
    pub(crate) preference: PreferenceProgress,
    /// SHA-256 of the base model's files.
    pub(crate) model_sha256: String,
    /// SHA-256 of the examples as tokens.
    pub(crate) examples_sha256: String,
    /// SHA-256 of the adapter that the training started from; `None` for a new adapter.
    #[serde(default)]
    pub(crate) init_from_sha256: Option<String>,
}

impl TrainingState {
    /// The state before the first step.
    pub(crate) fn start(
        model_sha256: String,
        examples_sha256: String,
        init_from_sha256: Option<String>,
    ) -> Self {
        Self {
            layout: LAYOUT,
            step: 0,
            tokens: 0,
            supervised_tokens: 0,
            last_loss: f64::NAN,
            unlogged: LossMean::default(),
            seconds: 0.0,
            energy: None,
            peak_memory_bytes: None,
            base_validation_loss: None,
            best: None,
            validation_seconds: 0.0,
            validations_since_best: 0,
            steps_above_threshold: 0,
            stopped_early: false,
            log_bytes: 0,
            preference: PreferenceProgress::default(),
            model_sha256,
            examples_sha256,
            init_from_sha256,
        }
    }
}

/// The data that all checkpoints of a run share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckpointMeta<'a> {
    /// Shape of the adapter.
    pub(crate) settings: &'a LoraSettings,
    /// The base model's name.
    pub(crate) origin: &'a AdapterOrigin,
    /// The resolved recipe.
    pub(crate) recipe_yaml: &'a str,
}

/// A checkpoint whose files match their SHA-256 sums.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    /// Its folder, which holds the adapter in PEFT's layout.
    pub(crate) path: PathBuf,
    /// Its numbers.
    pub(crate) state: TrainingState,
    /// The recipe of its run.
    pub(crate) recipe_path: PathBuf,
    /// The optimizer's state.
    pub(crate) optimizer: Vec<u8>,
}

/// Writes a checkpoint of a state, its adapter, the optimizer's state and the reference log-probabilities, if any, and
/// removes the oldest ones beyond `keep`.
///
/// # Errors
/// The disk is full or not writable. The earlier checkpoints are left unchanged.
pub(crate) fn save(
    run: &RunFolder,
    keep: usize,
    (state, adapter, optimizer, reference): (&TrainingState, &Adapter, &[u8], Option<&str>),
    meta: CheckpointMeta,
) -> Result<PathBuf> {
    let path = run.path().join(format!("step-{}", state.step));
    commit_folder(&path, |part| {
        let put = |file: &str, bytes: &[u8]| {
            let path = part.join(file);
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
        };
        adapter.save(part, meta.settings, meta.origin)?;
        put(OPTIMIZER_FILE, optimizer)?;
        if let Some(reference) = reference {
            put(REFERENCE_FILE, reference.as_bytes())?;
        }
        put(AdapterFolder::RECIPE, meta.recipe_yaml.as_bytes())?;
        put(STATE_FILE, &serde_json::to_vec_pretty(state)?)?;
        put(SUMS_FILE, sums(part)?.as_bytes())
    })
    .with_context(|| {
        format!(
            "cannot save the checkpoint of step {}\n\
             hint: free space under the output folder, then run the same command again to resume",
            state.step
        )
    })?;
    let all = list(run.path())?;
    for (_, old) in &all[..all.len().saturating_sub(keep)] {
        remove(old)?;
    }
    Ok(path)
}

/// Returns the newest intact checkpoint; `damaged` is called with each newer one and its defect.
///
/// # Errors
/// The folder cannot be read, or all its checkpoints are damaged.
pub(crate) fn newest(
    run: &RunFolder,
    mut damaged: impl FnMut(&Path, &anyhow::Error),
) -> Result<Option<Checkpoint>> {
    let all = list(run.path())?;
    for (step, path) in all.iter().rev() {
        match read(path, *step) {
            Ok(checkpoint) => return Ok(Some(checkpoint)),
            Err(error) => damaged(path, &error),
        }
    }
    if all.is_empty() {
        return Ok(None);
    }
    Err(anyhow!(
        "{}: every checkpoint is damaged\nhint: train from scratch with --restart",
        run.path().display()
    ))
}

/// Removes all checkpoints and the reference log-probabilities, for a run that starts from scratch.
///
/// # Errors
/// The folder cannot be read, or a file not removed.
pub(crate) fn clear(run: &RunFolder) -> Result<()> {
    list(run.path())?
        .iter()
        .try_for_each(|(_, path)| remove(path))?;
    let reference = run.path().join(REFERENCE_FILE);
    match fs::remove_file(&reference) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", reference.display()))
        }
        _ => Ok(()),
    }
}

fn remove(checkpoint: &Path) -> Result<()> {
    remove_folder(checkpoint).with_context(|| format!("cannot remove {}", checkpoint.display()))
}

/// Returns the folders `step-N` of a run's folder in order of N.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn list(run: &Path) -> Result<Vec<(usize, PathBuf)>> {
    let unreadable = || format!("cannot read {}", run.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(run).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name();
        let step = name
            .to_str()
            .and_then(|name| name.strip_prefix("step-")?.parse().ok());
        found.extend(step.map(|step| (step, entry.path())));
    }
    found.sort();
    Ok(found)
}

/// Reads a checkpoint and verifies its files; the error names the first file that does not match.
fn read(path: &Path, step: usize) -> Result<Checkpoint> {
    let text = |file: &str| {
        fs::read_to_string(path.join(file)).with_context(|| format!("cannot read {file}"))
    };
    let (expected, found) = (text(SUMS_FILE)?, sums(path)?);
    if let Some((line, _)) = pairs(&expected, &found).find(|(a, b)| a != b) {
        let file = line.split("  ").nth(1).unwrap_or(SUMS_FILE);
        return Err(anyhow!("{file} does not match its SHA-256"));
    }
    let state: TrainingState = serde_json::from_str(&text(STATE_FILE)?).context(STATE_FILE)?;
    if !(1..=LAYOUT).contains(&state.layout) || state.step != step {
        return Err(anyhow!(
            "{STATE_FILE} was written by another version of this program"
        ));
    }
    Ok(Checkpoint {
        path: path.to_owned(),
        state: TrainingState {
            layout: LAYOUT,
            ..state
        },
        recipe_path: path.join(AdapterFolder::RECIPE),
        optimizer: fs::read(path.join(OPTIMIZER_FILE))?,
    })
}

/// Pairs the lines of two texts; the shorter text is padded with empty lines.
fn pairs<'a>(a: &'a str, b: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let n = a.lines().count().max(b.lines().count());
    let filled = |text: &'a str| text.lines().chain(std::iter::repeat(""));
    filled(a).zip(filled(b)).take(n)
}

/// Returns the SHA-256 of every file in a folder except the sums themselves, sorted by name, in the format of
/// `sha256sum`.
fn sums(folder: &Path) -> Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name != SUMS_FILE);
    names.sort();
    let mut text = String::new();
    for name in names {
        let hash = sha256_of_file(&folder.join(&name))?;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{hash}  {name}");
    }
    Ok(text)
}
