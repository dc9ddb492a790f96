//! From a path to a stream of rows: which format a file has, and whether it is compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::{Place, Row, TableError, csv, json, parquet};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const PARQUET_MAGIC: &[u8; 4] = b"PAR1";
const BUFFER_BYTES: usize = 256 * 1024;

/// Endings of the names of files that [`open`] takes, in lower case.
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

/// Text of a file, decompressed.
pub(crate) type Text = Box<dyn BufRead + Send>;

/// The rows of a file, read as they are asked for. After an error there are no more.
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
        self.failed = matches!(row, Some(Err(_)));
        row
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    JsonLines,
    Json,
    Csv,
}

/// Opens a file of rows.
///
/// Its format follows from the name (`.jsonl`, `.ndjson`, `.json`, `.csv`, then perhaps `.gz`), except that gzip and
/// parquet are told by their first bytes. Fields of a `.csv` are strings. NaN and infinities become null, as JSON has
/// no word for them; binary columns of a `.parquet` become hexadecimal text.
///
/// # Errors
/// The file is missing, unreadable, or of an unknown kind. Malformed rows are errors of the iterator.
pub fn open(path: &Path) -> Result<Rows, TableError> {
    let shared: Arc<Path> = path.into();
    let (file, magic) = opened(path)?;
    if magic == PARQUET_MAGIC {
        return parquet::rows(&shared, file).map(into_rows);
    }
    let format = format(path)?;
    let text = text(path, file, &magic)?;
    Ok(match format {
        Format::JsonLines => into_rows(json::lines(&shared, text)),
        Format::Json => into_rows(json::document(&shared, text)),
        Format::Csv => into_rows(csv::rows(&shared, text)),
    })
}

/// The lines of a text file that hold more than white space, each with its place.
pub type Lines = Box<dyn Iterator<Item = Result<(Place, String), TableError>> + Send>;

/// Opens a text file, perhaps gzipped, whose lines the caller reads in a way of its own, as by [`Exact`](crate::Exact).
///
/// # Errors
/// The file is missing or unreadable; a line that is no UTF-8 is an error of the iterator.
pub fn lines(path: &Path) -> Result<Lines, TableError> {
    let (file, magic) = opened(path)?;
    let text = text(path, file, &magic)?;
    Ok(Box::new(json::raw_lines(&path.into(), text).map(|line| {
        let (place, bytes) = line?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok((place, text)),
            Err(_) => Err(TableError::Malformed {
                place,
                problem: "not UTF-8".to_owned(),
            }),
        }
    })))
}

/// An open file at its beginning, and its first bytes.
fn opened(path: &Path) -> Result<(File, Vec<u8>), TableError> {
    let failed = |source| TableError::reading(path, source);
    let mut file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let mut magic = Vec::new();
    (&mut file)
        .take(PARQUET_MAGIC.len() as u64)
        .read_to_end(&mut magic)
        .and_then(|_| file.rewind())
        .map_err(failed)?;
    Ok((file, magic))
}

/// The text of a file that begins with `magic`, without a byte order mark.
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
