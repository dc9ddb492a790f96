//! The log of a run: `log.jsonl`, one JSON object per line, and the same values for TensorBoard.

mod events;
pub(crate) mod speed;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
pub(crate) use slm_artifacts::LogLine;

use events::EventFile;

/// Name of the log inside the run's folder.
pub(crate) const LOG_FILE: &str = "log.jsonl";

/// Mean loss over several steps, weighted by their supervised tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossMean {
    /// Sum of the loss over the tokens, in nats.
    sum: f64,
    /// The number of supervised tokens.
    tokens: usize,
}

impl LossMean {
    /// Adds a step with this mean loss over `tokens` supervised tokens.
    pub(crate) fn add(&mut self, loss: f64, tokens: usize) {
        self.sum += loss * tokens as f64;
        self.tokens += tokens;
    }

    /// Returns the mean, in nats per token, and resets the sum.
    pub(crate) fn take(&mut self) -> f64 {
        let Self { sum, tokens } = std::mem::take(self);
        sum / tokens as f64
    }
}

/// The log that a training writes; each line is written through immediately.
pub(crate) struct RunLog {
    lines: Tail,
    events: EventFile,
}

impl RunLog {
    /// Opens the log for appending after its first `keep_bytes`; bytes that a killed run wrote after them are cut off.
    ///
    /// # Errors
    /// A file cannot be written, or the log is shorter than `keep_bytes`.
    pub(crate) fn open(output_dir: &Path, keep_bytes: u64) -> Result<Self> {
        let path = output_dir.join(LOG_FILE);
        let lines = Tail::open(path.clone())?;
        let found = lines.length()?;
        if found < keep_bytes {
            anyhow::bail!(
                "{} has {found} bytes, but had {keep_bytes} when the checkpoint was saved\n\
                 hint: put the file back, or train from scratch with --restart",
                path.display()
            );
        }
        lines.keep(keep_bytes)?;
        let events = EventFile::open(output_dir, read_lines(&path)?)?;
        Ok(Self { lines, events })
    }

    /// Appends a line.
    ///
    /// # Errors
    /// The disk is full.
    pub(crate) fn write(&mut self, line: &LogLine) -> Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.lines.append(&text)?;
        self.events.append(line)
    }

    /// Flushes the log to disk and returns its length in bytes.
    ///
    /// # Errors
    /// Writing to the disk fails.
    pub(crate) fn sync(&mut self) -> Result<u64> {
        self.events.sync()?;
        self.lines.sync()?;
        self.lines.length()
    }
}

/// Reads all lines of a run's log.
///
/// # Errors
/// The file cannot be read, or a line is not valid.
pub(crate) fn read(output_dir: &Path) -> Result<Vec<LogLine>> {
    read_lines(&output_dir.join(LOG_FILE))?.collect()
}

/// Reads the lines of a run's log up to the first that is not whole: the training may be writing it.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn read_whole_lines(output_dir: &Path) -> Result<Vec<LogLine>> {
    let lines = read_lines(&output_dir.join(LOG_FILE))?;
    Ok(lines.map_while(Result::ok).collect())
}

fn read_lines(path: &Path) -> Result<impl Iterator<Item = Result<LogLine>> + use<>> {
    let path = path.to_owned();
    let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(BufReader::new(file)
        .lines()
        .enumerate()
        .map(move |(index, line)| {
            let place = || format!("{}:{}", path.display(), index + 1);
            serde_json::from_str(&line.with_context(place)?).with_context(place)
        }))
}

/// A file opened for appending.
struct Tail {
    file: File,
    path: PathBuf,
}

impl Tail {
    fn open(path: PathBuf) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { file, path })
    }

    fn length(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        Ok(self.with_path(metadata)?.len())
    }

    fn keep(&self, bytes: u64) -> Result<()> {
        self.with_path(self.file.set_len(bytes))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        self.with_path(written)
    }

    fn sync(&self) -> Result<()> {
        self.with_path(self.file.sync_all())
    }

    fn with_path<T>(&self, outcome: std::io::Result<T>) -> Result<T> {
        outcome.with_context(|| {
            format!(
                "cannot write {}\nhint: free space under the output folder and run the same command again",
                self.path.display()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: usize) -> LogLine {
        LogLine::Step {
            step,
            epoch: 0.5,
            loss: 1.0 / step as f64,
            learning_rate: 2e-4,
            grad_norm: 0.25,
            tokens: 100 * step,
            preference: None,
        }
    }

    #[test]
    fn lines_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let validation = LogLine::Validation {
            step: 3,
            epoch: 1.0,
            validation_loss: 0.7,
            preference: None,
        };
        let start = LogLine::Start {
            step: 0,
            epoch: 0.0,
            loss: 2.5,
        };
        let lines = [start, step(1), step(3), validation];
        let mut log = RunLog::open(folder.path(), 0).expect("a log");
        for line in &lines {
            log.write(line).expect("written");
        }
        assert_eq!(read(folder.path()).expect("read"), lines);
    }

    #[test]
    fn a_mean_weighs_each_step_with_its_tokens_and_starts_again_when_taken() {
        let mut mean = LossMean::default();
        mean.add(2.0, 30);
        mean.add(5.0, 10);
        assert!((mean.take() - 2.75).abs() < 1e-12);
        mean.add(4.0, 7);
        assert!((mean.take() - 4.0).abs() < 1e-12);
        assert_eq!(mean, LossMean::default());
    }

    #[test]
    fn what_was_written_after_the_checkpoint_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let bytes = || std::fs::read(folder.path().join(LOG_FILE)).expect("a log");
        let mut log = RunLog::open(folder.path(), 0).expect("a log");
        log.write(&step(1)).expect("written");
        let kept = log.sync().expect("synced");
        log.write(&step(2)).expect("written");
        let whole = bytes();
        let mut log = RunLog::open(folder.path(), kept).expect("a log");
        assert_eq!(bytes().len() as u64, kept);
        log.write(&step(2)).expect("written");
        assert_eq!(bytes(), whole);
        let error = RunLog::open(folder.path(), 1 << 20).err().expect("short");
        assert!(error.to_string().contains("hint: put the file back"));
    }
}
