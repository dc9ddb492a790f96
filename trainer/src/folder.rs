//! Atomic writes of folders and files, and the lock on a run's folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slm_artifacts::{OLD, PART, atomic_file, atomic_folder, atomic_write, part_path};
use slm_cli::{Unfinished, UserMistake};

/// Writes a folder atomically, as [`atomic_folder`] does; a signal removes the incomplete folder first.
/// [`RunFolder::open`] removes what a killed run left behind.
///
/// # Errors
/// The error of `write`, or the disk is full or not writable; the new folder is then removed.
pub(crate) fn commit_folder(target: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let _removed_on_signal = Unfinished::new(&part_path(target));
    atomic_folder(target, write)
}

/// Writes a large file atomically, as [`atomic_file`] does; a signal removes the incomplete file first.
///
/// # Errors
/// The error of `write`, or the disk is full or not writable; the previous file is kept.
pub(crate) fn commit_file(target: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let _removed_on_signal = Unfinished::new(&part_path(target));
    atomic_file(target, write)
}

/// Writes a small file atomically.
///
/// # Errors
/// The disk is full or not writable; the previous file is kept.
pub(crate) fn replace_file(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    atomic_write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Deletes a file, or a folder with its content.
fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// The folder of a run, locked by one process at a time.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// Held for its lock, which the system releases when the process ends.
    _lock: Option<File>,
}

impl RunFolder {
    /// Creates the folder if needed, locks it and removes the leftovers of a killed run.
    ///
    /// # Errors
    /// The folder cannot be created or written to, or another process holds the lock.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        let lock_path = path.join(".lock");
        let lock = File::create(&lock_path)
            .with_context(|| format!("cannot write {}", lock_path.display()))?;
        let lock = match lock.try_lock() {
            Ok(()) => Some(lock),
            Err(fs::TryLockError::WouldBlock) => {
                let text = format!(
                    "another training is writing to {}\n\
                     hint: wait for it, or set `output.output_dir` to another folder",
                    path.display()
                );
                return Err(UserMistake(text).into());
            }
            // Not every file system supports locks.
            Err(fs::TryLockError::Error(_)) => None,
        };
        let folder = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        folder.tidy()?;
        Ok(folder)
    }

    /// The folder's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes incomplete folders and files, and restores an adapter whose replacement was not completed.
    fn tidy(&self) -> Result<()> {
        let unreadable = || format!("cannot read {}", self.path.display());
        for entry in fs::read_dir(&self.path).with_context(unreadable)? {
            let entry = entry.with_context(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((of, ending)) = name.strip_prefix('.').and_then(|n| n.rsplit_once('.')) else {
                continue;
            };
            let at_home = self.path.join(of);
            match ending {
                OLD if of == "adapter" && !at_home.exists() => fs::rename(entry.path(), at_home)?,
                PART | OLD => remove(&entry.path())?,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|name| name != ".lock")
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_run_left_is_tidied_up() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let make = |name: &str| fs::create_dir(parent.path().join(name)).expect("a folder");
        // Left by kills between the two renames of the adapter, during a save, and during a deletion.
        for name in [".adapter.old", ".step-3.part", ".step-1.old", "step-2"] {
            make(name);
        }
        // Left by a kill while the report was written.
        fs::write(parent.path().join(".loss.svg.part"), "<svg").expect("a file");
        RunFolder::open(parent.path()).expect("opened");
        assert_eq!(names(parent.path()), ["adapter", "step-2"]);
        make(".adapter.old");
        RunFolder::open(parent.path()).expect("opened");
        assert_eq!(names(parent.path()), ["adapter", "step-2"]);
    }

    #[test]
    fn a_folder_in_use_is_refused() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let first = RunFolder::open(parent.path()).expect("opened");
        let error = RunFolder::open(parent.path())
            .expect_err("in use")
            .to_string();
        assert!(error.contains("another training"), "{error}");
        drop(first);
        RunFolder::open(parent.path()).expect("free again");
    }
}
