//! Progress events of a fetch.

use std::time::Duration;

/// The current activity of a fetch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress<'a> {
    /// Another process is downloading the same file.
    Waiting {
        /// The file.
        file: &'a str,
    },
    /// A file is being downloaded.
    Downloading {
        /// The file.
        file: &'a str,
        /// Bytes that have arrived, earlier attempts included.
        bytes: u64,
        /// Its size, if known.
        total_bytes: Option<u64>,
    },
    /// An existing file is being hashed.
    Verifying {
        /// The file.
        file: &'a str,
        /// Bytes hashed.
        bytes: u64,
        /// Its size.
        total_bytes: u64,
    },
    /// A request failed and will be repeated.
    Retrying {
        /// Why it failed, in one line.
        reason: &'a str,
        /// Number of the next attempt, from 2.
        attempt: u32,
        /// Maximum number of attempts.
        attempts: u32,
        /// Pause before the next attempt.
        wait: Duration,
    },
    /// The hub is not available; the cached files are used.
    FromCache {
        /// The repository.
        repository: &'a str,
        /// The cached commit.
        commit: &'a str,
        /// Why the hub is not available, in one line.
        reason: &'a str,
    },
}
