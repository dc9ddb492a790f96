//! The log of finished stages, `improve.jsonl`, by which a second start finds out what need not be done again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use slm_artifacts::{Energy, atomic_write};

/// File name of the log.
pub(super) const LOG: &str = "improve.jsonl";

/// Hashes by name.
pub(super) type Hashes = BTreeMap<String, String>;

/// A kind of stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The model answers the tasks that are learned from.
    Sample,
    /// Some answers become a data set.
    Data,
    /// An adapter is trained on it.
    Fit,
    /// The adapter answers the dev tasks.
    Judge,
}

impl Kind {
    /// The stages of a round, in their order.
    pub(super) const OF_ROUND: [Self; 4] = [Self::Sample, Self::Data, Self::Fit, Self::Judge];

    /// The name of its folder, recipe and lines.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Data => "data",
            Self::Fit => "fit",
            Self::Judge => "judge",
        }
    }
}

/// A finished stage: a line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// The stage.
    pub(super) stage: Kind,
    /// The round, from 1; 0 for the base model.
    pub(super) round: usize,
    /// SHA-256 of what it was made from, by name, in hex.
    pub(super) inputs: Hashes,
    /// SHA-256 of what it made, without times, by name, in hex.
    pub(super) outputs: Hashes,
    /// Wall time of the command that finished it, in seconds; an interrupted start before it is not included.
    pub(super) seconds: f64,
    /// Energy in that time, of a GPU that over all starts of the command; `None` in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) energy: Option<Energy>,
    /// That command.
    pub(super) command: String,
}

/// The log of a folder.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    /// The complete lines, in the order of the file.
    lines: Vec<Line>,
}

impl Log {
    /// Reads the log in `folder`, or begins one. The first line that is not whole, and all after it, are dropped.
    /// Returns the number of dropped lines with it; the file is not changed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(folder: &Path) -> Result<(Self, usize)> {
        let path = folder.join(LOG);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let mut lines = Vec::new();
        let mut dropped = 0;
        for piece in text.split_inclusive(|&byte| byte == b'\n') {
            // A line without its end was being written when the process was killed.
            let is_whole = dropped == 0 && piece.ends_with(b"\n");
            match serde_json::from_slice(piece) {
                Ok(line) if is_whole => lines.push(line),
                _ => dropped += 1,
            }
        }
        Ok((Self { path, lines }, dropped))
    }

    /// The finished stages.
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Keeps the first `n` lines only, in the file as well.
    ///
    /// # Errors
    /// The disk is full or not writable; the previous file is kept.
    pub(super) fn keep(&mut self, n: usize) -> Result<()> {
        self.lines.truncate(n);
        let mut text = String::new();
        for line in &self.lines {
            text += &serde_json::to_string(line)?;
            text.push('\n');
        }
        atomic_write(&self.path, text)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Appends a finished stage; the line is on the disk when this returns.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub(super) fn append(&mut self, line: Line) -> Result<()> {
        let text = serde_json::to_string(&line)? + "\n";
        let write = || -> io::Result<()> {
            let mut file: File = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot write {}", self.path.display()))?;
        self.lines.push(line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(round: usize) -> Line {
        Line {
            stage: Kind::Judge,
            round,
            inputs: [("recipe".to_owned(), "aa".to_owned())].into(),
            outputs: Hashes::new(),
            seconds: 0.1 + round as f64,
            energy: (round > 0).then(|| Energy::unread(0.1 + round as f64, "no counter")),
            command: "evaluator sweep".to_owned(),
        }
    }

    #[test]
    fn lines_are_read_as_they_were_appended() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut log, _) = Log::read(folder.path()).expect("none yet");
        for round in 0..3 {
            log.append(line(round)).expect("appended");
        }
        let (read, dropped) = Log::read(folder.path()).expect("read");
        assert_eq!((read.lines(), dropped), (log.lines(), 0));
        log.keep(1).expect("kept");
        let (read, _) = Log::read(folder.path()).expect("read");
        assert_eq!(read.lines(), [line(0)]);
    }

    #[test]
    fn a_torn_line_is_dropped_with_all_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut log, _) = Log::read(folder.path()).expect("none yet");
        log.append(line(0)).expect("appended");
        let path = folder.path().join(LOG);
        let whole = fs::read_to_string(&path).expect("text");
        let last = whole.trim_end();
        for (end, lost) in [
            (last.to_owned(), 1),
            (format!("{}\n{whole}", &last[..20]), 2),
        ] {
            fs::write(&path, format!("{whole}{end}")).expect("written");
            let (read, dropped) = Log::read(folder.path()).expect("read");
            assert_eq!((read.lines(), dropped), (&[line(0)][..], lost));
        }
    }
}
