//! JSON Lines files, to which documents are appended one by one, so that a crash loses at most one.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use slm_report::{OLDEST_RECORD, RECORD_VERSION, SampleRecord};
use slm_table::LineRead;

/// A document with the version of its format.
///
/// A file may contain documents of several versions: a run of an earlier version of this program is continued line by
/// line, and no line is ever rewritten.
pub(crate) trait Versioned: Serialize + DeserializeOwned {
    /// The version that is written.
    const VERSION: u32;

    /// The earliest version that is read.
    const OLDEST: u32;

    /// Returns why a document cannot be what this program wrote; `None` if it can.
    fn fault(&self) -> Option<String> {
        None
    }
}

impl Versioned for SampleRecord {
    const VERSION: u32 = RECORD_VERSION;
    const OLDEST: u32 = OLDEST_RECORD;

    fn fault(&self) -> Option<String> {
        self.fault()
    }
}

/// Returns why a document of this version is refused; `None` if it can be read.
///
/// For example: `version 9, but this program reads 3 and 4`, with a hint.
pub(crate) fn refusal(version: Option<u64>, oldest: u32, newest: u32) -> Option<String> {
    let read = if oldest == newest {
        newest.to_string()
    } else if oldest + 1 == newest {
        format!("{oldest} and {newest}")
    } else {
        format!("{oldest} to {newest}")
    };
    let (found, hint) = match version {
        None => (
            "no version".to_owned(),
            "this is not a file of a run: move the folder away and run again",
        ),
        Some(version) if version > u64::from(newest) => (
            format!("version {version}"),
            "a newer version of this program wrote it: update this one, or move the folder away and run again",
        ),
        Some(version) if version < u64::from(oldest) => (
            format!("version {version}"),
            "an earlier version of this program wrote it: report it with that one, or move the folder away and run again",
        ),
        Some(_) => return None,
    };
    Some(format!(
        "{found}, but this program reads {read}\nhint: {hint}"
    ))
}

/// The field that all versions have.
#[derive(serde::Deserialize)]
struct AnyVersion {
    version: Option<u64>,
}

/// An open file of documents.
pub(crate) struct JsonLines<T> {
    path: PathBuf,
    /// `None` until the first document of a file that was not created when it was opened.
    file: Option<File>,
    documents: PhantomData<T>,
}

impl<T: Versioned> JsonLines<T> {
    /// Opens a file, or creates it, and returns the documents in it.
    ///
    /// A last line that was cut off by a crash is dropped; one that lacks only its end gets it.
    ///
    /// # Errors
    /// The file cannot be written, or a complete line of it is not this program's.
    pub(crate) fn open(path: PathBuf) -> Result<(Self, Vec<T>)> {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let Content {
            documents,
            whole,
            lacks_end,
        } = read(&file, &path)?;
        let mended = file.set_len(whole).and_then(|()| {
            let end: &[u8] = if lacks_end { b"\n" } else { b"" };
            file.write_all(end)
        });
        mended.with_context(|| format!("cannot write {}", path.display()))?;
        let lines = Self {
            path,
            file: Some(file),
            documents: PhantomData,
        };
        Ok((lines, documents))
    }

    /// Returns the documents of a file without changing it, and none of one that is not there.
    ///
    /// # Errors
    /// The file cannot be read, or a complete line of it is not this program's.
    pub(crate) fn open_unchanged(path: PathBuf) -> Result<(Self, Vec<T>)> {
        let documents = if path.exists() {
            read_file(&path)?
        } else {
            Vec::new()
        };
        let lines = Self {
            path,
            file: None,
            documents: PhantomData,
        };
        Ok((lines, documents))
    }

    /// Appends a document, unbuffered.
    pub(crate) fn append(&mut self, document: &T) -> Result<()> {
        let mut line = serde_json::to_vec(document)?;
        line.push(b'\n');
        if self.file.is_none() {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path);
            let cannot = || format!("cannot open {}", self.path.display());
            self.file = Some(file.with_context(cannot)?);
        }
        let written = self
            .file
            .iter_mut()
            .try_for_each(|file| file.write_all(&line));
        written.with_context(|| {
            format!(
                "cannot write {}\nhint: free space and run the same command again",
                self.path.display()
            )
        })
    }
}

/// Serializes documents as JSON Lines.
pub(crate) fn text<T: Versioned>(documents: &[T]) -> Result<String> {
    let lines = documents.iter().map(serde_json::to_string);
    lines.map(|line| Ok(line? + "\n")).collect()
}

/// Reads the documents of a file whose last line may be cut off.
pub(crate) fn read_file<T: Versioned>(path: &Path) -> Result<Vec<T>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(read(&file, path)?.documents)
}

/// What is in a file.
struct Content<T> {
    documents: Vec<T>,
    /// The length of the documents in bytes: what follows was cut off by a crash.
    whole: u64,
    /// Whether the last document lacks the end of its line.
    lacks_end: bool,
}

/// Reads the documents of a file.
fn read<T: Versioned>(file: &File, path: &Path) -> Result<Content<T>> {
    let mut reader = BufReader::new(file);
    let (mut documents, mut whole, mut number) = (Vec::new(), 0, 0);
    let mut line = Vec::new();
    loop {
        let read = slm_table::read_line(&mut reader, slm_table::MAX_ROW_BYTES, &mut line)
            .with_context(|| format!("cannot read {}", path.display()))?;
        number += 1;
        if let LineRead::TooLong { bytes } = read {
            bail!(
                "{}:{number}: a line of {bytes} bytes exceeds the limit of {}\nhint: move the folder away and run again",
                path.display(),
                slm_table::MAX_ROW_BYTES
            );
        }
        let lacks_end = line.last() != Some(&b'\n');
        // An object that was cut off lacks its closing bracket.
        if lacks_end && serde_json::from_slice::<AnyVersion>(&line).is_err() {
            return Ok(Content {
                documents,
                whole,
                lacks_end: false,
            });
        }
        whole += line.len() as u64;
        let document =
            document(&line).map_err(|problem| anyhow!("{}:{number}: {problem}", path.display()))?;
        documents.push(document);
        if lacks_end {
            return Ok(Content {
                documents,
                whole,
                lacks_end,
            });
        }
    }
}

/// Parses one line; the error is the problem with a hint.
fn document<T: Versioned>(line: &[u8]) -> Result<T, String> {
    let broken = |error: &serde_json::Error| {
        format!("not a record of this program: {error}\nhint: move the folder away and run again")
    };
    // Checked first, since documents of other versions have other fields.
    let any: AnyVersion = serde_json::from_slice(line).map_err(|error| broken(&error))?;
    if let Some(refusal) = refusal(any.version, T::OLDEST, T::VERSION) {
        return Err(refusal);
    }
    let document: T = serde_json::from_slice(line).map_err(|error| broken(&error))?;
    match document.fault() {
        Some(fault) => Err(format!(
            "{fault}\nhint: the line was changed: take the file from where the run was made"
        )),
        None => Ok(document),
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn a_version_outside_the_range_is_named_with_what_to_do() {
        let check = |version, expected: &str| {
            let text = refusal(version, 3, 4).expect("a refusal");
            assert!(text.starts_with(expected), "{text}");
            assert!(text.contains("\nhint: "), "{text}");
        };
        check(
            Some(5),
            "version 5, but this program reads 3 and 4\nhint: a newer version",
        );
        check(Some(u64::MAX), "version 18446744073709551615, but");
        check(
            Some(2),
            "version 2, but this program reads 3 and 4\nhint: an earlier version",
        );
        check(None, "no version, but");
        assert_eq!(refusal(Some(3), 3, 4), None);
        assert_eq!(refusal(Some(4), 3, 4), None);
    }
}
