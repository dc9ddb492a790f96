//! What a fetch reports while it runs.

use std::time::Duration;

/// What a fetch is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress<'a> {
    /// Another process is bringing the same file.
    Waiting {
        /// The file.
        file: &'a str,
    },
    /// A file is coming.
    Downloading {
        /// The file.
        file: &'a str,
        /// Bytes that are here.
        bytes: u64,
        /// Its size, if known.
        total_bytes: Option<u64>,
    },
    /// A file that is here is being hashed.
    Verifying {
        /// The file.
        file: &'a str,
        /// Bytes so far.
        bytes: u64,
        /// Its size.
        total_bytes: u64,
    },
    /// A request failed and will be made again.
    Retrying {
        /// Why it failed, in one line.
        reason: &'a str,
        /// Number of the next try, from 2.
        attempt: u32,
        /// Tries in all.
        attempts: u32,
        /// Pause before it.
        wait: Duration,
    },
    /// The hub cannot be asked; what is here is used.
    FromCache {
        /// The repository.
        repository: &'a str,
        /// The commit that is here.
        commit: &'a str,
        /// Why the hub cannot be asked, in one line.
        reason: &'a str,
    },
}
