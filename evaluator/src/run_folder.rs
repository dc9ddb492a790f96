//! The folder of one run: steps and records appended as they are made, the description, and the report.
//!
//! The folder's name follows from what is compared, so the same command finds its own folder again and goes on where it
//! stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::json_lines::JsonLines;
use crate::record::{RECORD_VERSION, RunInfo, SampleRecord};
use crate::report::Report;
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
        })
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

    /// The description of an earlier start of this run.
    pub(crate) fn info(&self) -> Option<RunInfo> {
        serde_json::from_slice(&fs::read(self.path.join(RUN)).ok()?).ok()
    }

    /// The description of the run in a folder.
    ///
    /// # Errors
    /// There is none, or one of another version.
    pub(crate) fn read_info(folder: &Path) -> Result<RunInfo> {
        let path = folder.join(RUN);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let value: serde_json::Value = serde_json::from_slice(&text)
            .with_context(|| format!("{}: no description of a run", path.display()))?;
        let version = value["version"].as_u64();
        if version != Some(u64::from(RECORD_VERSION)) {
            bail!(
                "{}: version {}, expected {RECORD_VERSION}\nhint: make the run again",
                path.display(),
                version.map_or_else(|| "missing".to_owned(), |version| version.to_string()),
            );
        }
        serde_json::from_value(value)
            .with_context(|| format!("{}: no description of a run", path.display()))
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
    pub(crate) fn write_samples(&self, info: &RunInfo) -> Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        let path = self.path.join("samples.parquet");
        Ok(table::write_parquet(
            &path,
            &samples::rows(info, &self.records),
        )?)
    }

    /// Writes a file under a temporary name and renames it, so that it is whole or not there.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path.join(name);
        let part = self.path.join(format!("{name}.part"));
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&part, text)?;
            fs::rename(&part, &path)
        };
        write()
            .inspect_err(|_| drop(fs::remove_file(&part)))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
