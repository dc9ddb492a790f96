//! Errors of downloads from the hub, as shown to the user.
//!
//! The last line of a message is `hint: REMEDY` where there is one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use slm_artifacts::Kind;

/// An error of the hub client.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The text is not a valid name of a repository.
    #[error(
        "{text:?} is not a name of a repository on the hub\nhint: the form is hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf:OWNER/NAME@REVISION#FILE"
    )]
    NoName {
        /// The text.
        text: String,
    },
    /// The file is not cached, and downloads are disabled.
    #[error("{what} is not on this machine ({}), and HF_HUB_OFFLINE allows no download\nhint: run `trainer fetch RECIPE` without HF_HUB_OFFLINE, here or on a machine with a network, and copy its cache folder", cache_dir.display())]
    Offline {
        /// Repository and revision, or a file in it.
        what: String,
        /// The cache folder.
        cache_dir: PathBuf,
    },
    /// No connection to the host.
    #[error("cannot reach {host}{}: {reason}\nhint: check the network and the proxy (HTTPS_PROXY), or set HF_ENDPOINT to a mirror; `trainer fetch RECIPE` on another machine fills a cache folder that can be copied here", Tries(*attempts))]
    Unreachable {
        /// Host and port.
        host: String,
        /// The system's error message.
        reason: String,
        /// Attempts made.
        attempts: u32,
    },
    /// The connection timed out without data.
    #[error("{host} sent no data for {seconds} s{}\nhint: run the command again, a download resumes where it stopped; HF_HUB_DOWNLOAD_TIMEOUT sets the seconds", Tries(*attempts))]
    Silent {
        /// Host and port.
        host: String,
        /// Seconds waited.
        seconds: f64,
        /// Attempts made.
        attempts: u32,
    },
    /// The connection was closed before the end of a response.
    #[error("{host} closed the connection after {bytes} bytes of {what}{}\nhint: run the command again, a download resumes where it stopped", Tries(*attempts))]
    BrokenOff {
        /// Host and port.
        host: String,
        /// The file that was being sent.
        what: String,
        /// Bytes that have arrived.
        bytes: u64,
        /// Attempts made.
        attempts: u32,
    },
    /// The server reports an internal failure.
    #[error("{host} returned status {status}{}{}\nhint: the hub has a problem; run the command again later", Said(said), Tries(*attempts))]
    Server {
        /// Host and port.
        host: String,
        /// HTTP status.
        status: u16,
        /// The server's message.
        said: String,
        /// Attempts made.
        attempts: u32,
    },
    /// The server limits the rate of requests.
    #[error("{host} refuses more requests for now (429){}{}\nhint: wait some minutes; with a token (HF_TOKEN) the hub allows more requests", After(*wait_s), Tries(*attempts))]
    TooMany {
        /// Host and port.
        host: String,
        /// Seconds until the next request is allowed, if the server states them.
        wait_s: Option<u64>,
        /// Attempts made.
        attempts: u32,
    },
    /// The repository does not exist, or this user has no access: the hub does not distinguish them.
    #[error("there is no {} {repository} on {host}{}", kind.noun(), TokenHint(*has_token))]
    NoRepository {
        /// The kind of repository that was requested.
        kind: Kind,
        /// `OWNER/NAME`.
        repository: String,
        /// Host and port.
        host: String,
        /// Whether a token was sent.
        has_token: bool,
    },
    /// The repository has no such branch, tag or commit.
    #[error(
        "{repository} has no revision {revision}\nhint: use a branch, a tag or a full commit hash; the default is `main`"
    )]
    NoRevision {
        /// `OWNER/NAME`.
        repository: String,
        /// The branch, tag or commit.
        revision: String,
    },
    /// The repository has no such file.
    #[error(
        "{repository} holds no file {file}{}",
        Candidates("its files", candidates)
    )]
    NoFile {
        /// `OWNER/NAME`.
        repository: String,
        /// The file or pattern.
        file: String,
        /// Files that may have been meant.
        candidates: Vec<String>,
    },
    /// The conditions of the repository must be accepted first.
    #[error(
        "{repository} is gated{}\nhint: accept its conditions on {url}, and set HF_TOKEN to a token of that account",
        Said(said)
    )]
    Gated {
        /// `OWNER/NAME`.
        repository: String,
        /// Its page.
        url: String,
        /// The server's message.
        said: String,
    },
    /// The hub rejects the token.
    #[error(
        "{host} does not accept the token{}\nhint: HF_TOKEN, or the token file of `hf auth login`, holds a wrong or expired token",
        Said(said)
    )]
    WrongToken {
        /// Host and port.
        host: String,
        /// The server's message.
        said: String,
    },
    /// The request was refused for another reason.
    #[error(
        "{host} refuses {what} ({status}){}\nhint: check that the token (HF_TOKEN) gives read access to this repository",
        Said(said)
    )]
    Refused {
        /// Host and port.
        host: String,
        /// The subject of the request.
        what: String,
        /// HTTP status.
        status: u16,
        /// The server's message.
        said: String,
    },
    /// The server is not a hub.
    #[error(
        "{url} does not respond as a hub does: {problem}\nhint: check HF_ENDPOINT, and whether a proxy or a login page intercepts requests"
    )]
    NoHub {
        /// The address.
        url: String,
        /// What is wrong with the response.
        problem: String,
    },
    /// The content does not have the expected hash.
    #[error(
        "{file} of {repository} has the wrong {algorithm}\n  expected {expected}\n  found    {found}\nhint: {hint}"
    )]
    WrongHash {
        /// `OWNER/NAME`.
        repository: String,
        /// The file.
        file: String,
        /// `SHA-256`, or `SHA-1` of git.
        algorithm: &'static str,
        /// In hexadecimal digits.
        expected: String,
        /// In hexadecimal digits.
        found: String,
        /// The remedy.
        hint: String,
    },
    /// The content does not have the expected length.
    #[error(
        "{file} of {repository} has the wrong length\n  expected {expected} bytes\n  found    {found}\nhint: a mirror may serve other bytes than the publisher"
    )]
    WrongLength {
        /// `OWNER/NAME`.
        repository: String,
        /// The file.
        file: String,
        /// In bytes.
        expected: u64,
        /// In bytes; a lower bound for a file that is too long.
        found: u64,
    },
    /// The repository lacks a file that a model needs.
    #[error(
        "{repository} holds no model that can be read: {problem}{}",
        Candidates("name one of its .gguf files", candidates)
    )]
    NoModel {
        /// `OWNER/NAME`.
        repository: String,
        /// What is missing.
        problem: String,
        /// Names of other files that are models.
        candidates: Vec<String>,
    },
    /// The data files of a data set are ambiguous or missing.
    #[error(
        "{repository} {problem}{}",
        Candidates("name a file, a folder or a pattern", candidates)
    )]
    NoData {
        /// `OWNER/NAME`.
        repository: String,
        /// What is wrong.
        problem: String,
        /// Names of files that may be selected.
        candidates: Vec<String>,
    },
    /// The disk is full.
    #[error("the disk is full, while writing to the cache folder {}\nhint: free some space, or move the folder (HF_HUB_CACHE); the download resumes where it stopped", cache_dir.display())]
    DiskFull {
        /// The cache folder.
        cache_dir: PathBuf,
    },
    /// The cache folder cannot be read or written.
    #[error("cannot use {}: {source}\nhint: set HF_HUB_CACHE or HF_HOME to a writable folder", path.display())]
    CacheUnusable {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl HubError {
    /// Makes the error for a failed read or write below the cache folder.
    pub(crate) fn cache(cache_dir: &Path, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull {
                cache_dir: cache_dir.to_owned(),
            },
            _ => Self::CacheUnusable {
                path: path.to_owned(),
                source,
            },
        }
    }

    /// Whether the user requested something that does not exist, as opposed to a failure of the environment.
    pub fn is_mistake(&self) -> bool {
        matches!(
            self,
            Self::NoName { .. }
                | Self::NoRepository { .. }
                | Self::NoRevision { .. }
                | Self::NoFile { .. }
                | Self::NoModel { .. }
                | Self::NoData { .. }
        )
    }

    /// Whether cached files may be used instead, because the hub cannot report the current state of the revision.
    pub(crate) fn leaves_the_cache(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Silent { .. }
                | Self::BrokenOff { .. }
                | Self::Server { .. }
                | Self::TooMany { .. }
                | Self::NoHub { .. }
        )
    }

    /// Returns the same error with this number of attempts.
    pub(crate) fn after(mut self, made: usize) -> Self {
        match &mut self {
            Self::Unreachable { attempts, .. }
            | Self::Silent { attempts, .. }
            | Self::BrokenOff { attempts, .. }
            | Self::Server { attempts, .. }
            | Self::TooMany { attempts, .. } => *attempts = made as u32,
            _ => {}
        }
        self
    }

    /// Returns the first line, for a note on a retry.
    pub(crate) fn summary(&self) -> String {
        let text = self.to_string();
        text.lines().next().unwrap_or_default().to_owned()
    }
}

struct Tries(u32);

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 1 {
            write!(f, ", {} tries", self.0)?;
        }
        Ok(())
    }
}

struct Said<'a>(&'a str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() {
            write!(f, ": {}", self.0)?;
        }
        Ok(())
    }
}

struct After(Option<u64>);

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seconds) = self.0 {
            write!(f, ", for {seconds} s")?;
        }
        Ok(())
    }
}

struct TokenHint(bool);

impl fmt::Display for TokenHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 {
            ", or the token (HF_TOKEN) has no access to it\nhint: check the spelling, and the permissions of the token"
        } else {
            ", or it is private\nhint: check the spelling; for a private or gated one, set HF_TOKEN"
        })
    }
}

/// A hint with alternatives, at most the first eight.
struct Candidates<'a>(&'static str, &'a [String]);

impl fmt::Display for Candidates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let Self(label, names) = self;
        if names.is_empty() {
            return Ok(());
        }
        let shown = names[..names.len().min(SHOWN)].join(", ");
        write!(f, "\nhint: {label}: {shown}")?;
        if names.len() > SHOWN {
            write!(f, " and {} more", names.len() - SHOWN)?;
        }
        Ok(())
    }
}
