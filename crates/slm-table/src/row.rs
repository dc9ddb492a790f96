//! A row and its place in the file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

/// A row of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// File and line, for messages.
    pub place: Place,
    /// The fields by name, in the file's order; limited to the requested columns.
    pub fields: Map<String, Value>,
    /// The names of all columns in the file's order, for messages.
    pub columns: Arc<[String]>,
    /// The first field in which half of a surrogate pair was replaced by U+FFFD.
    pub lone_surrogate: Option<String>,
}

impl Row {
    pub(crate) fn new(place: Place, fields: Map<String, Value>) -> Self {
        Self {
            place,
            fields,
            columns: Arc::from([]),
            lone_surrogate: None,
        }
    }
}

/// The place of a row: `data.jsonl:12`, or `data.parquet, row 12` in files without lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    file: Arc<Path>,
    position: Position,
}

/// Counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Line(usize),
    Row(usize),
}

impl Place {
    pub(crate) fn line(file: &Arc<Path>, line: usize) -> Self {
        Self {
            file: Arc::clone(file),
            position: Position::Line(line),
        }
    }

    pub(crate) fn row(file: &Arc<Path>, row: usize) -> Self {
        Self {
            file: Arc::clone(file),
            position: Position::Row(row),
        }
    }

    /// Returns the file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Returns the number of the line, or of the row in files without lines, counted from 1.
    pub fn number(&self) -> usize {
        match self.position {
            Position::Line(number) | Position::Row(number) => number,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.position {
            Position::Line(line) => write!(f, "{file}:{line}"),
            Position::Row(row) => write!(f, "{file}, row {row}"),
        }
    }
}
