//! A repository at one commit: the addresses of its files, and their paths in the cache.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use hf_hub::Repo;
use slm_artifacts::{FileRecord, Kind, Provenance};

use crate::cache::RepoFolder;
use crate::error::HubError;
use crate::listing::Listing;
use crate::name::HubName;
use crate::response::Target;
use crate::settings::Settings;

/// Verified files on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The folder of the files, below which each has its path in the repository.
    pub folder: PathBuf,
    /// The repository, the commit and the files' hashes.
    pub provenance: Provenance,
    /// The number of bytes downloaded.
    pub downloaded_bytes: u64,
}

impl Fetched {
    /// Returns the files' paths, in the order of [`Provenance::files`].
    pub fn paths(&self) -> Vec<PathBuf> {
        let files = self.provenance.files.iter();
        files.map(|file| self.folder.join(&file.path)).collect()
    }
}

/// A repository at one commit.
pub(crate) struct Snapshot<'a> {
    endpoint: &'a str,
    repo: Repo,
    kind: Kind,
    pub(crate) name: &'a HubName,
    pub(crate) revision: &'a str,
    pub(crate) folder: RepoFolder,
    pub(crate) listing: Listing,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(
        settings: &'a Settings,
        kind: Kind,
        name: &'a HubName,
        revision: &'a str,
        listing: Listing,
    ) -> Self {
        let repo = name.repo_at(kind, revision);
        Self {
            endpoint: settings.endpoint.trim_end_matches('/'),
            folder: RepoFolder::new(&settings.cache_dir, repo.clone()),
            repo,
            kind,
            name,
            revision,
            listing,
        }
    }

    /// Returns the subject of a request: a file, or the repository as a whole.
    pub(crate) fn target<'f>(&self, file: Option<&'f str>) -> Target<'f>
    where
        'a: 'f,
    {
        Target {
            kind: self.kind,
            repository: &self.name.repository,
            revision: self.revision,
            file,
            page: format!("{}/{}", self.endpoint, self.repo.url()),
        }
    }

    /// Returns the address of the list of files, with their hashes.
    pub(crate) fn listing_url(&self) -> String {
        format!("{}/api/{}?blobs=true", self.endpoint, self.repo.api_url())
    }

    /// Returns the address of a file at the commit: a branch may move during the download.
    pub(crate) fn file_url(&self, path: &str) -> String {
        let (repo, commit) = (self.repo.url(), &self.listing.commit);
        format!("{}/{repo}/resolve/{commit}/{}", self.endpoint, quoted(path))
    }

    pub(crate) fn no_file(&self, path: &str) -> HubError {
        HubError::NoFile {
            repository: self.name.repository.clone(),
            file: path.to_owned(),
            candidates: self.listing.paths().map(str::to_owned).collect(),
        }
    }

    /// Combines the fetched files into the result.
    pub(crate) fn finish(self, fetched: Vec<FetchedFile>) -> Fetched {
        let downloaded_bytes = fetched.iter().map(|file| file.downloaded_bytes).sum();
        Fetched {
            folder: self.folder.snapshot(&self.listing.commit),
            provenance: Provenance {
                kind: self.kind,
                repository: self.name.repository.clone(),
                revision: self.revision.to_owned(),
                commit: self.listing.commit,
                files: fetched.into_iter().map(|file| file.record).collect(),
            },
            downloaded_bytes,
        }
    }
}

/// Percent-encodes a path for an address.
fn quoted(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
        if is_plain {
            text.push(byte as char);
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// A verified file in the cache.
pub(crate) struct FetchedFile {
    record: FileRecord,
    downloaded_bytes: u64,
}

impl FetchedFile {
    pub(crate) fn new(
        path: &str,
        pointer: &Path,
        sha256: String,
        downloaded_bytes: u64,
        settings: &Settings,
    ) -> Result<Self, HubError> {
        let metadata = pointer
            .metadata()
            .map_err(|error| HubError::cache(&settings.cache_dir, pointer, error))?;
        Ok(Self {
            record: FileRecord {
                path: path.to_owned(),
                bytes: metadata.len(),
                sha256,
            },
            downloaded_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_addresses() {
        assert_eq!(quoted("a/b c#é.json"), "a/b%20c%23%C3%A9.json");
    }

    #[test]
    fn addresses_are_those_of_the_hub() {
        let name = HubName::parse("hf:a/b@refs/convert/parquet")
            .expect("hf:")
            .expect("a name");
        let settings = Settings {
            endpoint: "https://hub.example/".to_owned(),
            cache_dir: "cache".into(),
            notes_dir: "notes".into(),
            token: None,
            offline: false,
            timeout: std::time::Duration::from_secs(1),
            first_wait: std::time::Duration::from_secs(1),
        };
        let listing = Listing::new("c0".to_owned(), Vec::new());
        let snapshot = Snapshot::new(&settings, Kind::Dataset, &name, name.revision(), listing);
        assert_eq!(
            snapshot.listing_url(),
            "https://hub.example/api/datasets/a/b/revision/refs%2Fconvert%2Fparquet?blobs=true"
        );
        assert_eq!(
            snapshot.file_url("default/train/0000.parquet"),
            "https://hub.example/datasets/a/b/resolve/c0/default/train/0000.parquet"
        );
        assert_eq!(
            snapshot.target(None).page,
            "https://hub.example/datasets/a/b"
        );
    }
}
