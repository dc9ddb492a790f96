//! Folders that appear whole or not at all, and the lock on a run's folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slm_cli::{Unfinished, UserMistake};

/// Ending of a folder that is being written.
const PART: &str = "part";
/// Ending of a folder that another one replaces, or that is being deleted.
const OLD: &str = "old";

/// Writes a folder beside its final place and puts it there by renaming.
///
/// Whatever happens in between (an error, a kill, a power cut), the final name holds what was there before or the
/// new folder, never a part of it; [`RunFolder::open`] tidies up what a killed run left. Every file is on the disk
/// before the name is.
///
/// # Errors
/// What `write` says, or the disk is full or not writable; nothing is left of the new folder then.
pub(crate) fn commit_folder(target: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let (part, old) = (hidden_sibling(target, PART), hidden_sibling(target, OLD));
    let _goes_if_stopped = Unfinished::new(&part);
    let put = || -> Result<()> {
        fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
        write(&part)?;
        for entry in fs::read_dir(&part)? {
            File::open(entry?.path())?.sync_all()?;
        }
        sync_folder(&part);
        if target.exists() {
            fs::rename(target, &old)?;
        }
        fs::rename(&part, target)
            .with_context(|| format!("cannot put a folder at {}", target.display()))?;
        sync_folder(target.parent().unwrap_or(Path::new(".")));
        Ok(())
    };
    let outcome = put();
    if outcome.is_err() {
        let _ = fs::remove_dir_all(&part);
        if old.exists() && !target.exists() {
            let _ = fs::rename(&old, target);
        }
    }
    let _ = fs::remove_dir_all(&old);
    outcome
}

/// Writes a file beside its place first, so that no half file ever has the name.
///
/// # Errors
/// The disk is full or not writable; the file before this one stays.
pub(crate) fn replace_file(folder: &Path, name: &str, text: &str) -> Result<()> {
    let (part, path) = (folder.join(format!(".{name}.part")), folder.join(name));
    fs::write(&part, text)
        .and_then(|()| fs::rename(&part, &path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&part);
        })
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Deletes a folder in such a way that a kill in between leaves no half of it under its name.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    let old = hidden_sibling(folder, OLD);
    fs::rename(folder, &old)
        .and_then(|()| fs::remove_dir_all(&old))
        .with_context(|| format!("cannot remove {}", folder.display()))
}

/// Deletes a file or a folder with all that is in it.
fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// `.NAME.ENDING` beside a folder.
fn hidden_sibling(folder: &Path, ending: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{ending}"))
}

/// Makes renames inside `folder` last; a folder cannot be synced on every system, and need not be.
fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// The folder of a run, which one process at a time may write to.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// Held for its lock, which the system takes back when the process ends in whatever way.
    _lock: Option<File>,
}

impl RunFolder {
    /// Makes the folder if need be, takes it for this process and tidies up after a run that was killed.
    ///
    /// # Errors
    /// It cannot be made or written to, or another process holds it.
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
            // Not every file system has locks.
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

    /// Removes folders and files half written or half deleted, and puts back one whose successor did not arrive.
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

    fn write(text: &'static str) -> impl FnOnce(&Path) -> Result<()> {
        move |folder| Ok(fs::write(folder.join("file"), text)?)
    }

    #[test]
    fn a_folder_is_replaced_whole_and_a_failure_leaves_the_one_before() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let target = parent.path().join("adapter");
        let read = || fs::read_to_string(target.join("file")).expect("a file");
        commit_folder(&target, write("first")).expect("written");
        commit_folder(&target, write("second")).expect("written");
        assert_eq!(read(), "second");
        commit_folder(&target, |part| {
            fs::write(part.join("file"), "third")?;
            anyhow::bail!("disk full")
        })
        .expect_err("a failure");
        assert_eq!(read(), "second");
        assert_eq!(names(parent.path()), ["adapter"]);
    }

    #[test]
    fn what_a_killed_run_left_is_tidied_up() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let make = |name: &str| fs::create_dir(parent.path().join(name)).expect("a folder");
        // Killed between the two renames of the adapter, in a save, and in a deletion.
        for name in [".adapter.old", ".step-3.part", ".step-1.old", "step-2"] {
            make(name);
        }
        // Killed in the middle of a report.
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
