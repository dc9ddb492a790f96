//! The shared cache folder of a repository: blobs by hash, snapshots of links to them, refs, listings, locks.
//!
//! ```text
//! models--OWNER--NAME/blobs/HASH                   the bytes
//! models--OWNER--NAME/snapshots/COMMIT/PATH        a relative link to a blob
//! models--OWNER--NAME/refs/REVISION                the commit that a branch or tag was
//! models--OWNER--NAME/trees/COMMIT.json            all files of a commit
//! .locks/models--OWNER--NAME/HASH.lock             held while a blob is downloaded
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo};
use slm_artifacts::{atomic_link, atomic_write, lock_file};

use crate::hash::ContentId;
use crate::listing::{Entry, Listing};
use crate::name::{is_commit, is_inside};

/// The folder of one repository.
pub(crate) struct RepoFolder {
    layout: CacheRepo,
    folder: PathBuf,
    locks: PathBuf,
}

impl RepoFolder {
    pub(crate) fn new(cache_dir: &Path, repo: Repo) -> Self {
        let name = repo.folder_name();
        Self {
            layout: Cache::new(cache_dir.to_owned()).repo(repo),
            folder: cache_dir.join(&name),
            locks: cache_dir.join(".locks").join(&name),
        }
    }

    /// Returns the commit of a revision, if it is in the cache.
    pub(crate) fn commit_of(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let text = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Records the commit of a revision.
    pub(crate) fn note_ref(&self, revision: &str, commit: &str) -> io::Result<()> {
        if revision == commit || self.commit_of(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        atomic_write(&self.folder.join("refs").join(revision), commit.as_bytes())
    }

    fn tree(&self, commit: &str) -> PathBuf {
        self.folder.join("trees").join(format!("{commit}.json"))
    }

    /// Returns all files of a commit, if they were listed before.
    pub(crate) fn listing(&self, commit: &str) -> Option<Listing> {
        Listing::from_tree(commit, &fs::read(self.tree(commit)).ok()?)
    }

    /// Records all files of a commit.
    pub(crate) fn note_listing(&self, listing: &Listing) -> io::Result<()> {
        let path = self.tree(&listing.commit);
        match listing.to_tree() {
            Some(tree) if !path.is_file() => atomic_write(&path, &tree),
            _ => Ok(()),
        }
    }

    /// Returns the files of a commit that are in the cache, which may not be all.
    pub(crate) fn snapshot_listing(&self, commit: &str) -> Option<Listing> {
        let root = self.layout.pointer_path(commit);
        let mut files = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).ok()? {
                let path = entry.ok()?.path();
                // Follows the link; one without its blob is not a file.
                let Ok(metadata) = path.metadata() else {
                    continue;
                };
                if metadata.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).ok()?.to_str()?;
                if is_inside(name) {
                    let content = Self::blob_of(&path);
                    files.push(Entry::found(name.to_owned(), metadata.len(), content));
                }
            }
        }
        (!files.is_empty()).then(|| Listing::new(commit.to_owned(), files))
    }

    /// Returns the hash in the name of the blob that a link points to.
    pub(crate) fn blob_of(pointer: &Path) -> Option<ContentId> {
        ContentId::parse(fs::read_link(pointer).ok()?.file_name()?.to_str()?)
    }

    /// Returns the folder of a commit's files.
    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.layout.pointer_path(commit)
    }

    /// Returns the path of the blob of this name.
    pub(crate) fn blob(&self, name: &str) -> PathBuf {
        self.layout.blob_path(name)
    }

    /// Makes a commit's file a link to a blob.
    pub(crate) fn link(&self, commit: &str, path: &str, blob: &str) -> io::Result<()> {
        let pointer = self.snapshot(commit).join(path);
        // From the file's folder up to that of the repository.
        let up = "../".repeat(2 + path.matches('/').count());
        let target = format!("{up}blobs/{blob}");
        if fs::read_link(&pointer).is_ok_and(|there| there == Path::new(&target)) {
            return Ok(());
        }
        atomic_link(&pointer, |part| match symlink(&target, part) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                // The file system does not support links.
                fs::copy(self.blob(blob), part).map(drop)
            }
            done => done,
        })
    }

    /// Waits until no other process, the Python client included, downloads this blob. The lock is held as long as the
    /// returned file, or until the process ends.
    pub(crate) fn lock(&self, blob: &str, waiting: &mut dyn FnMut()) -> io::Result<File> {
        lock_file(&self.locks.join(format!("{blob}.lock")), waiting)
    }
}

#[cfg(unix)]
fn symlink(target: &str, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_target: &str, _link: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns the path of the note on a blob's hash.
pub(crate) fn note_path(notes_dir: &Path, blob: &str) -> PathBuf {
    notes_dir.join(format!("{blob}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::HubName;
    use slm_artifacts::Kind;

    fn folder(root: &Path) -> RepoFolder {
        let name = HubName::bare("a/b").expect("a name");
        RepoFolder::new(root, name.repo_at(Kind::Dataset, "main"))
    }

    #[test]
    fn links_lead_to_blobs_from_any_depth() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = folder(root.path());
        let commit = "c".repeat(40);
        let blob = folder.blob(&"1".repeat(64));
        atomic_write(&blob, b"bytes").expect("writable");
        for path in ["a.json", "data/deep/b.parquet"] {
            folder.link(&commit, path, &"1".repeat(64)).expect("linked");
            let pointer = root
                .path()
                .join("datasets--a--b/snapshots")
                .join(&commit)
                .join(path);
            assert_eq!(fs::read(&pointer).expect("it leads there"), b"bytes");
        }
        let listing = folder.snapshot_listing(&commit).expect("two files");
        let paths: Vec<_> = listing.paths().collect();
        assert_eq!(paths, ["a.json", "data/deep/b.parquet"]);
        assert_eq!(
            listing.files[1].content,
            Some(ContentId::Sha256("1".repeat(64)))
        );
        fs::remove_file(&blob).expect("there");
        assert_eq!(folder.snapshot_listing(&commit), None);
    }

    #[test]
    fn a_branch_with_slashes_is_noted_and_found() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = folder(root.path());
        let commit = "c".repeat(40);
        assert_eq!(folder.commit_of("refs/convert/parquet"), None);
        folder
            .note_ref("refs/convert/parquet", &commit)
            .expect("noted");
        assert_eq!(
            folder.commit_of("refs/convert/parquet").as_ref(),
            Some(&commit)
        );
        assert_eq!(folder.commit_of(&commit).as_ref(), Some(&commit));
    }
}
