//! Event file of a run for TensorBoard.
//!
//! The file mirrors `log.jsonl`, one record per line. After a kill, records without a line are cut off; a missing or
//! damaged file is rebuilt from the log, so nothing depends on it.
//!
//! # Source
//! Framing as in TensorFlow's `record_writer.cc`: length, CRC of the length, data, CRC of the data, all little-endian;
//! the checksums are CRC-32C, rotated and shifted. The data are `Event` messages of `event.proto`, with the few fields
//! that scalars need.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use crc32c::crc32c;
use slm_artifacts::PreferenceFigures;

use super::{LogLine, Tail};

/// Name of the file: TensorBoard reads every file that has `tfevents` in its name.
const EVENT_FILE: &str = "events.out.tfevents.trainer";
/// The version in the first record of every event file.
const FILE_VERSION: &str = "brain.Event:2";
/// Upper bound for the length of a record in bytes; longer ones are damaged.
const LONGEST_RECORD: u64 = 1 << 16;

/// An event file opened for writing.
pub(super) struct EventFile(Tail);

impl EventFile {
    /// Opens the event file and makes its records match these lines of the log.
    ///
    /// # Errors
    /// The file cannot be written, or the log cannot be read.
    pub(super) fn open(
        output_dir: &Path,
        lines: impl Iterator<Item = Result<LogLine>>,
    ) -> Result<Self> {
        let path = output_dir.join(EVENT_FILE);
        let tail = Tail::open(path.clone())?;
        let lines: Vec<LogLine> = lines.collect::<Result<_>>()?;
        let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let kept = end_of_record(&mut BufReader::new(file), 1 + lines.len());
        tail.keep(kept.unwrap_or(0))?;
        let mut events = Self(tail);
        if kept.is_none() {
            events.0.append(&record(&version_event(now())))?;
            for line in &lines {
                events.append(line)?;
            }
        }
        Ok(events)
    }

    /// Appends the record of a line.
    pub(super) fn append(&mut self, line: &LogLine) -> Result<()> {
        self.0.append(&record(&event_of(line, now())))
    }

    /// Flushes the file to disk.
    pub(super) fn sync(&self) -> Result<()> {
        self.0.sync()
    }
}

/// Returns the seconds since 1970.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// Returns the offset of the end of the first `n` records; `None` if there are fewer intact ones.
fn end_of_record(file: &mut impl Read, n: usize) -> Option<u64> {
    let mut end = 0;
    for _ in 0..n {
        let mut head = [0; 12];
        file.read_exact(&mut head).ok()?;
        let (length, checksum) = head.split_at(8);
        let bytes = u64::from_le_bytes(length.try_into().ok()?);
        if masked_crc(length).to_le_bytes() != checksum || bytes > LONGEST_RECORD {
            return None;
        }
        let mut data = vec![0; bytes as usize + 4];
        file.read_exact(&mut data).ok()?;
        let (data, checksum) = data.split_at(bytes as usize);
        if masked_crc(data).to_le_bytes() != checksum {
            return None;
        }
        end += 16 + bytes;
    }
    Some(end)
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [
        &length[..],
        &masked_crc(&length).to_le_bytes(),
        data,
        &masked_crc(data).to_le_bytes(),
    ]
    .concat()
}

/// The masked checksum of TensorFlow's records: CRCs are masked because the data may contain CRCs themselves.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn version_event(wall_time: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, wall_time);
    event.bytes(3, FILE_VERSION.as_bytes());
    event.0
}

fn event_of(line: &LogLine, wall_time: f64) -> Vec<u8> {
    let (step, scalars) = scalars(line);
    let mut summary = Message::default();
    for (tag, value) in scalars {
        let mut scalar = Message::default();
        scalar.bytes(1, tag.as_bytes());
        scalar.float(2, value as f32);
        summary.bytes(1, &scalar.0);
    }
    let mut event = Message::default();
    event.double(1, wall_time);
    event.varint(2, step as u64);
    event.bytes(5, &summary.0);
    event.0
}

/// Returns the step of a line and its scalars, by TensorBoard tag.
fn scalars(line: &LogLine) -> (usize, Vec<(&'static str, f64)>) {
    match *line {
        LogLine::Step {
            step,
            epoch,
            loss,
            learning_rate,
            grad_norm,
            tokens,
            preference,
        } => {
            let mut found = vec![
                ("train/loss", loss),
                ("train/learning_rate", learning_rate),
                ("train/grad_norm", grad_norm),
                ("train/epoch", epoch),
                ("train/tokens", tokens as f64),
            ];
            found.extend(preferences(preference, &TRAIN_TAGS));
            (step, found)
        }
        LogLine::Validation {
            step,
            epoch: _,
            validation_loss,
            preference,
        } => {
            let mut found = vec![("validation/loss", validation_loss)];
            found.extend(preferences(preference, &VALIDATION_TAGS));
            (step, found)
        }
        LogLine::Start {
            step,
            epoch: _,
            loss,
        } => (step, vec![("train/loss", loss)]),
    }
}

/// Tags of the figures of a preference objective, in the order of [`preferences`].
const TRAIN_TAGS: [&str; 6] = [
    "train/accuracy",
    "train/reward_margin",
    "train/chosen_log_p",
    "train/rejected_log_p",
    "train/chosen_tokens",
    "train/rejected_tokens",
];
const VALIDATION_TAGS: [&str; 6] = [
    "validation/accuracy",
    "validation/reward_margin",
    "validation/chosen_log_p",
    "validation/rejected_log_p",
    "validation/chosen_tokens",
    "validation/rejected_tokens",
];

/// Returns the figures that are known, with their tags.
fn preferences(
    figures: Option<PreferenceFigures>,
    tags: &[&'static str; 6],
) -> Vec<(&'static str, f64)> {
    let Some(figures) = figures else {
        return Vec::new();
    };
    let PreferenceFigures {
        accuracy,
        reward_margin,
        chosen,
        rejected,
    } = figures;
    let values = [
        Some(accuracy),
        reward_margin,
        chosen.map(|answers| answers.log_p),
        rejected.map(|answers| answers.log_p),
        chosen.map(|answers| answers.tokens),
        rejected.map(|answers| answers.tokens),
    ];
    let known = tags.iter().zip(values);
    known
        .filter_map(|(&tag, value)| Some((tag, value?)))
        .collect()
}

/// An encoder for a protocol buffers message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u64, wire_type: u64) {
        self.raw_varint((field << 3) | wire_type);
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, 2);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    fn lines() -> Vec<LogLine> {
        let step = |step: usize, loss| LogLine::Step {
            step,
            epoch: step as f64 / 4.0,
            loss,
            learning_rate: 2e-4 / step as f64,
            grad_norm: 0.5,
            tokens: 70_000 * step,
            preference: None,
        };
        let validation = |step, validation_loss| LogLine::Validation {
            step,
            epoch: 1.0,
            validation_loss,
            preference: None,
        };
        vec![
            step(1, 2.5),
            step(200, 1.25),
            validation(200, 1.5),
            step(300_000, 0.1),
        ]
    }

    /// The event file of these lines, with wall times one second apart.
    fn file_of(lines: &[LogLine]) -> Vec<u8> {
        let mut bytes = record(&version_event(1.0));
        for (line, second) in lines.iter().zip(2..) {
            bytes.extend(record(&event_of(line, f64::from(second))));
        }
        bytes
    }

    fn golden(name: &str) -> PathBuf {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden/events");
        Path::new(folder).join(name)
    }

    /// `golden/events` was written by this code; `expected.json` beside it has what TensorBoard read from it.
    #[test]
    fn tensorboard_reads_every_number_at_its_step() {
        let path = golden("events.out.tfevents.golden");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(golden("")).expect("a folder");
            fs::write(&path, file_of(&lines())).expect("written");
            return;
        }
        let judged = fs::read(&path).expect("golden");
        assert!(
            judged == file_of(&lines()),
            "TensorBoard read different bytes"
        );
        let text = fs::read_to_string(golden("expected.json")).expect("golden");
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let read = read["scalars"].as_object().expect("scalars by tag");
        let mut n_compared = 0;
        for (line, second) in lines().iter().zip(2..) {
            let (step, scalars) = scalars(line);
            for (tag, value) in scalars {
                let theirs = read[tag].as_array().expect("points");
                let point = theirs.iter().find(|point| point["step"] == step);
                let point = point.unwrap_or_else(|| panic!("{tag}: no step {step}"));
                assert_eq!(point["wall_time"], f64::from(second), "{tag}");
                assert_eq!(point["value"], f64::from(value as f32), "{tag}");
                n_compared += 1;
            }
        }
        let n_read: usize = read
            .values()
            .filter_map(|p| Some(p.as_array()?.len()))
            .sum();
        assert_eq!(n_read, n_compared, "TensorBoard read more than was written");
    }

    /// The records of the file, without their times.
    fn content(path: &Path) -> Vec<Vec<u8>> {
        let bytes = fs::read(path).expect("an event file");
        let mut rest = &bytes[..];
        let mut found = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().expect("a length")) as usize;
            // Skips the header of the record and the wall time.
            found.push(rest[12 + 9..12 + length].to_vec());
            rest = &rest[16 + length..];
        }
        found
    }

    #[test]
    fn records_without_a_line_go_and_a_damaged_file_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(EVENT_FILE);
        let open = |n: usize| {
            let lines = lines().into_iter().take(n).map(Ok);
            EventFile::open(folder.path(), lines).expect("an event file");
        };
        let expected = |n: usize| {
            let reference = folder.path().join("reference");
            fs::write(&reference, file_of(&lines()[..n])).expect("written");
            content(&reference)
        };
        for damage in [
            |_: &mut Vec<u8>| (),
            |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1),
            |bytes: &mut Vec<u8>| bytes[60] ^= 1,
            Vec::clear,
            |bytes: &mut Vec<u8>| bytes[..8].fill(0xff),
        ] {
            open(4);
            assert_eq!(content(&path), expected(4));
            let mut bytes = fs::read(&path).expect("an event file");
            damage(&mut bytes);
            fs::write(&path, bytes).expect("written");
            open(2);
            assert_eq!(content(&path), expected(2));
            fs::remove_file(&path).expect("removed");
        }
    }
}
