//! Copies of repositories, lent to one run at a time.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use crate::error::RepositoryError;
use crate::files::Listing;
use crate::roots::ImportRoots;
use crate::snapshot::{self, create};

/// Begins the names of temporary folders. With the process id after it, the sandbox removes those of a killed process.
const PREFIX: &str = "slm-sandbox-";

/// The copies of one repository, made when they are needed. One copy per worker is enough.
#[derive(Debug)]
pub struct TreePool {
    root: PathBuf,
    /// The expected identity; `None` accepts any.
    sha256: Option<String>,
    original: Mutex<Option<Arc<Original>>>,
    idle: Mutex<Vec<TempDir>>,
}

/// A copy that never changes, of which all others are made.
#[derive(Debug)]
pub(crate) struct Original {
    folder: TempDir,
    pub(crate) listing: Listing,
    pub(crate) roots: ImportRoots,
    pub(crate) sha256: String,
}

impl Original {
    /// Returns the path of a file of the copy.
    pub(crate) fn file(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }
}

/// A copy of a repository, returned to its pool when it is dropped.
#[derive(Debug)]
pub struct LentTree<'a> {
    pool: &'a TreePool,
    original: Arc<Original>,
    /// `None` only while it is dropped.
    folder: Option<TempDir>,
    path: PathBuf,
    /// The file that differs from the original.
    replaced: Option<String>,
}

impl TreePool {
    /// Creates a pool without copies. With `sha256`, a repository of another identity is refused on first use.
    pub fn new(root: PathBuf, sha256: Option<String>) -> Self {
        Self {
            root,
            sha256,
            original: Mutex::default(),
            idle: Mutex::default(),
        }
    }

    /// Lends a copy.
    ///
    /// # Errors
    /// [`RepositoryError::Changed`] if the repository has another identity; a file cannot be read or copied.
    pub fn lend(&self) -> Result<LentTree<'_>, RepositoryError> {
        let original = self.original()?;
        let idle = lock(&self.idle).pop();
        let folder = if let Some(folder) = idle {
            folder
        } else {
            let folder = new_folder()?;
            snapshot::copy(original.folder.path(), &original.listing, folder.path())?;
            folder
        };
        // The box must see the path under which Python finds the files.
        let path =
            fs::canonicalize(folder.path()).map_err(RepositoryError::io("find", folder.path()))?;
        Ok(LentTree {
            pool: self,
            original,
            folder: Some(folder),
            path,
            replaced: None,
        })
    }

    /// Removes a hidden file from the copies that are not lent, so that later runs do not find it.
    pub(crate) fn remove_hidden(&self, name: &str) -> Result<(), RepositoryError> {
        for folder in lock(&self.idle).iter() {
            let path = folder.path().join(name);
            if path.is_file() {
                fs::remove_file(&path).map_err(RepositoryError::io("remove", path))?;
            }
        }
        Ok(())
    }

    /// Returns the copy that never changes.
    pub(crate) fn original(&self) -> Result<Arc<Original>, RepositoryError> {
        let mut made = lock(&self.original);
        if let Some(original) = &*made {
            return Ok(Arc::clone(original));
        }
        let listing = Listing::of(&self.root)?;
        let folder = new_folder()?;
        let sha256 = snapshot::copy(&self.root, &listing, folder.path())?;
        if self.sha256.as_ref().is_some_and(|known| *known != sha256) {
            return Err(RepositoryError::Changed {
                root: self.root.clone(),
            });
        }
        let original = Arc::new(Original {
            roots: ImportRoots::of(&listing),
            folder,
            listing,
            sha256,
        });
        *made = Some(Arc::clone(&original));
        Ok(original)
    }
}

impl LentTree<'_> {
    /// Returns the folder of the copy.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn original(&self) -> &Original {
        &self.original
    }

    /// Replaces the text of a file until the copy is returned.
    pub(crate) fn replace(&mut self, file: &str, text: &str) -> Result<(), RepositoryError> {
        self.restore()?;
        let path = self.path.join(file);
        self.replaced = Some(file.to_owned());
        fs::write(&path, text).map_err(RepositoryError::io("write", path))
    }

    /// Writes a hidden file, which no listing contains, unless the copy has it since an earlier loan.
    pub(crate) fn add_hidden(&self, name: &str, text: &str) -> Result<(), RepositoryError> {
        let path = self.path.join(name);
        if path.is_file() {
            return Ok(());
        }
        let written = create(&self.path, name)?.write_all(text.as_bytes());
        written.map_err(RepositoryError::io("write", path))
    }

    /// Restores the text of the replaced file.
    pub(crate) fn restore(&mut self) -> Result<(), RepositoryError> {
        if let Some(file) = &self.replaced {
            let path = self.path.join(file);
            let content = fs::read(self.original.file(file))
                .map_err(RepositoryError::io("read", self.original.file(file)))?;
            fs::write(&path, content).map_err(RepositoryError::io("write", path))?;
            self.replaced = None;
        }
        Ok(())
    }
}

impl Drop for LentTree<'_> {
    fn drop(&mut self) {
        // A copy that cannot be restored is removed.
        if self.restore().is_ok()
            && let Some(folder) = self.folder.take()
        {
            lock(&self.pool.idle).push(folder);
        }
    }
}

/// Pools by root and identity, for the tasks of several files.
#[derive(Debug, Default)]
pub struct TreePools(Mutex<BTreeMap<(PathBuf, String), Arc<TreePool>>>);

impl TreePools {
    /// Creates an empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls `use_pool` with the pool of a repository, which is made on first use.
    pub fn with<R>(&self, root: &Path, sha256: &str, use_pool: impl FnOnce(&TreePool) -> R) -> R {
        let key = (root.to_owned(), sha256.to_owned());
        let new = || Arc::new(TreePool::new(root.to_owned(), Some(sha256.to_owned())));
        let pool = Arc::clone(lock(&self.0).entry(key).or_insert_with(new));
        use_pool(&pool)
    }
}

fn new_folder() -> Result<TempDir, RepositoryError> {
    tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}-", std::process::id()))
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .map_err(RepositoryError::io(
            "make a folder in",
            std::env::temp_dir(),
        ))
}

/// The values are consistent at every moment, so a panic elsewhere leaves them usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_are_no_part_of_the_identity_and_can_be_removed() {
        let root = tempfile::tempdir().expect("a folder");
        fs::write(root.path().join("a.py"), "").expect("a file");
        let pool = TreePool::new(root.path().to_owned(), None);
        let tree = pool.lend().expect("a copy");
        tree.add_hidden(".x", "1").expect("a file");
        tree.add_hidden(".x", "2").expect("a file");
        let path = tree.path().join(".x");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "1");
        let listing = Listing::of(tree.path()).expect("a listing");
        assert_eq!(listing.files, ["a.py"]);
        drop(tree);
        pool.remove_hidden(".x").expect("removed");
        assert!(!path.exists());
    }
}
