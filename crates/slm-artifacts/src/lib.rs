//! The files that runs leave behind: their formats as types, written whole or not at all. A leaf of the workspace.

mod words;

pub use words::{BASE_ARM, Expects, FinishReason, FormatFailure, StopReason, Verdict};
