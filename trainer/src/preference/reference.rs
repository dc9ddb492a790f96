//! Log-probabilities of all answers under the base model, or under the adapter that a training starts from, computed once
//! before the training.
//!
//! They are kept beside the checkpoints and in each of them, by the hash of the example, so that a resumed training reads
//! the same bits and does not compute them again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use slm_cli::{Progress, UserMistake};
use slm_model::{Adapter, Decoder, DeviceChoice, WeightFormat};

use super::batch::scores;
use crate::batch::{Batch, Example, StaticShapes};
use crate::dataset::{Examples, Store};
use crate::folder::replace_file;

/// File of the log-probabilities, in the run's folder and in each checkpoint.
pub(crate) const REFERENCE_FILE: &str = "reference.json";

/// Version of the layout of the file.
const LAYOUT: u32 = 1;

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    layout: u32,
    /// The base model and how it is computed, see [`base_text`]: other values belong to another one.
    base: String,
    /// Log-probability in nats by the SHA-256 of an example.
    log_p: BTreeMap<String, f64>,
}

/// Describes a base model, the adapter that a training starts from, and how they are computed: with other weights, another format or another kind of device, the same
/// sequence has another log-probability, so that the adapter would be compared with a model that it does not start from.
pub(crate) fn base_text(
    (sha256, adapter): (&str, Option<&str>),
    format: WeightFormat,
    device: DeviceChoice,
) -> String {
    let format = match format {
        WeightFormat::F32 => "f32",
        WeightFormat::Bf16 => "bf16",
        WeightFormat::Q8 => "q8",
        WeightFormat::Q4 => "q4",
    };
    // Of several GPUs any gives the same values.
    let device = match device {
        DeviceChoice::Cuda(_) => "cuda".to_owned(),
        device => device.to_string(),
    };
    let adapter = adapter.map_or_else(String::new, |sha256| format!(", adapter {sha256}"));
    format!("{sha256}, weights {format}, device {device}{adapter}")
}

/// The log-probabilities under the base model.
#[derive(Debug)]
pub(crate) struct Reference {
    /// By index in the store; NaN for examples without.
    by_index: Vec<f64>,
    /// The content of the file.
    json: String,
}

impl Reference {
    /// Returns the log-probability of an example of the store.
    ///
    /// # Errors
    /// It was not computed.
    pub(crate) fn log_p(&self, index: usize) -> Result<f64> {
        let found = self.by_index[index];
        if found.is_nan() {
            return Err(anyhow!("example {index} has no reference log-probability"));
        }
        Ok(found)
    }

    /// The content of its file.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// Computes the log-probabilities of the examples of these units, in batches of the given shapes, with the adapter that
    /// the training starts from, if any, and without gradients.
    ///
    /// # Errors
    /// The examples cannot be read, or one has no supervised token.
    pub(crate) fn compute(
        (decoder, adapter): (&Decoder, Option<&Adapter>),
        examples: &Examples,
        units: impl IntoIterator<Item = u32>,
        (shapes, chunk_size): (StaticShapes, usize),
        base: String,
    ) -> Result<Self> {
        let store = &examples.store;
        let indices: BTreeSet<usize> = units
            .into_iter()
            .flat_map(|unit| examples.units.examples(unit))
            .collect();
        // Examples of similar length share a batch to reduce padding.
        let mut sorted: Vec<usize> = indices.iter().copied().collect();
        sorted.sort_by_key(|&index| (store.n_tokens(index), index));
        let tokens = |indices: &[usize]| -> usize {
            indices.iter().map(|&index| store.n_tokens(index)).sum()
        };
        let mut progress = Progress::new("reference", tokens(&sorted) as u64, "tokens");
        let mut by_index = vec![f64::NAN; store.len()];
        let mut done = 0;
        let on_device = shapes.on(decoder);
        let frozen = adapter.map(Adapter::frozen);
        for chunk in sorted.chunks(shapes.sequences) {
            let read = chunk
                .iter()
                .map(|&index| store.get(index))
                .collect::<Result<Vec<Example>>>()?;
            let batch = Batch::new(&read.iter().collect::<Vec<_>>());
            let batch = batch.in_shape(on_device);
            let found = scores(decoder, frozen.as_ref(), &batch, chunk_size)?;
            for (&index, score) in chunk.iter().zip(found) {
                by_index[index] = score.log_p;
            }
            done += tokens(chunk);
            progress.set(done as u64, "");
        }
        progress.finish();
        let log_p = indices
            .iter()
            .map(|&index| Ok((store.sha256(index)?, by_index[index])))
            .collect::<Result<_>>()?;
        let content = Content {
            layout: LAYOUT,
            base,
            log_p,
        };
        Ok(Self {
            by_index,
            json: serde_json::to_string_pretty(&content)? + "\n",
        })
    }

    /// Reads the log-probabilities of all examples of the store that a training reads; `None` if the file is missing,
    /// damaged, of another base model, or lacks one of them.
    pub(crate) fn read(folder: &Path, examples: &Examples, base: &str) -> Result<Option<Self>> {
        let Ok(json) = fs::read_to_string(folder.join(REFERENCE_FILE)) else {
            return Ok(None);
        };
        let Ok(content) = serde_json::from_str::<Content>(&json) else {
            return Ok(None);
        };
        if content.layout != LAYOUT || content.base != base {
            return Ok(None);
        }
        let store: &Store = &examples.store;
        let mut by_index = vec![f64::NAN; store.len()];
        for &unit in examples.train.iter().chain(&examples.validation) {
            for index in examples.units.examples(unit) {
                match content.log_p.get(&store.sha256(index)?) {
                    Some(&log_p) => by_index[index] = log_p,
                    None => return Ok(None),
                }
            }
        }
        Ok(Some(Self { by_index, json }))
    }

    /// Returns the log-probabilities of a training: those of the checkpoint that it resumes from, those that an earlier
    /// start left in the run's folder, or newly computed ones, which are written there.
    ///
    /// # Errors
    /// The checkpoint lacks an example or belongs to another base, the examples cannot be read, or the disk is full.
    pub(crate) fn obtain(
        start: (&Decoder, Option<&Adapter>),
        examples: &Examples,
        sizes: (StaticShapes, usize),
        base: String,
        (run, checkpoint): (&Path, Option<&Path>),
    ) -> Result<Self> {
        if let Some(checkpoint) = checkpoint {
            refuse_other_base(checkpoint, &base)?;
            let found = Self::read(checkpoint, examples, &base)?;
            return found.with_context(|| {
                format!(
                    "{} does not hold the log-probabilities of these examples under this base model\n\
                     hint: train from scratch with --restart",
                    checkpoint.join(REFERENCE_FILE).display()
                )
            });
        }
        if let Some(found) = Self::read(run, examples, &base)? {
            return Ok(found);
        }
        let units = examples.train.iter().chain(&examples.validation).copied();
        let computed = Self::compute(start, examples, units, sizes, base)?;
        replace_file(run, REFERENCE_FILE, computed.json())
            .context("cannot save the reference\nhint: free space under the output folder and run the same command again")?;
        Ok(computed)
    }
}

/// Refuses a checkpoint whose log-probabilities were computed with another base than the resumed training has.
fn refuse_other_base(checkpoint: &Path, base: &str) -> Result<()> {
    let path = checkpoint.join(REFERENCE_FILE);
    // A file that is missing or damaged is refused by its reader.
    let theirs = fs::read_to_string(&path)
        .ok()
        .and_then(|json| serde_json::from_str::<Content>(&json).ok())
        .map_or_else(|| base.to_owned(), |content| content.base);
    if theirs == base {
        return Ok(());
    }
    let parts = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
    let (theirs, ours) = (parts(&theirs), parts(base));
    let different: Vec<String> = ours
        .iter()
        .enumerate()
        .filter(|(at, part)| theirs.get(*at) != Some(part))
        .map(|(at, part)| {
            let before = theirs.get(at).map_or("nothing", String::as_str);
            format!("  was {before}, is {part}")
        })
        .collect();
    let text = format!(
        "{}: the base model of this checkpoint was computed in another way\n{}\n\
         hint: resume with the same --device and `model` section; or train from scratch with --restart",
        path.display(),
        different.join("\n")
    );
    Err(UserMistake(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_another_one_with_another_format_or_kind_of_device() {
        let text = |format, device| base_text(("abc", None), format, device);
        let cpu = text(WeightFormat::F32, DeviceChoice::Cpu);
        assert_eq!(cpu, "abc, weights f32, device cpu");
        assert_ne!(cpu, text(WeightFormat::Bf16, DeviceChoice::Cpu));
        let further = base_text(("abc", Some("d")), WeightFormat::F32, DeviceChoice::Cpu);
        assert_eq!(further, "abc, weights f32, device cpu, adapter d");
        assert_ne!(cpu, text(WeightFormat::F32, DeviceChoice::Cuda(0)));
        let second = text(WeightFormat::F32, DeviceChoice::Cuda(1));
        assert_eq!(text(WeightFormat::F32, DeviceChoice::Cuda(0)), second);
    }
}
