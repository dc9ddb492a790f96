//! The folder of one run: steps and records appended as they are made, the description, and the report.
//!
//! The folder's name follows from what is compared, so the same command finds its own folder again and goes on where it
//! stopped.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use slm_artifacts::atomic_write;
use slm_cli::UserMistake;
use slm_report::{OLDEST_RECORD, RECORD_VERSION, Report, RunInfo, SampleRecord};

use crate::json_lines::{self, JsonLines};
use crate::samples;
use crate::workflow::event::{Event, Key};

const RECORDS: &str = "records.jsonl";

/// The file of a run's description.
pub(crate) const RUN: &str = "run.json";

/// The file of the trajectories in a run's folder.
pub(crate) const TRAJECTORIES: &str = "trajectory.jsonl";

/// An open run folder.
pub(crate) struct RunFolder {
    path: PathBuf,
    records: Vec<SampleRecord>,
    records_file: JsonLines<SampleRecord>,
    /// Steps of earlier starts, until they are taken.
    events: BTreeMap<Key, Vec<Event>>,
    log: JsonLines<Event>,
    /// Held as long as the folder is open for work.
    _lock: Option<File>,
}

impl RunFolder {
    /// Opens the folder, with the steps and records of an earlier start of the same run if there are any.
    ///
    /// A last line that was cut off by a crash is dropped, so that it is made again.
    ///
    /// # Errors
    /// The folder cannot be written, or a whole line in it is not ours.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let (records_file, records) = JsonLines::open(path.join(RECORDS))?;
        let (log, logged) = JsonLines::<Event>::open(path.join(TRAJECTORIES))?;
        let mut events: BTreeMap<Key, Vec<Event>> = BTreeMap::new();
        for event in logged {
            events
                .entry(event.trajectory.clone())
                .or_default()
                .push(event);
        }
        Ok(Self {
            path,
            records,
            records_file,
            events,
            log,
            _lock: None,
        })
    }

    /// The same for whoever works in it: two processes at once would answer everything twice.
    ///
    /// # Errors
    /// As [`Self::open`], or another process works in the folder.
    pub(crate) fn open_alone(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let log = path.join(TRAJECTORIES);
        let lock = OpenOptions::new().create(true).append(true).open(&log);
        let lock = lock.with_context(|| format!("cannot open {}", log.display()))?;
        // A file system that knows no locks must do without.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(UserMistake(format!(
                "{}: another evaluator works in this folder\n\
                 hint: wait until it is done, or stop it; what it has answered is kept",
                path.display()
            ))
            .into());
        }
        Ok(Self {
            _lock: Some(lock),
            ..Self::open(path)?
        })
    }

    /// The records and steps in a folder, which stays as it is.
    ///
    /// # Errors
    /// A file cannot be read, or a whole line of it is not ours.
    pub(crate) fn read(folder: &Path) -> Result<(Vec<SampleRecord>, Vec<Event>)> {
        let records = json_lines::read_file(&folder.join(RECORDS))?;
        Ok((records, json_lines::read_file(&folder.join(TRAJECTORIES))?))
    }

    /// Writes the folder of a run that was put together from others, in place of an earlier one of the kind.
    ///
    /// # Errors
    /// It cannot be written, or holds a run that was made in one piece.
    pub(crate) fn write_merged(
        path: PathBuf,
        info: &RunInfo,
        records: &[SampleRecord],
        events: &[Event],
    ) -> Result<Self> {
        if path.join(RUN).is_file() && Self::read_info(&path)?.merged_from.is_empty() {
            return Err(UserMistake(format!(
                "{}: is there already, as a run that was made in one piece\n\
                 hint: move it away, or name another folder with --reports",
                path.display()
            ))
            .into());
        }
        // First, so that what an interruption leaves is known for what it is.
        write(&path, RUN, &(serde_json::to_string_pretty(info)? + "\n"))?;
        write(&path, RECORDS, &json_lines::text(records)?)?;
        write(&path, TRAJECTORIES, &json_lines::text(events)?)?;
        Self::open(path)
    }

    /// What is recorded so far.
    pub(crate) fn records(&self) -> &[SampleRecord] {
        &self.records
    }

    /// Appends a record and hands it to the system at once.
    pub(crate) fn append(&mut self, record: SampleRecord) -> Result<()> {
        self.records_file.append(&record)?;
        self.records.push(record);
        Ok(())
    }

    /// The steps of a trajectory that earlier starts have finished, in the order of the file.
    pub(crate) fn take_events(&mut self, key: &Key) -> Vec<Event> {
        self.events.remove(key).unwrap_or_default()
    }

    /// Where finished steps are written.
    pub(crate) fn log(&mut self) -> &mut JsonLines<Event> {
        &mut self.log
    }

    /// The description of an earlier start of this run; none if this is the first.
    ///
    /// # Errors
    /// As [`Self::read_info`]: what another program wrote is not written over.
    pub(crate) fn info(&self) -> Result<Option<RunInfo>> {
        let is_there = self.path.join(RUN).is_file();
        is_there.then(|| Self::read_info(&self.path)).transpose()
    }

    /// The description of the run in a folder, as this version would have written it.
    ///
    /// # Errors
    /// There is none, or one of a version that is not read.
    pub(crate) fn read_info(folder: &Path) -> Result<RunInfo> {
        let path = folder.join(RUN);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let broken = || {
            format!(
                "{}: no description of a run\nhint: move the folder away and run again",
                path.display()
            )
        };
        let value: serde_json::Value = serde_json::from_slice(&text).with_context(broken)?;
        let version = value["version"].as_u64();
        if let Some(refusal) = json_lines::refusal(version, OLDEST_RECORD, RECORD_VERSION) {
            bail!("{}: {refusal}", path.display());
        }
        let info: RunInfo = serde_json::from_value(value).with_context(broken)?;
        Ok(info.upgraded())
    }

    /// Writes the run's description.
    pub(crate) fn write_info(&self, info: &RunInfo) -> Result<()> {
        self.write(RUN, &(serde_json::to_string_pretty(info)? + "\n"))
    }

    /// Writes report, pictures and summary, and gives the report's path.
    pub(crate) fn write_report(&self, report: &Report) -> Result<PathBuf> {
        for (name, svg) in &report.pictures {
            self.write(name, svg)?;
        }
        self.write(
            "summary.json",
            &(serde_json::to_string_pretty(&report.summary)? + "\n"),
        )?;
        self.write("report.md", &report.markdown)?;
        Ok(self.path.join("report.md"))
    }

    /// Writes every sample as a row of `samples.parquet`.
    pub(crate) fn write_samples(&self, info: &RunInfo, records: &[SampleRecord]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let path = self.path.join("samples.parquet");
        Ok(slm_table::write_parquet(
            &path,
            &samples::rows(info, records),
        )?)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        write(&self.path, name, text)
    }
}

/// Writes a file that appears whole or not at all.
fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    atomic_write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
