//! The folder of one run: records appended as they are made, the description, and the report.
//!
//! The folder's name follows from what is compared, so the same command finds its own folder again and goes on where it
//! stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::record::{RECORD_VERSION, RunInfo, SampleRecord};
use crate::report::Report;

const RECORDS: &str = "records.jsonl";
const RUN: &str = "run.json";

/// An open run folder.
pub(crate) struct RunFolder {
    path: PathBuf,
    records: Vec<SampleRecord>,
    file: File,
}

impl RunFolder {
    /// Opens the folder, with the records of an earlier start of the same run if there are any.
    ///
    /// A last line that was cut off by a crash is dropped, so that its sample is made again.
    ///
    /// # Errors
    /// The folder cannot be written, or a whole line of its records is not ours.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let file_path = path.join(RECORDS);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(&file_path)
            .with_context(|| format!("cannot open {}", file_path.display()))?;
        let (records, whole) = read_records(&file, &file_path)?;
        file.set_len(whole)
            .with_context(|| format!("cannot write {}", file_path.display()))?;
        Ok(Self {
            path,
            records,
            file,
        })
    }

    /// What is recorded so far.
    pub(crate) fn records(&self) -> &[SampleRecord] {
        &self.records
    }

    /// Appends a record and hands it to the system at once.
    pub(crate) fn append(&mut self, record: SampleRecord) -> Result<()> {
        let mut line = serde_json::to_vec(&record)?;
        line.push(b'\n');
        self.file.write_all(&line).with_context(|| {
            format!(
                "cannot write {}\nhint: free space and run the same command again",
                self.path.join(RECORDS).display()
            )
        })?;
        self.records.push(record);
        Ok(())
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

/// The records of a file and the length of its whole lines in bytes.
fn read_records(file: &File, path: &Path) -> Result<(Vec<SampleRecord>, u64)> {
    let mut reader = BufReader::new(file);
    let (mut records, mut whole, mut number) = (Vec::new(), 0, 0);
    loop {
        let mut line = Vec::new();
        let length = reader
            .read_until(b'\n', &mut line)
            .with_context(|| format!("cannot read {}", path.display()))?;
        if length == 0 || line.last() != Some(&b'\n') {
            return Ok((records, whole));
        }
        number += 1;
        whole += length as u64;
        let record: SampleRecord = serde_json::from_slice(&line).with_context(|| {
            format!("{}:{number}: not a record of this version\nhint: move the folder away and run again", path.display())
        })?;
        if record.version != RECORD_VERSION {
            bail!(
                "{}:{number}: record version {}, expected {RECORD_VERSION}",
                path.display(),
                record.version
            );
        }
        records.push(record);
    }
}
