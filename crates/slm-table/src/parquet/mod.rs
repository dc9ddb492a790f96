//! Parquet. This folder is the only one that imports parquet and arrow.

mod value;
mod write;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::ParquetMetaData;
use serde_json::{Map, Value};

use crate::error::quoted;
use crate::reading::Reading;
use crate::{Place, Row, RowFault, TableError};
use value::Column;

pub use write::write_parquet;

/// Maximum number of rows in memory at a time.
const BATCH_ROWS: usize = 256;
/// Maximum number of rows per byte of a file: a page of repeated values has a million rows in a few hundred bytes.
const MAX_ROWS_OF_BYTE: u64 = 4096;
/// Target size of a batch in memory, in bytes.
const BATCH_BYTES: u64 = 16 << 20;

/// Returns the rows of an open parquet file.
pub(crate) fn rows(
    file: &Arc<Path>,
    source: File,
    reading: Reading,
) -> Result<impl Iterator<Item = Result<Row, TableError>> + Send + use<>, TableError> {
    // The arrow schema in the metadata only renames types of the columns.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let length = source
        .metadata()
        .map_err(|error| TableError::reading(file, error))?
        .len();
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(source, options)
        .map_err(|error| trouble(file, &error))?;
    check_metadata(builder.metadata(), length).map_err(|problem| trouble(file, &problem))?;
    let names: Vec<String> = builder
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    let mut wanted = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if !reading.wants(name) {
            continue;
        }
        if wanted.iter().any(|&known: &usize| names[known] == *name) {
            let problem = format!("two columns are called {}", quoted(name));
            return Err(trouble(file, &problem));
        }
        wanted.push(index);
    }
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let batch_rows = batch_rows(&builder, &mask);
    let batches = builder
        .with_projection(mask)
        .with_batch_size(batch_rows)
        .build()
        .map_err(|error| trouble(file, &error))?;
    Ok(ParquetRows {
        file: Arc::clone(file),
        max_row_bytes: reading.max_row_bytes,
        columns: names.into(),
        batches,
        batch: Vec::new().into_iter(),
        number: 0,
    })
}

/// Checks metadata that the reader trusts: the columns are inside the file, and the number of rows is plausible.
fn check_metadata(metadata: &ParquetMetaData, length: u64) -> Result<(), String> {
    let mut rows = 0_u64;
    for group in metadata.row_groups() {
        let of_group =
            u64::try_from(group.num_rows()).map_err(|_| "broken: a negative number of rows")?;
        rows = rows.saturating_add(of_group);
        for column in group.columns() {
            let start = column
                .dictionary_page_offset()
                .unwrap_or(column.data_page_offset());
            let end = start.checked_add(column.compressed_size());
            let is_inside = column.data_page_offset() >= 0
                && start >= 0
                && column.compressed_size() >= 0
                && column.uncompressed_size() >= 0
                && end.is_some_and(|end| end as u64 <= length);
            if !is_inside {
                return Err("broken: a column is outside the file".to_owned());
            }
        }
    }
    if rows > length.saturating_mul(MAX_ROWS_OF_BYTE) {
        return Err(format!("broken: {rows} rows in {length} bytes"));
    }
    Ok(())
}

fn trouble(file: &Path, problem: &dyn ToString) -> TableError {
    TableError::Parquet {
        path: file.to_owned(),
        problem: problem.to_string(),
    }
}

/// Returns the number of rows whose requested columns take about [`BATCH_BYTES`], according to the file's metadata.
fn batch_rows(builder: &ParquetRecordBatchReaderBuilder<File>, mask: &ProjectionMask) -> usize {
    let (mut bytes, mut rows) = (0_u64, 0_u64);
    for group in builder.metadata().row_groups() {
        rows = rows.saturating_add(group.num_rows().unsigned_abs());
        for (index, column) in group.columns().iter().enumerate() {
            if mask.leaf_included(index) {
                bytes = bytes.saturating_add(column.uncompressed_size().unsigned_abs());
            }
        }
    }
    let of_a_row = (bytes / rows.max(1)).max(1);
    (BATCH_BYTES / of_a_row).clamp(1, BATCH_ROWS as u64) as usize
}

struct ParquetRows {
    file: Arc<Path>,
    max_row_bytes: usize,
    columns: Arc<[String]>,
    batches: ParquetRecordBatchReader,
    /// The remaining rows of the batch.
    batch: std::vec::IntoIter<Fields>,
    /// The number of rows returned.
    number: usize,
}

/// The fields of a row, or the name of the first field that should be text but is not.
type Fields = Result<Map<String, Value>, String>;

impl Iterator for ParquetRows {
    type Item = Result<Row, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(fields) = self.batch.next() {
                self.number += 1;
                return Some(self.row(fields));
            }
            match self.batches.next()?.and_then(|batch| objects(&batch)) {
                Ok(batch) => self.batch = batch.into_iter(),
                Err(error) => return Some(Err(trouble(&self.file, &error))),
            }
        }
    }
}

impl ParquetRows {
    fn row(&self, fields: Fields) -> Result<Row, TableError> {
        let place = Place::row(&self.file, self.number);
        let fields = fields.map_err(|name| {
            let problem = format!("{} is not UTF-8", quoted(&name));
            TableError::bad_row(place.clone(), RowFault::NotUtf8, problem)
        })?;
        let bytes: usize = fields.values().map(text_bytes).sum();
        if bytes > self.max_row_bytes {
            return Err(TableError::too_long(
                place,
                bytes as u64,
                self.max_row_bytes,
            ));
        }
        Ok(Row {
            columns: Arc::clone(&self.columns),
            ..Row::new(place, fields)
        })
    }
}

/// Returns the bytes of the texts in a value.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(fields) => fields.values().map(text_bytes).sum(),
        _ => 0,
    }
}

/// Converts a batch into rows.
fn objects(batch: &RecordBatch) -> Result<Vec<Fields>, ArrowError> {
    let mut rows: Vec<Fields> = vec![Ok(Map::new()); batch.num_rows()];
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let name = field.name();
        let Column { values, is_text } = Column::of(array.as_ref())?;
        for (index, (row, value)) in rows.iter_mut().zip(values).enumerate() {
            if !is_text.of(index) {
                *row = Err(name.clone());
            } else if let Ok(fields) = row {
                fields.insert(name.clone(), value);
            }
        }
    }
    Ok(rows)
}
