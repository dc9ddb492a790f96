//! Rows of data files as JSON objects: `.jsonl`, `.json`, `.csv`, each perhaps gzipped, and `.parquet`.
//!
//! [`open`] streams, so that memory stays flat however long the file is (the one exception is a JSON object of
//! columns, which has no rows until its end). [`write_parquet`] is the way back, for results that other tools read.
//!
//! Every [`Row`] knows its [`Place`], so that whoever finds a field missing can say where.

mod csv;
mod error;
mod exact;
mod json;
mod parquet;
mod row;
mod rows;

pub use error::TableError;
pub use exact::Exact;
pub use parquet::write_parquet;
pub use row::{Place, Row};
pub use rows::{ENDINGS, Lines, Rows, lines, open};
