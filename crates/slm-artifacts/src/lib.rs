//! The files that runs write: their formats as types, and atomic writing. Depends on no other crate of the workspace.
//!
//! - [`AdapterFolder`]: the folder through which `trainer` and `evaluator` are connected, with
//!   [`AdapterConfig`] and [`TrainingSummary`]
//! - [`DatasetFolder`]: the folder of a data set made from a run's answers, with [`DatasetInfo`] and [`RowSource`]
//! - [`Energy`]: what counters measured during a work, and what they could not; [`Amount`]: known, at least, or unknown
//! - [`MemoryHeader`] and [`MemoryEntry`]: the lines of a file of memory
//! - [`Sha256`], [`sha256`], [`sha256_of_file`]: content hashes
//! - [`atomic_write`], [`atomic_file`], [`atomic_folder`]: a name never refers to a partially written file or folder
//! - [`adapter_by_name`], [`run_by_name`]: the folder that a user means by the name of an adapter or a run
//! - [`HashNote`], [`lock_file`]: downloads that are hashed once, by one process at a time
//! - [`GitIgnore`], [`is_made_by_a_tool`]: which files of a folder are a project's own
//! - [`RetryPolicy`]: when to retry a request that failed for a transient reason
//!
//! ```
//! let digest = slm_artifacts::sha256("abc");
//! assert!(digest.starts_with("ba7816bf"));
//! ```

mod adapter_config;
mod adapter_folder;
mod atomic;
mod counted;
mod dataset_counts;
mod dataset_folder;
mod energy;
mod find;
mod lock;
mod log_line;
mod memory_file;
mod preference_figures;
mod provenance;
mod retry;
mod routes_file;
mod sha256;
mod source_tree;
mod training_summary;
mod verified;
mod words;

pub use adapter_config::{AdapterConfig, TargetModules, whole_or_float};
pub use adapter_folder::AdapterFolder;
pub use atomic::{
    OLD, PART, atomic_file, atomic_folder, atomic_link, atomic_write, part_path, publish,
    remove_folder,
};
pub use counted::counted;
pub use dataset_counts::{DatasetCounts, LeftOutReason, one_line};
pub use dataset_folder::{
    DATASET_VERSION, DatasetFolder, DatasetInfo, DatasetKind, LearnedDataset, LengthStatistics,
    RowSource, SourceRun, TaskFingerprint,
};
pub use energy::{
    Amount, Energy, EnergyPart, JOULES_PER_KWH, MeasuredEnergy, NOT_RECORDED, add_energy,
};
pub use find::{
    CHECKPOINTS, NotFound, adapter_by_name, finished, is_bare_name, run_by_name, runs_below,
};
pub use lock::lock_file;
pub use log_line::LogLine;
pub use memory_file::{
    GeneralCheck, MEMORY_VERSION, MemoryCost, MemoryCounts, MemoryEntry, MemoryHeader, MemoryKind,
};
pub use preference_figures::{AnswerFigures, HeldOutPreferences, PreferenceFigures};
pub use provenance::{FileRecord, Kind, Provenance};
pub use retry::{Attempt, GaveUp, GiveUp, Retries, RetryPolicy};
pub use routes_file::{
    ROUTES_FILE, ROUTES_VERSION, RouteCell, RouteTask, RoutesHeader, RoutesKind,
};
pub use sha256::{
    Sha256, hex, read_pieces, sha256, sha256_of_file, sha256_of_reader, sha256_of_texts,
};
pub use source_tree::{GitIgnore, is_made_by_a_tool};
pub use training_summary::{
    BestValidation, ChatTemplateRecord, ContaminationSearch, StartingAdapter, TrainingSummary,
};
pub use verified::HashNote;
pub use words::{BASE_ARM, Expects, FinishReason, FormatFailure, Phase, StopReason, Verdict};
