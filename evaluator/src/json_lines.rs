//! Files of one JSON document a line, appended as the documents are made, so that a crash loses at most one.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A document that says which version of its format it has.
pub(crate) trait Versioned: Serialize + DeserializeOwned {
    /// The one version that is read and written.
    const VERSION: u32;

    fn version(&self) -> u32;
}

/// An open file of documents.
pub(crate) struct JsonLines<T> {
    path: PathBuf,
    file: File,
    documents: PhantomData<T>,
}

impl<T: Versioned> JsonLines<T> {
    /// Opens a file, made if there is none, and gives the documents in it.
    ///
    /// A last line that was cut off by a crash is dropped.
    ///
    /// # Errors
    /// The file cannot be written, or a whole line of it is not ours.
    pub(crate) fn open(path: PathBuf) -> Result<(Self, Vec<T>)> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let (documents, whole) = read(&file, &path)?;
        file.set_len(whole)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let lines = Self {
            path,
            file,
            documents: PhantomData,
        };
        Ok((lines, documents))
    }

    /// Appends a document and hands it to the system at once.
    pub(crate) fn append(&mut self, document: &T) -> Result<()> {
        let mut line = serde_json::to_vec(document)?;
        line.push(b'\n');
        self.file.write_all(&line).with_context(|| {
            format!(
                "cannot write {}\nhint: free space and run the same command again",
                self.path.display()
            )
        })
    }
}

/// Documents as such a file has them.
pub(crate) fn text<T: Versioned>(documents: &[T]) -> Result<String> {
    let lines = documents.iter().map(serde_json::to_string);
    lines.map(|line| Ok(line? + "\n")).collect()
}

/// The documents of a file that may have been cut off at its end.
pub(crate) fn read_file<T: Versioned>(path: &Path) -> Result<Vec<T>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(read(&file, path)?.0)
}

/// The documents of a file and the length of its whole lines in bytes.
fn read<T: Versioned>(file: &File, path: &Path) -> Result<(Vec<T>, u64)> {
    let mut reader = BufReader::new(file);
    let (mut documents, mut whole, mut number) = (Vec::new(), 0, 0);
    loop {
        let mut line = Vec::new();
        let length = reader
            .read_until(b'\n', &mut line)
            .with_context(|| format!("cannot read {}", path.display()))?;
        if length == 0 || line.last() != Some(&b'\n') {
            return Ok((documents, whole));
        }
        number += 1;
        whole += length as u64;
        let document: T = serde_json::from_slice(&line).with_context(|| {
            format!("{}:{number}: not a record of this version\nhint: move the folder away and run again", path.display())
        })?;
        if document.version() != T::VERSION {
            bail!(
                "{}:{number}: version {}, expected {}\nhint: move the folder away and run again",
                path.display(),
                document.version(),
                T::VERSION
            );
        }
        documents.push(document);
    }
}
