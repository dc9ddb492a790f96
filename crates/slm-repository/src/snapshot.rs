//! Copies of a repository, and the hash that identifies it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use slm_artifacts::Sha256;

use crate::error::RepositoryError;
use crate::files::{Listing, is_identifying};

/// Bytes of one read.
const BUFFER_BYTES: usize = 1 << 18;

/// Returns the SHA-256 of the listed Python files (`.py`, `.pyi`): of each path, length and content, in the order of
/// the paths.
///
/// It does not cover other files, so that a recipe, a file of tasks or a README in the repository can change. Data
/// that the tests read is not covered either.
///
/// # Errors
/// A file cannot be read.
pub fn identity(root: &Path, listing: &Listing) -> Result<String, RepositoryError> {
    transfer(root, listing, None)
}

/// Copies the listed files to an empty folder, readable for every user, and returns their [`identity`].
pub(crate) fn copy(
    root: &Path,
    listing: &Listing,
    target: &Path,
) -> Result<String, RepositoryError> {
    transfer(root, listing, Some(target))
}

/// Hashes the Python files and copies all files if there is a target, in pieces of a fixed size.
fn transfer(
    root: &Path,
    listing: &Listing,
    target: Option<&Path>,
) -> Result<String, RepositoryError> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    for path in &listing.files {
        let is_code = is_identifying(path);
        if target.is_none() && !is_code {
            continue;
        }
        let from = root.join(path);
        let mut source = File::open(&from).map_err(RepositoryError::io("read", &from))?;
        let mut copy = match target {
            None => None,
            Some(target) => Some(create(target, path)?),
        };
        let mut content = Sha256::new();
        let mut length = 0_u64;
        loop {
            let n = source
                .read(&mut buffer)
                .map_err(RepositoryError::io("read", &from))?;
            if n == 0 {
                break;
            }
            if is_code {
                content.update(&buffer[..n]);
                length += n as u64;
            }
            if let Some(copy) = &mut copy {
                copy.write_all(&buffer[..n])
                    .map_err(RepositoryError::io("copy", &from))?;
            }
        }
        if is_code {
            hash.update(path);
            hash.update([0]);
            hash.update(length.to_le_bytes());
            hash.update(content.digest());
        }
    }
    Ok(hash.hex())
}

/// Creates a file below a folder, and the folders between, readable for every user.
pub(crate) fn create(target: &Path, path: &str) -> Result<File, RepositoryError> {
    let to = target.join(path);
    let made = || -> std::io::Result<File> {
        let mut folder = target.to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        for part in &parts[..parts.len() - 1] {
            folder.push(part);
            if !folder.is_dir() {
                fs::create_dir(&folder)?;
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
            }
        }
        let file = File::create(&to)?;
        // Another user must be able to read it, regardless of our umask.
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        Ok(file)
    };
    made().map_err(RepositoryError::io("copy to", &to))
}
