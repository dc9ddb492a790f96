//! Downloads one file: resumes an earlier attempt, verifies the bytes and syncs them to disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use slm_artifacts::{Sha256, read_pieces};

use crate::client::{Client, Method, wait_to_retry};
use crate::error::HubError;
use crate::hash::{ContentId, git_blob};
use crate::progress::Progress;
use crate::response::{RequestError, Target};
use crate::settings::Settings;

/// Bytes that must arrive in an attempt to reset the count of attempts.
const GAIN_BYTES: u64 = 1 << 20;
/// Size of the read buffer in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// A file to download.
pub(crate) struct DownloadSpec<'a> {
    pub(crate) url: &'a str,
    pub(crate) target: &'a Target<'a>,
    /// Path in the repository.
    pub(crate) file: &'a str,
    pub(crate) bytes: Option<u64>,
    pub(crate) content: Option<&'a ContentId>,
}

impl DownloadSpec<'_> {
    fn repository(&self) -> String {
        self.target.repository.to_owned()
    }

    fn wrong_hash(&self, algorithm: &'static str, expected: &str, found: String) -> HubError {
        let hint = "a mirror or a proxy may serve other bytes than the publisher; \
                    the download was discarded";
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

/// Downloads a file to `partial`, which the caller then renames, and returns its SHA-256.
///
/// `progress` receives the number of bytes that have arrived.
pub(crate) fn download(
    client: &Client,
    spec: &DownloadSpec,
    partial: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<String, HubError> {
    let mut partial = Partial::open(partial, &client.settings, |bytes, total_bytes| {
        progress(Progress::Verifying {
            file: spec.file,
            bytes,
            total_bytes,
        });
    })?;
    if spec.bytes.is_some_and(|bytes| partial.bytes > bytes) {
        partial.reset()?;
    }
    let mut retries = client.retry_policy().start();
    let mut was_wrong = false;
    loop {
        let before = partial.bytes;
        let is_whole = spec.bytes.is_some_and(|bytes| bytes == partial.bytes) && before > 0;
        if !is_whole && let Err(stop) = transfer(client, spec, &mut partial, progress) {
            let failure = match stop {
                Stop::Disk(error) => return Err(error),
                Stop::Failed(failure) => failure,
            };
            if partial.bytes >= before + GAIN_BYTES {
                retries.reset();
            }
            wait_to_retry(&mut retries, failure, progress)?;
            continue;
        }
        match partial.check(spec) {
            Ok(sha256) => {
                partial.sync()?;
                return Ok(sha256);
            }
            // One retry from the beginning: the rest of an earlier run may be wrong, or bytes may have been corrupted.
            Err(error) if !was_wrong => {
                was_wrong = true;
                partial.reset()?;
                wait_to_retry(&mut retries, RequestError::transient(error), progress)?;
            }
            Err(error) => {
                partial.remove();
                return Err(error);
            }
        }
    }
}

/// Why a transfer ended early.
enum Stop {
    /// The disk cannot be written.
    Disk(HubError),
    Failed(RequestError),
}

/// Sends one request for the missing bytes and writes them as they arrive.
fn transfer(
    client: &Client,
    spec: &DownloadSpec,
    partial: &mut Partial,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Stop> {
    let method = Method::GetFrom(partial.bytes);
    let reply = client
        .send(method, spec.url, spec.target)
        .map_err(Stop::Failed)?;
    let status = reply.response.status().as_u16();
    let range = content_range(&reply.response);
    // The response is not the requested range, so the bytes before it cannot be used.
    let fits = status == 206 && range.is_some_and(|(first, _)| first == partial.bytes);
    if partial.bytes > 0 && !fits {
        partial.reset().map_err(Stop::Disk)?;
        if status != 200 {
            let error = HubError::Server {
                host: reply.host,
                status,
                said: "no such range of bytes".to_owned(),
                attempts: 1,
            };
            return Err(Stop::Failed(RequestError::transient(error)));
        }
    }
    let body_bytes = reply.response.body().content_length();
    let total_bytes = spec
        .bytes
        .or(reply.headers.bytes)
        .or(range.and_then(|(_, total)| total))
        .or(body_bytes.map(|bytes| partial.bytes + bytes));
    let mut body = reply.response.into_body().into_reader();
    let mut buffer = vec![0; BUFFER_BYTES];
    let cut = |bytes: u64, error: io::Error| {
        let failure = client.transport_error(&error.into(), &reply.host, spec.file, bytes);
        Stop::Failed(failure)
    };
    loop {
        progress(Progress::Downloading {
            file: spec.file,
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
            return Err(Stop::Failed(RequestError::permanent(
                HubError::WrongLength {
                    repository: spec.repository(),
                    file: spec.file.to_owned(),
                    expected: total,
                    found,
                },
            )));
        }
    }
    match total_bytes {
        Some(total) if partial.bytes < total => {
            Err(cut(partial.bytes, io::ErrorKind::UnexpectedEof.into()))
        }
        _ => Ok(()),
    }
}

/// Parses first byte and total of `Content-Range: bytes FIRST-LAST/TOTAL`.
fn content_range(response: &ureq::http::Response<ureq::Body>) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get("content-range")?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split('-').next()?.trim().parse().ok()?;
    Some((first, total.trim().parse().ok()))
}

/// A file being written, and the running hash of its content.
///
/// Writes by position, not by appending: if two processes write where locks are ineffective, as on some cluster file
/// systems, they write the same bytes to the same positions.
struct Partial {
    path: PathBuf,
    cache_dir: PathBuf,
    file: File,
    bytes: u64,
    sha256: Sha256,
}

impl Partial {
    /// Opens the rest of an earlier attempt and hashes it.
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
        read_pieces(&mut file, |piece| {
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
            // Part of the piece may have been written without being hashed.
            let _ = self.file.set_len(self.bytes);
            return Err(self.failed(source));
        }
        self.sha256.update(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    /// Truncates the file and resets the hash.
    fn reset(&mut self) -> Result<(), HubError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)))
            .map_err(|source| self.failed(source))?;
        self.bytes = 0;
        self.sha256 = Sha256::new();
        Ok(())
    }

    /// Returns the file's SHA-256, if length and hash match `spec`.
    fn check(&mut self, spec: &DownloadSpec) -> Result<String, HubError> {
        if let Some(expected) = spec.bytes.filter(|bytes| *bytes != self.bytes) {
            return Err(HubError::WrongLength {
                repository: spec.repository(),
                file: spec.file.to_owned(),
                expected,
                found: self.bytes,
            });
        }
        let found = self.sha256.clone().hex();
        match spec.content {
            Some(ContentId::Sha256(expected)) if *expected != found => {
                Err(spec.wrong_hash("SHA-256", expected, found))
            }
            Some(ContentId::Git(expected)) => {
                // Files outside large-file storage are small.
                let bytes = std::fs::read(&self.path).map_err(|source| self.failed(source))?;
                let git = git_blob(&bytes);
                if git == *expected {
                    Ok(found)
                } else {
                    Err(spec.wrong_hash("SHA-1 of git", expected, git))
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
