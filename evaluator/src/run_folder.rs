//! The folder of one run: steps and records appended as they are made, the description, and the report.
//!
//! The folder's name is derived from what is compared, so that the same command finds its folder and resumes the run.

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

/// The file of the records in a run's folder.
pub(crate) const RECORDS: &str = "records.jsonl";

/// The file of a run's results.
pub(crate) const SUMMARY: &str = "summary.json";

/// The name of the file with a run's description.
pub(crate) const RUN: &str = "run.json";

/// The page of a run, beside its report.
pub(crate) const PAGE: &str = "report.html";

/// The name of the file with a run's trajectories.
pub(crate) const TRAJECTORIES: &str = "trajectory.jsonl";

/// An open run folder.
pub(crate) struct RunFolder {
    path: PathBuf,
    records: Vec<SampleRecord>,
    records_file: JsonLines<SampleRecord>,
    /// Steps that earlier starts logged, until [`Self::take_events`] removes them.
    events: BTreeMap<Key, Vec<Event>>,
    log: JsonLines<Event>,
    /// Locked as long as the folder is open for writing.
    _lock: Option<File>,
}

impl RunFolder {
    /// Opens the folder, with the steps and records of an earlier start of the same run if there are any.
    ///
    /// A last line that a crash cut off is dropped, so that its step or sample is repeated.
    ///
    /// # Errors
    /// The folder cannot be written, or a complete line in it is not this program's.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let records = JsonLines::open(path.join(RECORDS))?;
        let log = JsonLines::open(path.join(TRAJECTORIES))?;
        Ok(Self::of(path, records, log))
    }

    /// Reads the folder of a run whose report is written again. Its records and its log, which a copy may lack, are not
    /// changed.
    ///
    /// # Errors
    /// A file cannot be read, or a complete line in it is not this program's.
    pub(crate) fn open_recorded(path: PathBuf) -> Result<Self> {
        let records = JsonLines::open_unchanged(path.join(RECORDS))?;
        let log = JsonLines::open_unchanged(path.join(TRAJECTORIES))?;
        Ok(Self::of(path, records, log))
    }

    fn of(
        path: PathBuf,
        (records_file, records): (JsonLines<SampleRecord>, Vec<SampleRecord>),
        (log, logged): (JsonLines<Event>, Vec<Event>),
    ) -> Self {
        let mut events: BTreeMap<Key, Vec<Event>> = BTreeMap::new();
        for event in logged {
            events
                .entry(event.trajectory.clone())
                .or_default()
                .push(event);
        }
        Self {
            path,
            records,
            records_file,
            events,
            log,
            _lock: None,
        }
    }

    /// Opens the folder as [`Self::open`] does, but with an exclusive lock: two processes would generate every answer
    /// twice.
    ///
    /// # Errors
    /// As [`Self::open`], or another process has the folder open.
    pub(crate) fn open_alone(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let log = path.join(TRAJECTORIES);
        let lock = OpenOptions::new().create(true).append(true).open(&log);
        let lock = lock.with_context(|| format!("cannot open {}", log.display()))?;
        // Some file systems have no locks; there the folder is used without one.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(UserMistake(format!(
                "{}: another evaluator is using this folder\n\
                 hint: wait until it has finished, or stop it; its answers are kept",
                path.display()
            ))
            .into());
        }
        Ok(Self {
            _lock: Some(lock),
            ..Self::open(path)?
        })
    }

    /// Reads the records and steps in a folder, without changing it.
    ///
    /// # Errors
    /// A file cannot be read, or a complete line of it is not this program's. A missing log is a [`UserMistake`].
    pub(crate) fn read(folder: &Path) -> Result<(Vec<SampleRecord>, Vec<Event>)> {
        let records = Self::read_records(folder)?;
        let log = folder.join(TRAJECTORIES);
        if !log.is_file() {
            return Err(UserMistake(format!(
                "{}: no {TRAJECTORIES}, which holds the requests and the steps to each answer\n\
                 hint: copy it from where the run was made, or repeat the run; without it, `evaluator show` and \
                 `evaluator report` still read the records",
                folder.display()
            ))
            .into());
        }
        Ok((records, json_lines::read_file(&log)?))
    }

    /// Reads the records in a folder, without changing it.
    ///
    /// # Errors
    /// The file cannot be read, or a complete line of it is not this program's.
    pub(crate) fn read_records(folder: &Path) -> Result<Vec<SampleRecord>> {
        json_lines::read_file(&folder.join(RECORDS))
    }

    /// Writes the folder of a run that was merged from shards, in place of an earlier merged run.
    ///
    /// # Errors
    /// The folder cannot be written, or holds a run that was not merged.
    pub(crate) fn write_merged(
        path: PathBuf,
        info: &RunInfo,
        records: &[SampleRecord],
        events: &[Event],
    ) -> Result<Self> {
        if path.join(RUN).is_file() && Self::read_info(&path)?.merged_from.is_empty() {
            return Err(UserMistake(format!(
                "{}: already exists, and holds a run that was not merged from shards\n\
                 hint: move it away, or choose another folder with --reports",
                path.display()
            ))
            .into());
        }
        // Written first, so that an interrupted merge can be recognised as one and repeated.
        write(&path, RUN, &(serde_json::to_string_pretty(info)? + "\n"))?;
        write(&path, RECORDS, &json_lines::text(records)?)?;
        write(&path, TRAJECTORIES, &json_lines::text(events)?)?;
        Self::open(path)
    }

    /// Returns the records of the run.
    pub(crate) fn records(&self) -> &[SampleRecord] {
        &self.records
    }

    /// Appends a record, unbuffered.
    pub(crate) fn append(&mut self, record: SampleRecord) -> Result<()> {
        self.records_file.append(&record)?;
        self.records.push(record);
        Ok(())
    }

    /// Removes and returns the steps of a trajectory that earlier starts finished, in file order.
    pub(crate) fn take_events(&mut self, key: &Key) -> Vec<Event> {
        self.events.remove(key).unwrap_or_default()
    }

    /// Returns the log that finished steps are appended to.
    pub(crate) fn log(&mut self) -> &mut JsonLines<Event> {
        &mut self.log
    }

    /// Returns the description that an earlier start of this run wrote; `None` if this is the first start.
    ///
    /// # Errors
    /// As [`Self::read_info`], so that a file of another program is not overwritten.
    pub(crate) fn info(&self) -> Result<Option<RunInfo>> {
        let is_there = self.path.join(RUN).is_file();
        is_there.then(|| Self::read_info(&self.path)).transpose()
    }

    /// Reads the description of the run in a folder, upgraded to this version.
    ///
    /// # Errors
    /// There is no description, or its version is not supported.
    pub(crate) fn read_info(folder: &Path) -> Result<RunInfo> {
        let path = folder.join(RUN);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let broken = || {
            format!(
                "{}: not the description of a run\nhint: move the folder away and run again",
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

    /// Writes the report, its charts and the summary, and returns the report's path.
    pub(crate) fn write_report(&self, report: &Report) -> Result<PathBuf> {
        for (name, svg) in &report.pictures {
            self.write(name, svg)?;
        }
        self.write(
            SUMMARY,
            &(serde_json::to_string_pretty(&report.summary)? + "\n"),
        )?;
        self.write("report.md", &report.markdown)?;
        Ok(self.path.join("report.md"))
    }

    /// Writes the page of the run.
    pub(crate) fn write_page(&self, page: &str) -> Result<()> {
        self.write(PAGE, page)
    }

    /// Returns the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
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

/// Writes a file atomically.
fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    atomic_write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
