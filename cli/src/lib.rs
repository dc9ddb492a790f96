//! What the command lines of `trainer` and `evaluator` share.
//!
//! The binaries alone print, exit and read arguments and environment; this crate is their hands, so that both
//! show progress, errors and exit codes in the same way.

mod base_model;
mod exit;
mod hub_files;
mod output;
mod progress;

pub use base_model::{BaseModel, ModelFiles, cache_dir, named_python, python};
pub use exit::{Failure, Interrupted, UserMistake, finish};
pub use hub::{Fetched, FileRecord, ModelParts, Provenance, TrainingPart, Unclear, training_part};
pub use hub_files::{benchmark_data, cached_data_file, fetch_data_file, fetch_dataset};
pub use output::{memory_text, note, number_behind, peak_memory_bytes, peak_memory_text, result};
pub use progress::{Progress, bytes_text, duration_text};
