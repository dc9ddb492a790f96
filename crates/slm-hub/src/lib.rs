//! Files of repositories on the Hugging Face hub, brought onto this machine.
//!
//! [`Hub::fetch_model`], [`Hub::fetch_dataset`] and [`Hub::fetch_file`] turn a [`HubName`] into files in the folder that
//! every program of the ecosystem shares (`models--OWNER--NAME/{blobs,refs,snapshots,trees}`), so that what the Python
//! client has brought is not brought again, and the other way round. The same lock files make both take turns.
//!
//! Nothing half-written ever stands under its final name: a file grows as `blobs/NAME.incomplete`, from which a later
//! attempt or a later run resumes; it is hashed, written to the disk and only then renamed. The name of a blob is its hash
//! (SHA-256 of large files, git's SHA-1 of small ones), so a file from whatever source can be checked. That a file was
//! checked is noted by its size and time of change, and not done again before these change.
//!
//! The crate `hf-hub` gives names, addresses and the layout of the folder. Requests are made here, with its HTTP client:
//! it neither checks hashes nor tells a cut body from a whole one, knows no timeouts, no offline mode and no reason
//! for a refusal, and hands the user's token to whatever host a download is redirected to.
//!
//! The crate reads no environment; the HTTP client itself honours `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.

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

pub use data_files::{TrainingPart, Unclear, training_part};
pub use error::HubError;
pub use fetch::{Hub, ModelParts};
pub use name::HubName;
pub use progress::Progress;
pub use settings::{Settings, Token};
pub use slm_artifacts::{FileRecord, Kind, Provenance};
pub use snapshot::Fetched;
