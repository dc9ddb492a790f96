//! The folder of one run: steps and records appended as they are made, the description, and the report.
//!
//! The folder's name follows from what is compared, so the same command finds its own folder again and goes on where it
//! stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::json_lines::JsonLines;
use crate::record::{RunInfo, SampleRecord};
use crate::report::Report;
use crate::workflow::event::{Event, Key};

const RECORDS: &str = "records.jsonl";
const RUN: &str = "run.json";

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
