//! Reads rows of data files as JSON objects: `.jsonl`, `.json`, `.csv`, each optionally gzipped, and `.parquet`.
//!
//! [`open`] streams, so that memory does not grow with the length of the file. [`write_parquet`] writes results for
//! other tools. Every [`Row`] has its [`Place`], for error messages about missing fields.
//!
//! # Bounds
//! A row has at most [`MAX_ROW_BYTES`] bytes (or the limit of [`Reading::with_max_row_bytes`]) and 2^20 JSON values. A
//! longer row is a [`TableError::BadRow`] and is not kept in memory; reading ends if its end is not found within
//! [`MAX_SKIPPED_BYTES`]. A JSON document of columns, which has no rows until its end, counts as one row. A page of a
//! parquet file is decompressed as a whole; its size is the writer's choice.
//!
//! ```
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("rows.jsonl");
//! std::fs::write(&file, "{\"prompt\": \"a\"}\n")?;
//! let rows: Vec<_> = slm_table::open(&file)?.collect::<Result<_, _>>()?;
//! assert_eq!(rows[0].fields["prompt"], "a");
//! assert!(rows[0].place.to_string().ends_with("rows.jsonl:1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
