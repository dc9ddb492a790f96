//! A weight file, read by offset from several threads, and its tensors.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A tensor in main memory, in single precision.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Dimensions, outermost first; `[out, in]` for a linear layer.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Vec<f32>,
}

/// An open file with a known length, read at offsets.
///
/// Memory mapping would need `unsafe`, and a file that shrinks under a mapping kills the process;
/// here it is an error. Opening refuses anything but a regular file, so a pipe cannot block the program.
#[derive(Debug)]
pub(crate) struct WeightFile {
    path: PathBuf,
    file: File,
    len: u64,
}

impl WeightFile {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "is not a regular file",
            ));
        }
        let file = File::open(path)?;
        let opened = Self {
            path: path.to_owned(),
            len: file.metadata()?.len(),
            file,
        };
        if opened.len <= LFS_POINTER_BYTES {
            let mut bytes = vec![0; opened.len as usize];
            opened.read_exact_at(&mut bytes, 0)?;
            refuse_lfs_pointer(&bytes)?;
        }
        Ok(opened)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Length in bytes at the time of opening.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Returns the file as a stream from its start, for headers; must be used before any read by offset.
    pub(crate) fn stream(&self) -> impl Read {
        io::BufReader::with_capacity(1 << 16, &self.file)
    }

    /// Returns the first few bytes as text, for messages about files of another kind.
    pub(crate) fn beginning(&self) -> io::Result<String> {
        let mut bytes = vec![0; self.len.min(12) as usize];
        self.read_exact_at(&mut bytes, 0)?;
        Ok(bytes.escape_ascii().to_string())
    }

    /// Fills `buffer` from the bytes at `offset`.
    #[cfg(unix)]
    pub(crate) fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
    }

    /// Fills `buffer` from the bytes at `offset`.
    #[cfg(windows)]
    pub(crate) fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let n = std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = &mut buffer[n..];
            offset += n as u64;
        }
        Ok(())
    }
}

/// Start of a git-lfs pointer: the small text that a clone without git-lfs contains instead of a large file.
///
/// # Source
/// <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// Maximum length of a pointer in its specification.
const LFS_POINTER_BYTES: u64 = 1024;

/// Refuses content that is a git-lfs pointer.
fn refuse_lfs_pointer(bytes: &[u8]) -> io::Result<()> {
    if !bytes.starts_with(LFS_POINTER) {
        return Ok(());
    }
    let text = "a git-lfs pointer, expected the file that it points to\n\
                hint: run `git lfs pull` in its repository, or download the file itself";
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}

/// Reads a regular file of at most `most` bytes, such as a configuration.
///
/// # Errors
/// The file is missing, longer, not a regular file, or a git-lfs pointer.
pub(crate) fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > most {
        let text = format!("is not a regular file of at most {most} bytes");
        return Err(io::Error::other(text));
    }
    let mut bytes = Vec::new();
    // The file may have grown since the check.
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    refuse_lfs_pointer(&bytes)?;
    Ok(bytes)
}
