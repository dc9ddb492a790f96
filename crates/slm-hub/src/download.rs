//! One file: from wherever a try before has stopped to bytes that are checked and on the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::answer::Failure;
use crate::client::{Asked, Attempts, Client, Method};
use crate::fetch::Progress;
use crate::hash::{BUFFER_BYTES, ContentId, git_blob, hex, read_all};
use crate::{HubError, Settings};

/// So many bytes since the last failure, and the tries are counted anew.
const GAIN_BYTES: u64 = 1 << 20;

/// What is to be brought.
pub(crate) struct Wanted<'a> {
    pub(crate) url: &'a str,
    pub(crate) asked: &'a Asked<'a>,
    /// Path in the repository.
    pub(crate) file: &'a str,
    pub(crate) bytes: Option<u64>,
    pub(crate) content: Option<&'a ContentId>,
}

impl Wanted<'_> {
    fn repository(&self) -> String {
        self.asked.repository.to_owned()
    }

    fn wrong_hash(&self, algorithm: &'static str, expected: &str, found: String) -> HubError {
        let hint = "a mirror or a proxy may serve other bytes than the publisher; \
                    nothing of it was kept";
        HubError::WrongHash {
            repository: self.repository(),
            file: self.file.to_owned(),
            algorithm,
            expected: expected.to_owned(),
            found,
            hint: hint.to_owned(),
        }
    }
}

/// Brings a file to `partial`, which the caller then gives its final name, and returns its SHA-256.
///
/// `progress` hears the bytes that are here.
pub(crate) fn download(
    client: &Client,
    wanted: &Wanted,
    partial: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, HubError> {
    let mut partial = Partial::open(partial, &client.settings, |bytes, total_bytes| {
        progress(Progress::Verifying {
            file: wanted.file,
            bytes,
            total_bytes,
        });
    })?;
    if wanted.bytes.is_some_and(|bytes| partial.bytes > bytes) {
        partial.reset()?;
    }
    let mut attempts = Attempts::default();
    let mut was_wrong = false;
    loop {
        let before = partial.bytes;
        let is_whole = wanted.bytes.is_some_and(|bytes| bytes == partial.bytes) && before > 0;
        if !is_whole && let Err(stop) = transfer(client, wanted, &mut partial, progress) {
            let failure = match stop {
                Stop::Disk(error) => return Err(error),
                Stop::Failed(failure) => failure,
            };
            if partial.bytes >= before + GAIN_BYTES {
                attempts.renew();
            }
            attempts.wait(failure, &client.settings, progress)?;
            continue;
        }
        match partial.check(wanted) {
            Ok(sha256) => {
                partial.sync()?;
                return Ok(sha256);
            }
            // Once more from the beginning: what an earlier run has left may be wrong, or a cable.
            Err(error) if !was_wrong => {
                was_wrong = true;
                partial.reset()?;
                attempts.wait(Failure::passing(error), &client.settings, progress)?;
            }
            Err(error) => {
                partial.remove();
                return Err(error);
            }
        }
    }
}

/// Why a transfer ended too early.
enum Stop {
    /// Nothing more can be written.
    Disk(HubError),
    Failed(Failure),
}

/// One request for what is missing, written as it comes.
fn transfer(
    client: &Client,
    wanted: &Wanted,
    partial: &mut Partial,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Stop> {
    let method = Method::GetFrom(partial.bytes);
    let answer = client
        .send(method, wanted.url, wanted.asked)
        .map_err(Stop::Failed)?;
    let status = answer.response.status().as_u16();
    let range = content_range(&answer.response);
    // Another part than the one that was asked for, or none: what is here is of no use.
    let fits = status == 206 && range.is_some_and(|(first, _)| first == partial.bytes);
    if partial.bytes > 0 && !fits {
        partial.reset().map_err(Stop::Disk)?;
        if status != 200 {
            let error = HubError::Server {
                host: answer.host,
                status,
                said: "no such range of bytes".to_owned(),
                attempts: 1,
            };
            return Err(Stop::Failed(Failure::passing(error)));
        }
    }
    let body_bytes = answer.response.body().content_length();
    let total_bytes = wanted
        .bytes
        .or(answer.linked.bytes)
        .or(range.and_then(|(_, total)| total))
        .or(body_bytes.map(|bytes| partial.bytes + bytes));
    let mut body = answer.response.into_body().into_reader();
    let mut buffer = vec![0; BUFFER_BYTES];
    let cut = |bytes: u64, error: io::Error| {
        let failure = client.trouble(&error.into(), &answer.host, wanted.file, bytes);
        Stop::Failed(failure)
    };
    loop {
        progress(Progress::Downloading {
            file: wanted.file,
            bytes: partial.bytes,
            total_bytes,
        });
        let n = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(cut(partial.bytes, error)),
        };
        partial.append(&buffer[..n]).map_err(Stop::Disk)?;
        if let Some(total) = total_bytes.filter(|total| partial.bytes > *total) {
            let found = partial.bytes;
            partial.reset().map_err(Stop::Disk)?;
            return Err(Stop::Failed(Failure::last(HubError::WrongLength {
                repository: wanted.repository(),
                file: wanted.file.to_owned(),
                expected: total,
                found,
            })));
        }
    }
    match total_bytes {
        Some(total) if partial.bytes < total => {
            Err(cut(partial.bytes, io::ErrorKind::UnexpectedEof.into()))
        }
        _ => Ok(()),
    }
}

/// First byte and total of `Content-Range: bytes FIRST-LAST/TOTAL`.
fn content_range(response: &ureq::http::Response<ureq::Body>) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get("content-range")?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split('-').next()?.trim().parse().ok()?;
    Some((first, total.trim().parse().ok()))
}

/// A file that grows, and the hash of what it holds.
///
/// Written by position and not appended: should two processes write where locks do not hold, as on some file systems of
/// clusters, they write the same bytes to the same places.
struct Partial {
    path: PathBuf,
    cache_dir: PathBuf,
    file: File,
    bytes: u64,
    sha256: Sha256,
}

impl Partial {
    /// Opens what a try before has left, and hashes it.
    fn open(
        path: &Path,
        settings: &Settings,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Self, HubError> {
        let failed = |source| HubError::cache(&settings.cache_dir, path, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        let total = file.metadata().map_err(failed)?.len();
        let mut sha256 = Sha256::new();
        let mut bytes = 0;
        read_all(&mut file, &mut |piece| {
            sha256.update(piece);
            bytes += piece.len() as u64;
            progress(bytes, total);
        })
        .map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            cache_dir: settings.cache_dir.clone(),
            file,
            bytes,
            sha256,
        })
    }

    fn failed(&self, source: io::Error) -> HubError {
        HubError::cache(&self.cache_dir, &self.path, source)
    }

    fn append(&mut self, piece: &[u8]) -> Result<(), HubError> {
        if let Err(source) = self.file.write_all(piece) {
            // A part of the piece may stand there without being hashed.
            let _ = self.file.set_len(self.bytes);
            return Err(self.failed(source));
        }
        self.sha256.update(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    /// Begins anew.
    fn reset(&mut self) -> Result<(), HubError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .map_err(|source| self.failed(source))?;
        self.bytes = 0;
        self.sha256 = Sha256::new();
        Ok(())
    }

    /// SHA-256 of the file, if it is what was wanted.
    fn check(&mut self, wanted: &Wanted) -> Result<String, HubError> {
        if let Some(expected) = wanted.bytes.filter(|bytes| *bytes != self.bytes) {
            return Err(HubError::WrongLength {
                repository: wanted.repository(),
                file: wanted.file.to_owned(),
                expected,
                found: self.bytes,
            });
        }
        let found = hex(&self.sha256.clone().finalize());
        match wanted.content {
            Some(ContentId::Sha256(expected)) if *expected != found => {
                Err(wanted.wrong_hash("SHA-256", expected, found))
            }
            Some(ContentId::Git(expected)) => {
                // Files outside of large-file storage are small.
                let bytes = std::fs::read(&self.path).map_err(|source| self.failed(source))?;
                let git = git_blob(&bytes);
                if git == *expected {
                    Ok(found)
                } else {
                    Err(wanted.wrong_hash("SHA-1 of git", expected, git))
                }
            }
            _ => Ok(found),
        }
    }

    fn sync(&self) -> Result<(), HubError> {
        self.file.sync_all().map_err(|source| self.failed(source))
    }

    fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
