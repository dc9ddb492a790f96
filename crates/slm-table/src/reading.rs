//! Options for reading a file of rows.

use std::io::BufRead;
use std::sync::Arc;

use crate::line::MAX_ROW_BYTES;

/// The decompressed text of a file.
pub(crate) type Text = Box<dyn BufRead + Send>;

/// Options for reading a file of rows.
#[derive(Debug, Clone)]
pub struct Reading {
    /// `None` for all columns.
    columns: Option<Arc<[String]>>,
    /// Maximum size of a row in bytes.
    pub(crate) max_row_bytes: usize,
}

impl Reading {
    /// Reads all columns, and rows of at most [`MAX_ROW_BYTES`].
    pub fn all() -> Self {
        Self {
            columns: None,
            max_row_bytes: MAX_ROW_BYTES,
        }
    }

    /// Reads only these columns. The others are not decoded, so that faults in them are ignored.
    pub fn columns(names: impl IntoIterator<Item = String>) -> Self {
        Self {
            columns: Some(names.into_iter().collect()),
            ..Self::all()
        }
    }

    /// Sets the maximum size of a row in bytes.
    pub fn with_max_row_bytes(self, max_row_bytes: usize) -> Self {
        Self {
            max_row_bytes,
            ..self
        }
    }

    /// Whether a column is to be read.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let columns = self.columns.as_deref();
        columns.is_none_or(|columns| columns.iter().any(|column| column == name))
    }
}
