//! Opens files of rows: detects format and compression.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::csv::CsvRows;
use crate::json::JsonRows;
use crate::line::{LineRead, MAX_ROW_BYTES, read_line};
use crate::reading::{Reading, Text};
use crate::{Place, Row, RowFault, TableError, parquet};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const PARQUET_MAGIC: &[u8; 4] = b"PAR1";
/// The beginning of the pointer file that git stores in place of a large file.
const LFS_MAGIC: &[u8] = b"version https://git-lfs.github.com/spec/";
const BUFFER_BYTES: usize = 256 * 1024;

/// Endings of file names that [`open`] supports, in lower case.
pub const ENDINGS: [&str; 9] = [
    ".jsonl",
    ".ndjson",
    ".json",
    ".csv",
    ".parquet",
    ".jsonl.gz",
    ".ndjson.gz",
    ".json.gz",
    ".csv.gz",
];

impl Reading {
    /// Opens a file; see [`open`].
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(self, path: &Path) -> Result<Rows, TableError> {
        let shared: Arc<Path> = path.into();
        let (file, magic) = opened(path)?;
        if magic.starts_with(PARQUET_MAGIC) {
            return parquet::rows(&shared, file, self).map(into_rows);
        }
        let format = format(path)?;
        let text = text(path, file, &magic)?;
        Ok(match format {
            Format::JsonLines => into_rows(JsonRows::new(&shared, text, self, false)),
            Format::Json => into_rows(JsonRows::new(&shared, text, self, true)),
            Format::Csv => into_rows(CsvRows::new(&shared, text, self)),
        })
    }
}

/// Iterator over the rows of a file, read lazily.
///
/// After a [`TableError::BadRow`] the iterator continues with the next row; after any other error it ends.
pub struct Rows {
    rows: Box<dyn Iterator<Item = Result<Row, TableError>> + Send>,
    failed: bool,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl Iterator for Rows {
    type Item = Result<Row, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self.rows.next();
        let is_last = |error: &TableError| !matches!(error, TableError::BadRow { .. });
        self.failed = row
            .as_ref()
            .is_some_and(|row| row.as_ref().is_err_and(is_last));
        row
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    JsonLines,
    Json,
    Csv,
}

/// Opens a file of rows with all columns; use [`Reading`] to read only some of them.
///
/// The format follows from the name (`.jsonl`, `.ndjson`, `.json`, `.csv`, optionally with `.gz`), except that gzip and
/// parquet are detected by their first bytes. Fields of a `.csv` are strings, and so are binary columns of a
/// `.parquet`. NaN and infinities become null, as JSON cannot represent them; half of a surrogate pair becomes U+FFFD.
///
/// # Errors
/// The file is missing, unreadable, or of an unknown kind. Broken and overlong rows are errors of the iterator.
pub fn open(path: &Path) -> Result<Rows, TableError> {
    Reading::all().open(path)
}

/// Iterator over the non-blank lines of a text file, each with its place.
pub type Lines = Box<dyn Iterator<Item = Result<(Place, String), TableError>> + Send>;

/// Opens a text file, optionally gzipped, whose lines the caller parses, for example with [`Exact`](crate::Exact).
///
/// # Errors
/// The file is missing or unreadable. A line that is not UTF-8 or longer than [`MAX_ROW_BYTES`] is an error of the
/// iterator.
pub fn lines(path: &Path) -> Result<Lines, TableError> {
    let (file, magic) = opened(path)?;
    let mut text = text(path, file, &magic)?;
    let file: Arc<Path> = path.into();
    let mut number = 0;
    Ok(Box::new(std::iter::from_fn(move || {
        loop {
            let mut line = Vec::new();
            number += 1;
            let place = Place::line(&file, number);
            match read_line(&mut text, MAX_ROW_BYTES, &mut line) {
                Err(source) => return Some(Err(TableError::reading_row(place, source))),
                Ok(LineRead::End) => return None,
                Ok(LineRead::TooLong { bytes }) => {
                    return Some(Err(TableError::too_long(place, bytes, MAX_ROW_BYTES)));
                }
                Ok(LineRead::Whole) if line.trim_ascii().is_empty() => {}
                Ok(LineRead::Whole) => {
                    return Some(match String::from_utf8(line) {
                        Ok(text) => Ok((place, text)),
                        Err(_) => Err(TableError::bad_row(place, RowFault::NotUtf8, "not UTF-8")),
                    });
                }
            }
        }
    })))
}

/// Opens a file and returns it with its first bytes, positioned at the beginning.
fn opened(path: &Path) -> Result<(File, Vec<u8>), TableError> {
    let failed = |source| TableError::reading(path, source);
    let mut file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let mut magic = Vec::new();
    (&mut file)
        .take(LFS_MAGIC.len() as u64)
        .read_to_end(&mut magic)
        .and_then(|_| file.rewind())
        .map_err(failed)?;
    if magic == LFS_MAGIC {
        let path = path.to_owned();
        return Err(TableError::LfsPointer { path });
    }
    Ok((file, magic))
}

/// Returns the decompressed text of a file that begins with `magic`, without a byte order mark.
fn text(path: &Path, file: File, magic: &[u8]) -> Result<Text, TableError> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    let mut text: Text = if magic.starts_with(&GZIP_MAGIC) {
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, file));
        Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
    } else {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, file))
    };
    let begins_with_mark = text
        .fill_buf()
        .map_err(|source| TableError::reading(path, source))?
        .starts_with(MARK);
    if begins_with_mark {
        text.consume(MARK.len());
    }
    Ok(text)
}

fn into_rows(rows: impl Iterator<Item = Result<Row, TableError>> + Send + 'static) -> Rows {
    Rows {
        rows: Box::new(rows),
        failed: false,
    }
}

fn format(path: &Path) -> Result<Format, TableError> {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    match stem.rsplit_once('.').map(|(_, extension)| extension) {
        Some("jsonl" | "ndjson") => Ok(Format::JsonLines),
        Some("json") => Ok(Format::Json),
        Some("csv") => Ok(Format::Csv),
        Some("parquet") => Err(TableError::Parquet {
            path: path.to_owned(),
            problem: "not a parquet file, which would begin with PAR1".to_owned(),
        }),
        _ => Err(TableError::UnknownFormat {
            path: path.to_owned(),
        }),
    }
}
