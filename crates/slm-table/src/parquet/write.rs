//! Writes rows as a parquet file.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, NullArray, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value};
use slm_artifacts::atomic_file;

use crate::TableError;

/// Number of rows per row group.
const GROUP_ROWS: usize = 64 * 1024;

/// The common type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Bool,
    Int,
    Float,
    Text,
}

impl Kind {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_i64() => Self::Int,
            Value::Number(_) => Self::Float,
            Value::String(_) | Value::Array(_) | Value::Object(_) => Self::Text,
        }
    }

    /// Returns the type that can represent the values of both.
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Null, kind) | (kind, Self::Null) => kind,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            _ => Self::Text,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Null => DataType::Null,
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Text => DataType::Utf8,
        }
    }

    /// Builds the column `name` of `rows`; it is null in rows without the field.
    fn array(self, name: &str, rows: &[Map<String, Value>]) -> ArrayRef {
        let values = rows
            .iter()
            .map(|row| row.get(name).filter(|v| !v.is_null()));
        match self {
            Self::Null => Arc::new(NullArray::new(rows.len())),
            Self::Bool => Arc::new(values.map(|v| v?.as_bool()).collect::<BooleanArray>()),
            Self::Int => Arc::new(values.map(|v| v?.as_i64()).collect::<Int64Array>()),
            Self::Float => Arc::new(values.map(|v| v?.as_f64()).collect::<Float64Array>()),
            Self::Text => {
                let text = |value: &Value| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                Arc::new(values.map(|v| v.map(text)).collect::<StringArray>())
            }
        }
    }
}

/// Returns the names of all fields in order of first appearance, with the common type of their values.
fn columns(rows: &[Map<String, Value>]) -> Vec<(&str, Kind)> {
    let mut columns: Vec<(&str, Kind)> = Vec::new();
    let mut index_of: HashMap<&str, usize> = HashMap::new();
    for (name, value) in rows.iter().flatten() {
        let index = *index_of.entry(name).or_insert(columns.len());
        if index == columns.len() {
            columns.push((name, Kind::Null));
        }
        columns[index].1 = columns[index].1.join(Kind::of(value));
    }
    columns
}

/// Writes rows as a parquet file, atomically.
///
/// The columns are the fields of all rows, in order of first appearance. Their types follow from the values: booleans,
/// 64-bit integers, doubles (also for integers mixed with doubles) and text. Arrays, objects and values of mixed types
/// are written as JSON text. A missing field is null.
///
/// # Errors
/// [`TableError::Unwritable`], also if no row has a field.
pub fn write_parquet(path: &Path, rows: &[Map<String, Value>]) -> Result<(), TableError> {
    let failed = |error: &dyn ToString| TableError::writing(path, error.to_string());
    let columns = columns(rows);
    if columns.is_empty() {
        return Err(failed(&"there are no rows with fields"));
    }
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, kind)| Field::new(*name, kind.data_type(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));

    let write = |part: &Path| -> Result<(), Box<dyn std::error::Error>> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let file = File::create(part)?;
        let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?;
        for rows in rows.chunks(GROUP_ROWS) {
            let arrays = columns.iter().map(|(name, kind)| kind.array(name, rows));
            let arrays = arrays.collect();
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), arrays)?)?;
        }
        writer.close()?;
        Ok(())
    };
    atomic_file(path, write).map_err(|error| failed(&error))
}
