//! Why files did not get from the hub onto this machine, in the words that a user reads.
//!
//! The last line of a text is `hint: HOW TO MEND IT` where there is a way.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use slm_artifacts::Kind;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The text names no repository.
    #[error(
        "{text:?} names no repository on the hub\nhint: the form is hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf:OWNER/NAME@REVISION#FILE"
    )]
    NoName {
        /// The text.
        text: String,
    },
    /// Only what is here may be used, and this is not here.
    #[error("{what} is not on this machine ({}), and HF_HUB_OFFLINE allows no download\nhint: run `trainer fetch RECIPE` without HF_HUB_OFFLINE, here or on a machine with a network, and copy its cache folder", cache_dir.display())]
    Offline {
        /// Repository and revision, or a file in it.
        what: String,
        /// The shared folder.
        cache_dir: PathBuf,
    },
    /// No connection.
    #[error("cannot reach {host}{}: {reason}\nhint: check the network and the proxy (HTTPS_PROXY), or name a mirror by HF_ENDPOINT; `trainer fetch RECIPE` on another machine fills a cache folder that can be copied here", Tries(*attempts))]
    Unreachable {
        /// Host and port.
        host: String,
        /// What the system says.
        reason: String,
        /// Tries made.
        attempts: u32,
    },
    /// A connection, and then nothing.
    #[error("{host} fell silent for {seconds} s{}\nhint: run the command again, a download goes on where it stopped; HF_HUB_DOWNLOAD_TIMEOUT sets the seconds", Tries(*attempts))]
    Silent {
        /// Host and port.
        host: String,
        /// Seconds waited.
        seconds: f64,
        /// Tries made.
        attempts: u32,
    },
    /// The connection broke off inside an answer.
    #[error("{host} broke off after {bytes} bytes of {what}{}\nhint: run the command again, a download goes on where it stopped", Tries(*attempts))]
    BrokenOff {
        /// Host and port.
        host: String,
        /// What was being sent.
        what: String,
        /// Bytes that are here.
        bytes: u64,
        /// Tries made.
        attempts: u32,
    },
    /// The server reports a failure of its own.
    #[error("{host} answers {status}{}{}\nhint: the hub has trouble; run the command again later", Said(said), Tries(*attempts))]
    Server {
        /// Host and port.
        host: String,
        /// HTTP status.
        status: u16,
        /// The server's words.
        said: String,
        /// Tries made.
        attempts: u32,
    },
    /// Too many requests.
    #[error("{host} refuses more requests for now (429){}{}\nhint: wait some minutes; the hub allows more to those who have a token (HF_TOKEN)", After(*wait_s), Tries(*attempts))]
    TooMany {
        /// Host and port.
        host: String,
        /// Seconds after which to come again, if the server says.
        wait_s: Option<u64>,
        /// Tries made.
        attempts: u32,
    },
    /// No such repository, or one that this user may not see: the hub does not tell which.
    #[error("there is no {} {repository} on {host}{}", kind.noun(), TokenHint(*has_token))]
    NoRepository {
        /// What was looked for.
        kind: Kind,
        /// `OWNER/NAME`.
        repository: String,
        /// Host and port.
        host: String,
        /// Whether a token was sent.
        has_token: bool,
    },
    /// No such branch, tag or commit.
    #[error(
        "{repository} has no revision {revision}\nhint: a branch, a tag or a whole commit hash; without one, `main` is meant"
    )]
    NoRevision {
        /// `OWNER/NAME`.
        repository: String,
        /// The branch, tag or commit.
        revision: String,
    },
    /// No such file.
    #[error(
        "{repository} holds no file {file}{}",
        Candidates("its files", candidates)
    )]
    NoFile {
        /// `OWNER/NAME`.
        repository: String,
        /// The file or pattern.
        file: String,
        /// Files that might have been meant.
        candidates: Vec<String>,
    },
    /// A repository whose conditions have to be accepted first.
    #[error(
        "{repository} is gated{}\nhint: accept its conditions on {url}, and set HF_TOKEN to a token of that account",
        Said(said)
    )]
    Gated {
        /// `OWNER/NAME`.
        repository: String,
        /// Its page.
        url: String,
        /// The server's words.
        said: String,
    },
    /// A token that the hub does not know.
    #[error(
        "{host} does not accept the token{}\nhint: HF_TOKEN, or the token file of `hf auth login`, holds a wrong or expired one",
        Said(said)
    )]
    WrongToken {
        /// Host and port.
        host: String,
        /// The server's words.
        said: String,
    },
    /// Refused for another reason.
    #[error(
        "{host} refuses {what} ({status}){}\nhint: does the token (HF_TOKEN) allow to read this repository?",
        Said(said)
    )]
    Refused {
        /// Host and port.
        host: String,
        /// What was asked for.
        what: String,
        /// HTTP status.
        status: u16,
        /// The server's words.
        said: String,
    },
    /// Something answers that is no hub.
    #[error(
        "{url} does not answer as a hub does: {problem}\nhint: check HF_ENDPOINT, and whether a proxy or a login page stands in between"
    )]
    NoHub {
        /// The address.
        url: String,
        /// What was found and expected.
        problem: String,
    },
    /// The bytes are not those that the repository names.
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
        /// What to do.
        hint: String,
    },
    /// More bytes than the repository names.
    #[error(
        "{file} of {repository} has the wrong length\n  expected {expected} bytes\n  found    {found}\nhint: a mirror may serve other bytes than the publisher"
    )]
    WrongLength {
        /// `OWNER/NAME`.
        repository: String,
        /// The file.
        file: String,
        /// Bytes.
        expected: u64,
        /// Bytes, at least.
        found: u64,
    },
    /// A model repository without what a model needs.
    #[error(
        "{repository} holds no model that can be read: {problem}{}",
        Candidates("name one of its .gguf files", candidates)
    )]
    NoModel {
        /// `OWNER/NAME`.
        repository: String,
        /// What is missing.
        problem: String,
        /// Other files that hold models, as names.
        candidates: Vec<String>,
    },
    /// A data set whose files cannot be chosen without the user.
    #[error(
        "{repository} {problem}{}",
        Candidates("name a file, a folder or a pattern", candidates)
    )]
    NoData {
        /// `OWNER/NAME`.
        repository: String,
        /// What is wrong.
        problem: String,
        /// What could be named.
        candidates: Vec<String>,
    },
    /// No room.
    #[error("the disk is full, while writing to the cache folder {}\nhint: free some space, or move the folder (HF_HUB_CACHE); the download goes on where it stopped", cache_dir.display())]
    DiskFull {
        /// The shared folder.
        cache_dir: PathBuf,
    },
    /// The cache folder cannot be used.
    #[error("cannot use {}: {source}\nhint: HF_HUB_CACHE or HF_HOME names a folder that you may write to", path.display())]
    CacheUnusable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl HubError {
    /// A failure to read or write below the cache folder.
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

    /// Whether the user asked for something that is not there, and not the world that fails.
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

    /// Whether files that are here already may stand in: the hub cannot say now what the revision is.
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

    /// The same after so many tries.
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

    /// The first line, for a note on a further try.
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
            ", or the token (HF_TOKEN) does not open it\nhint: check the spelling, and what the token may read"
        } else {
            ", or it is private\nhint: check the spelling; for a private or gated one, set HF_TOKEN"
        })
    }
}

/// What to name instead, as a hint; the first few.
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
