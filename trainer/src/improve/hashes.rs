//! Hashes of the user's files and folders.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use slm_artifacts::{sha256, sha256_of_file, sha256_of_texts};

/// Hashes of files and folders. A file is read again only if its size or its modification time has changed.
#[derive(Debug, Default)]
pub(super) struct FileHashes(RefCell<BTreeMap<PathBuf, (u64, SystemTime, String)>>);

impl FileHashes {
    /// Returns the hash of a file, or of the names and contents of the files below a folder: all, or those that `only`
    /// accepts. Hidden ones and compiled Python are left out. For a path at which nothing exists, for example a name on
    /// the hub, returns the hash of the path.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn of(&self, path: &Path, only: Option<fn(&str) -> bool>) -> Result<String> {
        if path.is_dir() {
            let mut found = Vec::new();
            find(path, "", only, &mut found)?;
            found.sort();
            let mut texts = Vec::new();
            for name in found {
                texts.push(self.file(&path.join(&name))?);
                texts.push(name);
            }
            return Ok(sha256_of_texts(texts.iter().map(String::as_str)));
        }
        if path.exists() {
            return self.file(path);
        }
        Ok(sha256(path.to_string_lossy().as_bytes()))
    }

    fn file(&self, path: &Path) -> Result<String> {
        let unreadable = || format!("cannot read {}", path.display());
        let metadata = fs::metadata(path).with_context(unreadable)?;
        let modified = metadata.modified().with_context(unreadable)?;
        if let Some((bytes, time, hash)) = self.0.borrow().get(path)
            && (*bytes, *time) == (metadata.len(), modified)
        {
            return Ok(hash.clone());
        }
        let hash = sha256_of_file(path).with_context(unreadable)?;
        let entry = (metadata.len(), modified, hash.clone());
        self.0.borrow_mut().insert(path.to_owned(), entry);
        Ok(hash)
    }
}

/// Whether `python_source` reads a file of this name: Python files and licences.
pub(super) fn is_source(name: &str) -> bool {
    let upper = name.to_uppercase();
    Path::new(name)
        .extension()
        .is_some_and(|ending| ending == "py")
        || upper.starts_with("LICEN")
        || upper.starts_with("COPYING")
}

/// Collects the paths of the files below a folder, relative to it. Symbolic links to folders are not followed, so a
/// cyclic tree terminates.
fn find(
    folder: &Path,
    before: &str,
    only: Option<fn(&str) -> bool>,
    found: &mut Vec<String>,
) -> Result<()> {
    let unreadable = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{before}{name}");
        if name.starts_with('.') || name == "__pycache__" {
            continue;
        }
        if entry.file_type().with_context(unreadable)?.is_dir() {
            find(&entry.path(), &format!("{path}/"), only, found)?;
        } else if entry.path().is_file() && only.is_none_or(|only| only(&name)) {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_folder_changes_with_a_name_or_a_content_that_counts() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("written");
        };
        let hashes = FileHashes::default();
        let of = || hashes.of(root.path(), Some(is_source)).expect("a hash");
        write("a.py", "x = 1");
        write("below/b.py", "y = 1");
        let first = of();
        write("notes.txt", "not read");
        write("__pycache__/a.py", "compiled");
        write(".git/a.py", "hidden");
        assert_eq!(of(), first);
        write("below/b.py", "y = 12");
        let second = of();
        assert_ne!(second, first);
        let (old, new) = (root.path().join("a.py"), root.path().join("c.py"));
        fs::rename(old, new).expect("renamed");
        assert_ne!(of(), second);
    }
}
