//! Atomic writes of files and folders.
//!
//! They are written next to the target under a hidden name, synced to disk (fsync), and only then renamed.
//! After any failure in between (an error, a kill, a power cut), the target has either its previous or its
//! complete new contents.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Suffix of the hidden name of a file or folder being written.
pub const PART: &str = "part";
/// Suffix of the hidden name of a folder that is being replaced or removed.
pub const OLD: &str = "old";

/// Returns `.NAME.part` next to a file or folder: the path at which it is being written.
pub fn part_path(path: &Path) -> PathBuf {
    hidden_sibling(path, PART)
}

/// Returns `.NAME.ENDING` next to a file or folder.
fn hidden_sibling(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{ending}"))
}

/// Writes a small file and creates its parent folders. Several processes may write the same file at the same
/// time: the last one wins, and no reader sees a mixture.
///
/// # Errors
/// The disk is full or not writable; the previous file is kept.
pub fn atomic_write(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    replace(path, &unique_part(path), |part| fs::write(part, bytes))
}

/// Like [`atomic_write`] for a symbolic link, or for a copy of its target where links are not supported: `make`
/// receives the path to create.
///
/// # Errors
/// The error of `make`, or the folder is not writable; the previous link is kept.
pub fn atomic_link(path: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    fs::create_dir_all(folder_of(path))?;
    replace(path, &unique_part(path), make)
}

/// Writes a large file, for one process at a time: `write` receives the path to write to, [`part_path`].
///
/// # Errors
/// The error of `write`, or the disk is full or not writable; the previous file is kept and the new one removed.
pub fn atomic_file<T, E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    replace(path, &part_path(path), write)
}

/// Writes a folder of files, for one process at a time: `write` receives the empty folder to write to, [`part_path`].
///
/// # Errors
/// The error of `write`, or the disk is full or not writable; the previous folder is kept and the new one removed.
pub fn atomic_folder<E: From<io::Error>>(
    target: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let (part, old) = (part_path(target), hidden_sibling(target, OLD));
    let put = || -> Result<(), E> {
        fs::create_dir_all(&part)
            .map_err(|error| explained(&error, &format!("cannot create {}", part.display())))?;
        write(&part)?;
        for entry in fs::read_dir(&part)? {
            File::open(entry?.path())?.sync_all()?;
        }
        sync_folder(&part);
        if target.exists() {
            discard(&old)?;
            fs::rename(target, &old)?;
        }
        let problem = || format!("cannot move the new folder to {}", target.display());
        fs::rename(&part, target).map_err(|error| explained(&error, &problem()))?;
        sync_folder(folder_of(target));
        Ok(())
    };
    let outcome = put();
    if outcome.is_err() {
        let _ = fs::remove_dir_all(&part);
        if old.exists() && !target.exists() {
            let _ = fs::rename(&old, target);
        }
    }
    // What could not be put back stays, for someone to find.
    if target.exists() {
        let _ = fs::remove_dir_all(&old);
    }
    outcome
}

/// Removes a folder so that a kill in between leaves no partial folder under its name.
///
/// # Errors
/// The folder cannot be renamed or removed.
pub fn remove_folder(folder: &Path) -> io::Result<()> {
    let old = hidden_sibling(folder, OLD);
    discard(&old)?;
    fs::rename(folder, &old)?;
    fs::remove_dir_all(&old)
}

/// Removes a folder that a kill left while it was being removed, since a folder is not renamed onto one with files.
fn discard(old: &Path) -> io::Result<()> {
    if old.exists() {
        fs::remove_dir_all(old)
            .map_err(|error| explained(&error, &format!("cannot remove {}", old.display())))?;
    }
    Ok(())
}

/// Syncs a finished file to disk and renames it to `path`. Both paths must be in one file system.
///
/// # Errors
/// The disk fails, or the folder is not writable; both files are kept.
pub fn publish(part: &Path, path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(part)?.is_file() {
        File::open(part)?.sync_all()?;
    }
    fs::rename(part, path)?;
    sync_folder(folder_of(path));
    Ok(())
}

fn replace<T, E: From<io::Error>>(
    path: &Path,
    part: &Path,
    write: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let written = write(part).and_then(|done| {
        publish(part, path)?;
        Ok(done)
    });
    if written.is_err() {
        let _ = fs::remove_file(part);
    }
    written
}

/// Returns a hidden name next to `path` that no other writer uses.
fn unique_part(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    hidden_sibling(path, &format!("{}-{count}.{PART}", std::process::id()))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes renames inside `folder` durable. Errors are ignored, since not every system can sync a folder, and
/// none has to.
fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Adds a description of the failed action to an error.
fn explained(error: &io::Error, problem: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{problem}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_a_failure_leaves_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("below/file.json");
        let read = || fs::read_to_string(&path).expect("a file");
        atomic_write(&path, "first").expect("written");
        atomic_write(&path, "second").expect("written");
        assert_eq!(read(), "second");
        let failed = atomic_file(&path, |part| {
            fs::write(part, "thi")?;
            Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull))
        });
        assert!(failed.is_err());
        assert_eq!(read(), "second");
        let bytes = atomic_file(&path, |part| {
            assert_eq!(part, part_path(&path));
            fs::write(part, "third").map(|()| 5)
        });
        assert_eq!(bytes.expect("written"), 5);
        assert_eq!(read(), "third");
        assert_eq!(names(&folder.path().join("below")), ["file.json"]);
    }

    #[test]
    fn writers_of_one_file_at_a_time_never_mix() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let texts = ["a".repeat(1 << 16), "b".repeat(1 << 15)];
        std::thread::scope(|scope| {
            for text in texts.iter().cycle().take(8) {
                let path = &path;
                scope.spawn(move || atomic_write(path, text).expect("written"));
            }
        });
        let found = fs::read_to_string(&path).expect("a file");
        assert!(texts.contains(&found), "{} bytes", found.len());
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_replaces_another_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("snapshots/link");
        for target in ["../one", "../two"] {
            fs::write(folder.path().join(&target[3..]), target).expect("a file");
            atomic_link(&path, |part| std::os::unix::fs::symlink(target, part)).expect("linked");
            assert_eq!(fs::read_to_string(&path).expect("readable"), target);
        }
        assert_eq!(names(&folder.path().join("snapshots")), ["link"]);
    }

    #[test]
    fn a_folder_is_replaced_whole_and_a_failure_leaves_the_one_before() {
        let parent = tempfile::tempdir().expect("a folder");
        let target = parent.path().join("adapter");
        let read = || fs::read_to_string(target.join("file")).expect("a file");
        let write = |text: &'static str| move |part: &Path| fs::write(part.join("file"), text);
        atomic_folder(&target, write("first")).expect("written");
        atomic_folder(&target, write("second")).expect("written");
        assert_eq!(read(), "second");
        atomic_folder(&target, |part| {
            write("third")(part)?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .expect_err("a failure");
        assert_eq!(read(), "second");
        assert_eq!(names(parent.path()), ["adapter"]);
        remove_folder(&target).expect("removed");
        assert_eq!(names(parent.path()), [""; 0]);
    }

    #[test]
    fn a_folder_that_a_kill_left_half_removed_hinders_neither_writing_nor_removing() {
        let parent = tempfile::tempdir().expect("a folder");
        let (target, old) = (
            parent.path().join("adapter"),
            parent.path().join(".adapter.old"),
        );
        let leave = || {
            fs::create_dir_all(&old).expect("a folder");
            fs::write(old.join("weights"), "earlier").expect("a file");
        };
        let write = |text: &'static str| move |part: &Path| fs::write(part.join("weights"), text);
        atomic_folder(&target, write("first")).expect("written");
        leave();
        atomic_folder(&target, write("second")).expect("written");
        let read = fs::read_to_string(target.join("weights")).expect("a file");
        assert_eq!(
            (read.as_str(), names(parent.path())),
            ("second", vec!["adapter".to_owned()])
        );
        leave();
        remove_folder(&target).expect("removed");
        assert_eq!(names(parent.path()), [""; 0]);
    }

    #[test]
    fn a_failure_names_the_place() {
        let parent = tempfile::tempdir().expect("a folder");
        fs::write(parent.path().join("file"), "").expect("a file");
        let target = parent.path().join("file/adapter");
        let error = atomic_folder(&target, |_| Ok::<(), io::Error>(())).expect_err("no folder");
        assert!(error.to_string().starts_with("cannot create "), "{error}");
    }
}
