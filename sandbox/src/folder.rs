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
        unlock(self.path());
    }
}

fn unlock(folder: &Path) {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unlock(&entry.path());
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
            unlock(&entry.path());
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
        fs::set_permissions(orphan.join("inner"), fs::Permissions::from_mode(0)).expect("chmod");
        let ours = Folder::new(None).expect("a folder");
        remove_orphans();
        assert!(!orphan.exists());
        assert!(ours.path().exists());
    }
}
