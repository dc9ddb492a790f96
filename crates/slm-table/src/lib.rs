//! Rows of data files as JSON objects: `.jsonl`, `.json`, `.csv`, each perhaps gzipped, and `.parquet`.
//!
//! [`open`] streams, so that memory stays flat however long the file is. [`write_parquet`] is the way back, for results
//! that other tools read. Every [`Row`] knows its [`Place`], so that whoever finds a field missing can say where.
//!
//! # Bounds
//! A row has at most [`MAX_ROW_BYTES`] bytes (unless [`Reading::with_max_row_bytes`] says otherwise) and a million JSON
//! values. A longer one is a [`TableError::BadRow`] and is not kept in memory; after [`MAX_SKIPPED_BYTES`] without its
//! end, reading ends. A JSON document of columns, which has no rows until its end, counts as one row. A page of a parquet
//! file is decompressed whole: its writer decides how large it is.

mod csv;
mod error;
mod exact;
mod json;
mod line;
mod parquet;
mod parser;
mod reading;
mod row;
mod rows;
mod scan;

pub use error::{RowFault, TableError};
pub use exact::Exact;
pub use line::{LineRead, MAX_ROW_BYTES, MAX_SKIPPED_BYTES, read_line};
pub use parquet::write_parquet;
pub use reading::Reading;
pub use row::{Place, Row};
pub use rows::{ENDINGS, Lines, Rows, lines, open};
