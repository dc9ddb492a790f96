//! Files in the cache folder: hashed while they are written, noted with their hash, never half there.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Progress, SourceError};
use crate::weight_file::hex;

const BUFFER_BYTES: usize = 1 << 20;

/// Waits for its turn among the runs that use `cache_dir`; the lock ends with the returned file, or
/// with the process.
pub(super) fn lock(cache_dir: &Path, progress: &mut dyn FnMut(Progress)) -> io::Result<File> {
    fs::create_dir_all(cache_dir)?;
    let file = File::create(cache_dir.join("lock"))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {
                progress(Progress::Waiting);
                thread::sleep(Duration::from_millis(200));
            }
        }
    }
}

/// A fresh folder for unfinished files, gone when this is dropped. Only the holder of the lock may
/// make one: it removes what an interrupted run has left.
pub(super) struct PartFolder {
    path: PathBuf,
    cache_dir: PathBuf,
}

impl PartFolder {
    pub(super) fn new(cache_dir: &Path) -> io::Result<Self> {
        let path = cache_dir.join("part");
        remove(&path)?;
        fs::create_dir(&path)?;
        Ok(Self {
            path,
            cache_dir: cache_dir.to_owned(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The error for a failure to read or write in here.
    pub(super) fn failed(&self, error: io::Error) -> SourceError {
        SourceError::cache(&self.cache_dir, error)
    }
}

impl Drop for PartFolder {
    fn drop(&mut self) {
        // If this fails, the next run removes it.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What is noted beside a finished file: its hash, and by what to see that it was not changed since.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    sha256: String,
    bytes: u64,
    modified_ns: u128,
}

impl Note {
    fn of(file: &Path, sha256: &str) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let modified = metadata
            .modified()?
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let modified_ns = modified.as_nanos();
        Ok(Self {
            sha256: sha256.to_owned(),
            bytes: metadata.len(),
            modified_ns,
        })
    }

    fn path(file: &Path) -> PathBuf {
        file.with_added_extension("sha256.json")
    }

    fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::path(file)).ok()?).ok()
    }

    fn write(&self, file: &Path, part: &PartFolder) -> io::Result<()> {
        let unfinished = part.path.join("note");
        fs::write(&unfinished, serde_json::to_vec(self)?)?;
        fs::rename(unfinished, Self::path(file))
    }
}

/// SHA-256 of a finished file, if it is there and has not changed since it was finished.
pub(super) fn noted_hash(file: &Path) -> Option<String> {
    let note = Note::read(file)?;
    (Note::of(file, &note.sha256).ok()? == note).then_some(note.sha256)
}

/// Like [`noted_hash`] for a file that was touched: hashes it, and notes the hash anew if the bytes
/// are those noted or `expected`.
pub(super) fn renewed_hash(
    file: &Path,
    expected: Option<&str>,
    part: &PartFolder,
    progress: &mut dyn FnMut(Progress),
) -> Option<String> {
    let noted = Note::read(file).map(|note| note.sha256);
    let found = hash_file(file, progress).ok()?;
    let is_known = [noted.as_deref(), expected]
        .into_iter()
        .flatten()
        .any(|known| known.eq_ignore_ascii_case(&found));
    if is_known {
        // Without the note the next run hashes once more.
        let _ = Note::of(file, &found).and_then(|note| note.write(file, part));
    }
    is_known.then_some(found)
}

/// Puts the finished file `unfinished` under its final name, with its note.
pub(super) fn finish(
    unfinished: &Path,
    file: &Path,
    sha256: &str,
    part: &PartFolder,
) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    fs::rename(unfinished, file)?;
    Note::of(file, sha256)?.write(file, part)?;
    File::open(folder)?.sync_all()
}

/// SHA-256 of a file, in hexadecimal digits.
pub(super) fn hash_file(path: &Path, progress: &mut dyn FnMut(Progress)) -> io::Result<String> {
    let mut file = File::open(path)?;
    let total_bytes = file.metadata()?.len();
    copy_hashed(&mut file, &mut io::sink(), &mut |bytes| {
        progress(Progress::Verifying { bytes, total_bytes });
    })
    .map_err(|failure| match failure {
        CopyError::Read(error) | CopyError::Write(error) => error,
    })
}

/// Which side of a copy failed.
#[derive(Debug)]
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Copies everything and returns its SHA-256 in hexadecimal digits.
pub(super) fn copy_hashed(
    from: &mut impl Read,
    to: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<String, CopyError> {
    let mut hasher = Sha256::new();
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    let mut bytes = 0;
    loop {
        buffer.clear();
        let mut piece = from.take(BUFFER_BYTES as u64);
        if piece.read_to_end(&mut buffer).map_err(CopyError::Read)? == 0 {
            break;
        }
        hasher.update(&buffer);
        to.write_all(&buffer).map_err(CopyError::Write)?;
        bytes += buffer.len() as u64;
        progress(bytes);
    }
    Ok(hex(&hasher.finalize()))
}
