//! What the command lines of `trainer` and `evaluator` share.
//!
//! The binaries alone print, exit and read arguments and environment; this crate is their hands, so that both
//! show progress, errors and exit codes in the same way.

mod base_model;
mod environment;
mod estimate;
mod exit;
mod hub_files;
mod interrupt;
mod output;
mod printable;
mod progress;
mod version;

pub use base_model::{BaseModel, ModelFiles};
pub use environment::{cache_dir, named_python, python};
pub use exit::{Failure, Interrupted, UserMistake, finish};
pub use hub_files::{benchmark_data, cached_data_file, fetch_data_file, fetch_dataset};
pub use interrupt::{
    SavedMeanwhile, StopRequest, Unfinished, command_to_continue, saved_meanwhile, saved_so_far,
    shell_word, watch_interrupts,
};
pub use output::{
    document, memory_text, note, number_behind, painted_result, peak_memory_bytes,
    peak_memory_text, result,
};
pub use printable::printable;
pub use progress::{Progress, bytes_text, duration_text};
pub use slm_hub::{
    Fetched, FileRecord, ModelParts, Provenance, TrainingPart, Unclear, training_part,
};
pub use version::version;
