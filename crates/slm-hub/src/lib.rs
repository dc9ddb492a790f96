//! Downloads files of repositories on the Hugging Face hub.
//!
//! [`Hub::fetch_model`], [`Hub::fetch_dataset`] and [`Hub::fetch_file`] turn a [`HubName`] into files in the cache
//! folder that all programs of the ecosystem share (`models--OWNER--NAME/{blobs,refs,snapshots,trees}`): files that the
//! Python client has downloaded are not downloaded again, and vice versa. Both use the same lock files.
//!
//! No incomplete file ever has its final name: a download is written to `blobs/NAME.incomplete`, from which a later
//! attempt or run resumes; it is hashed, synced to disk and only then renamed. The name of a blob is its hash (SHA-256
//! of large files, git's SHA-1 of small ones), so a file from any source can be verified. A verification is recorded
//! with the file's size and modification time, and repeated only when these change.
//!
//! The crate `hf-hub` provides names, addresses and the layout of the folder. Requests are made here, with its HTTP
//! client: `hf-hub` itself verifies no hashes, does not detect truncated bodies, has no timeouts, no offline mode and
//! no reasons for refusals, and sends the user's token to any host that a download is redirected to.
//!
//! The crate reads no environment variables; the HTTP client itself honours `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.

mod cache;
mod client;
mod data_files;
mod download;
mod error;
mod fetch;
pub mod hash;
mod listing;
mod model_files;
mod name;
mod progress;
mod response;
mod settings;
mod snapshot;
mod splits;

pub use data_files::{TrainingPart, Unclear, part_of, training_part};
pub use error::HubError;
pub use fetch::{Hub, ModelParts};
pub use name::HubName;
pub use progress::Progress;
pub use settings::{Settings, Token};
pub use slm_artifacts::{FileRecord, Kind, Provenance};
pub use snapshot::Fetched;
pub use splits::Part;
