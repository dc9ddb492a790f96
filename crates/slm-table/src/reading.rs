//! What is read of a file of rows.

use std::io::BufRead;
use std::sync::Arc;

use crate::line::MAX_ROW_BYTES;

/// Text of a file, decompressed.
pub(crate) type Text = Box<dyn BufRead + Send>;

/// What is read of a file of rows.
#[derive(Debug, Clone)]
pub struct Reading {
    /// `None` is all.
    columns: Option<Arc<[String]>>,
    /// Bytes of the longest row.
    pub(crate) max_row_bytes: usize,
}

impl Reading {
    /// All columns, and rows of at most [`MAX_ROW_BYTES`].
    pub fn all() -> Self {
        Self {
            columns: None,
            max_row_bytes: MAX_ROW_BYTES,
        }
    }

    /// These columns alone. The others are not decoded, so nothing in them can be wrong.
    pub fn columns(names: impl IntoIterator<Item = String>) -> Self {
        Self {
            columns: Some(names.into_iter().collect()),
            ..Self::all()
        }
    }

    /// The same with another bound on the bytes of a row.
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

    /// Whether some columns were named.
    pub(crate) fn is_of_columns(&self) -> bool {
        self.columns.is_some()
    }
}
