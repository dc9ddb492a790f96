//! Temporary folders that a killed harness cannot leave behind for long.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::SandboxError;

/// Followed by the harness's process number, a dash, and random letters.
const PREFIX: &str = "slm-sandbox-";

/// A folder, removed with all that a program left in it.
#[derive(Debug)]
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// An empty folder that everybody may look into, owned by `user` if given.
    pub(crate) fn new(user: Option<u32>) -> Result<Self, SandboxError> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .map_err(SandboxError::io("make a temporary folder"))?;
        if let Some(user) = user {
            chown(folder.path(), Some(user), Some(user))
                .map_err(SandboxError::io("give away a temporary folder"))?;
        }
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The program may have taken our right to look into its folders. `TempDir` removes the
        // tree after this; what still resists is left to the system's own cleaning of /tmp.
        remove_folders(self.path());
    }
}

/// Removes the folders below `top`, however deep and whoever may look into them.
///
/// Neither a path nor the number of open files reaches down a tree of thousands of levels, so what
/// lies two levels deep is moved up before the level between is removed.
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
                // To be moved, a folder itself must be writable.
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

/// Removes the folders of harnesses that were killed.
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
    fn folders_of_dead_harnesses_go_and_those_of_living_ones_stay() {
        // Larger than any process number.
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
