//! Locks between processes that write to the same place.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Interval between two attempts.
const POLL: Duration = Duration::from_millis(200);

/// Waits until no other process holds the lock on `path`, a file that is created if missing; `waiting` is
/// called before each further attempt. The lock is released when the returned file is dropped or the process
/// ends.
///
/// # Errors
/// The file cannot be created, or its file system does not support locks.
pub fn lock_file(path: &Path, mut waiting: impl FnMut()) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = File::create(path)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {
                waiting();
                thread::sleep(POLL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_waits_for_the_first() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("locks/lock");
        let mut first = Some(lock_file(&path, || ()).expect("free"));
        let mut waits = 0;
        lock_file(&path, || {
            waits += 1;
            drop(first.take());
        })
        .expect("free again");
        assert!(waits >= 1);
    }
}
