//! Temporary folders, which are removed at the next start if the harness was killed.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};

use crate::SandboxError;

/// Followed by the harness's process id, a dash, and random letters.
const PREFIX: &str = "slm-sandbox-";

/// A temporary folder, removed with everything a program left in it.
#[derive(Debug)]
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// Creates an empty folder that every user may read, owned by `user` if given.
    pub(crate) fn new(user: Option<u32>) -> Result<Self, SandboxError> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .map_err(SandboxError::io("make a temporary folder"))?;
        if let Some(user) = user {
            chown(folder.path(), Some(user), Some(user))
                .map_err(SandboxError::io("change the owner of a temporary folder"))?;
        }
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The program may have removed our permission to read its folders. `TempDir` removes the tree after
        // this; the system's cleaning of /tmp takes care of the rest.
        remove_folders(self.path());
    }
}

/// Removes the folders below `top`, at any depth and with any permissions.
///
/// Neither path length nor the number of open files suffices for thousands of levels, so the contents of a
/// subfolder's folders are moved up to `top` before the level between is removed.
fn remove_folders(top: &Path) {
    let open = |folder: &Path| {
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
        fs::read_dir(folder).into_iter().flatten().flatten()
    };
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut moved = 0_u64;
    loop {
        let mut is_progress = false;
        for folder in open(top).filter(is_folder).collect::<Vec<_>>() {
            for entry in open(&folder.path()) {
                if !is_folder(&entry) {
                    let _ = fs::remove_file(entry.path());
                    continue;
                }
                // Renaming a folder requires write permission on the folder itself.
                drop(open(&entry.path()));
                let mut target = top.join(format!("moved-{moved}"));
                while fs::symlink_metadata(&target).is_ok() {
                    moved += 1;
                    target = top.join(format!("moved-{moved}"));
                }
                let _ = fs::rename(entry.path(), target);
            }
            is_progress |= fs::remove_dir(folder.path()).is_ok();
        }
        if !is_progress {
            return;
        }
    }
}

/// Counts files and folders below `top`, up to `most` + 1.
///
/// As above, neither paths nor open files suffice for all levels: one folder is open at a time, and the way up
/// is `..`. A folder that a program can write but has made unreadable counts as too many.
pub(crate) fn count_files(top: &Path, most: usize) -> usize {
    let open = |at: BorrowedFd<'_>, name: &[u8]| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(at, name, flags, Mode::empty())
    };
    let Ok(mut folder) = open(CWD, top.as_os_str().as_bytes()) else {
        return 0;
    };
    let mut count = 0;
    // Names of the folders still to be visited, for each level.
    let mut levels = vec![folders_in(&folder, &mut count, most)];
    while count <= most {
        let Some(names) = levels.last_mut() else {
            return count;
        };
        let Some(name) = names.pop() else {
            levels.pop();
            match open(folder.as_fd(), b"..") {
                Ok(above) => folder = above,
                Err(_) => return count,
            }
            continue;
        };
        if let Ok(below) = open(folder.as_fd(), name.to_bytes()) {
            folder = below;
            levels.push(folders_in(&folder, &mut count, most));
        } else {
            let status = statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW);
            let is_written = |mode: u32| mode & 0o222 != 0 && mode & 0o111 != 0;
            if status.is_ok_and(|status| is_written(status.st_mode)) {
                return most + 1;
            }
        }
    }
    count
}

/// Adds the entries of a folder to `count` and returns the names of its subfolders.
fn folders_in(folder: &OwnedFd, count: &mut usize, most: usize) -> Vec<CString> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        *count += 1;
        if *count > most {
            break;
        }
        if matches!(entry.file_type(), FileType::Directory | FileType::Unknown) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Removes the folders of harnesses that no longer run.
pub(crate) fn remove_orphans() {
    for entry in fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'))
            .and_then(|(process, _)| process.parse().ok())
            .and_then(rustix::process::Pid::from_raw);
        let is_gone = owner.is_some_and(|process| {
            rustix::process::test_kill_process(process) == Err(rustix::io::Errno::SRCH)
        });
        if is_gone && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_folders(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_at_every_level_and_no_further_than_asked() {
        let folder = Folder::new(None).expect("a folder");
        let mut at = folder.path().to_owned();
        for _ in 0..20 {
            at.push("d");
            fs::create_dir(&at).expect("a folder");
            fs::write(at.join("file"), "").expect("a file");
        }
        std::os::unix::fs::symlink("/", at.join("link")).expect("a link");
        assert_eq!(count_files(folder.path(), 100), 41);
        assert_eq!(count_files(folder.path(), 30), 31);
    }

    #[test]
    fn folders_of_dead_harnesses_go_and_those_of_living_ones_stay() {
        // Larger than any process id.
        let orphan = std::env::temp_dir().join(format!("{PREFIX}{}-test", i32::MAX));
        fs::create_dir_all(orphan.join("inner")).expect("a folder");
        fs::set_permissions(orphan.join("inner"), fs::Permissions::from_mode(0o000))
            .expect("chmod");
        let ours = Folder::new(None).expect("a folder");
        remove_orphans();
        assert!(!orphan.exists());
        assert!(ours.path().exists());
    }
}
