//! CSV with a header line; every value is a string.

use std::io::{self, BufRead};
use std::path::Path;
use std::sync::Arc;

use csv_core::ReadRecordResult;
use memchr::memchr_iter;
use serde_json::{Map, Value};

use crate::error::quoted;
use crate::line::{MAX_SKIPPED_BYTES, endless};
use crate::reading::{Reading, Text};
use crate::{Place, Row, RowFault, TableError};

/// Maximum number of columns.
const MAX_COLUMNS: usize = 1 << 16;
/// Increment of the record buffer, in bytes.
const GROWTH: usize = 64 * 1024;

/// Iterator over the rows below the header line.
pub(crate) struct CsvRows {
    file: Arc<Path>,
    text: Text,
    reading: Reading,
    parser: csv_core::Reader,
    /// Set when the header line is read.
    columns: Option<Columns>,
    /// The concatenated values of a record.
    values: Vec<u8>,
    /// The end offset of each value.
    ends: Vec<usize>,
}

struct Columns {
    names: Arc<[String]>,
    /// Indices and names of the columns to read.
    wanted: Vec<(usize, String)>,
}

/// A record that was read.
#[derive(Clone, Copy)]
struct Record {
    /// Its first line.
    line: usize,
    /// Its size in the file, in bytes.
    bytes: u64,
    /// The number of its values; not exact beyond [`MAX_COLUMNS`].
    columns: usize,
}

impl Iterator for CsvRows {
    type Item = Result<Row, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

impl CsvRows {
    pub(crate) fn new(file: &Arc<Path>, text: Text, reading: Reading) -> Self {
        Self {
            file: Arc::clone(file),
            text,
            reading,
            parser: csv_core::Reader::new(),
            columns: None,
            values: Vec::new(),
            ends: Vec::new(),
        }
    }

    fn advance(&mut self) -> Result<Option<Row>, TableError> {
        let columns = match self.columns.take() {
            Some(columns) => columns,
            None => match self.header()? {
                Some(columns) => columns,
                None => return Ok(None),
            },
        };
        let row = self.record().and_then(|record| match record {
            Some(record) => self.row(record, &columns).map(Some),
            None => Ok(None),
        });
        self.columns = Some(columns);
        row
    }

    /// Reads the names of the columns; `None` if the file is empty.
    fn header(&mut self) -> Result<Option<Columns>, TableError> {
        let Some(record) = self.record()? else {
            return Ok(None);
        };
        let malformed = |problem: String| TableError::Malformed {
            place: Place::line(&self.file, record.line),
            problem,
        };
        if record.bytes > self.reading.max_row_bytes as u64 || record.columns >= MAX_COLUMNS {
            return Err(malformed("the header line is too long".to_owned()));
        }
        let name = |at| String::from_utf8_lossy(self.value(at)).into_owned();
        let names: Arc<[String]> = (0..record.columns).map(name).collect();
        let mut wanted: Vec<(usize, String)> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            if !self.reading.wants(name) {
                continue;
            }
            if wanted.iter().any(|(_, known)| known == name) {
                return Err(malformed(format!(
                    "two columns are called {}",
                    quoted(name)
                )));
            }
            wanted.push((at, name.clone()));
        }
        Ok(Some(Columns { names, wanted }))
    }

    fn row(&self, record: Record, columns: &Columns) -> Result<Row, TableError> {
        let Record {
            line,
            bytes,
            columns: found,
        } = record;
        let place = Place::line(&self.file, line);
        let most = self.reading.max_row_bytes;
        if bytes > most as u64 {
            return Err(TableError::too_long(place, bytes, most));
        }
        if found != columns.names.len() {
            let expected = columns.names.len();
            let problem = format!("{found} values, expected {expected} as in the first line");
            return Err(TableError::bad_row(place, RowFault::Broken, problem));
        }
        let mut fields = Map::new();
        for (at, name) in &columns.wanted {
            let Ok(text) = std::str::from_utf8(self.value(*at)) else {
                let problem = format!("{} is not UTF-8", quoted(name));
                return Err(TableError::bad_row(place, RowFault::NotUtf8, problem));
            };
            fields.insert(name.clone(), Value::from(text));
        }
        Ok(Row {
            columns: Arc::clone(&columns.names),
            ..Row::new(place, fields)
        })
    }

    /// Returns a value of the last record.
    fn value(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.values[start..self.ends[at]]
    }

    /// Reads a record; the values of one that is too long are discarded.
    fn record(&mut self) -> Result<Option<Record>, TableError> {
        let mut line = self.parser.line() as usize;
        let (mut bytes, mut quotes) = (0_u64, 0_usize);
        let (mut length, mut columns, mut is_wide) = (0, 0, false);
        let most = self.reading.max_row_bytes as u64;
        loop {
            let at = Place::line(&self.file, line);
            let input = match self.text.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(TableError::reading_row(at, error)),
                Ok(input) => input,
            };
            let is_end = input.is_empty();
            let (result, n_read, n_written, n_ends) = self.parser.read_record(
                input,
                &mut self.values[length..],
                &mut self.ends[columns..],
            );
            if bytes == 0 {
                // Blank lines before a record do not belong to it.
                let blank = input[..n_read]
                    .iter()
                    .take_while(|byte| matches!(byte, b'\n' | b'\r'));
                line += blank.filter(|&&byte| byte == b'\n').count();
            }
            quotes += memchr_iter(b'"', &input[..n_read]).count();
            bytes += n_read as u64;
            self.text.consume(n_read);
            length += n_written;
            columns += n_ends;
            if bytes > most {
                length = 0;
                columns = columns.min(1);
                if bytes > most + MAX_SKIPPED_BYTES {
                    return Err(TableError::reading_row(at, endless()));
                }
            }
            match result {
                // The values of an overlong record were discarded, so the buffer has room for the rest.
                ReadRecordResult::OutputFull if length < self.values.len() => {}
                ReadRecordResult::OutputFull => self.values.resize(2 * length.max(GROWTH), 0),
                ReadRecordResult::InputEmpty => {}
                // More columns than any header can have, so the end offsets are no longer needed.
                ReadRecordResult::OutputEndsFull if columns >= MAX_COLUMNS => {
                    (columns, is_wide) = (0, true);
                }
                ReadRecordResult::OutputEndsFull => {
                    let more = (2 * self.ends.len()).clamp(64, MAX_COLUMNS);
                    self.ends.resize(more, 0);
                }
                ReadRecordResult::Record => {
                    let has_lines = self.parser.line() as usize > line;
                    if is_end && quotes % 2 == 1 && has_lines {
                        return Err(TableError::Malformed {
                            place: at,
                            problem: "a quoted value is not closed before the end of the file"
                                .to_owned(),
                        });
                    }
                    return Ok(Some(Record {
                        line,
                        bytes,
                        columns: if is_wide { MAX_COLUMNS } else { columns },
                    }));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }
}
