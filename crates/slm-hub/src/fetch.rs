//! Fetches files of repositories: from a name to verified files on this machine.

use std::fs::{self, File};
use std::path::Path;

use slm_artifacts::{HashNote, Kind, publish, sha256, sha256_of_reader};

use crate::cache::{RepoFolder, note_path};
use crate::client::{Client, Method, no_hub};
use crate::download::{DownloadSpec, download};
use crate::error::HubError;
use crate::hash::{ContentId, sha256_and_git_blob};
use crate::listing::{Entry, Listing};
use crate::name::{HubName, MAIN, is_commit};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::snapshot::{Fetched, FetchedFile, Snapshot};
use crate::splits::Part;
use crate::{data_files, model_files};

/// The branch with the hub's conversion of data sets to parquet.
const CONVERTED: &str = "refs/convert/parquet";

/// The files of a model that are requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelParts {
    /// All files needed to run it.
    All,
    /// Configuration, tokenizer and chat template, for a model that runs on another machine. A `.gguf` file contains
    /// them, and is always fetched as a whole.
    WithoutWeights,
}

/// A client for the hub or mirror in the settings.
pub struct Hub {
    client: Client,
}

impl Hub {
    /// Creates a client; no connection is opened yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            client: Client::new(settings),
        }
    }

    /// Fetches the files that a model needs: configuration, tokenizer, chat template and safetensors; or the one
    /// `.gguf` file in the name.
    ///
    /// # Errors
    /// Any [`HubError`]; complete files stay in the cache folder.
    pub fn fetch_model(
        &self,
        name: &HubName,
        parts: ModelParts,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, HubError> {
        let snapshot = self.open(Kind::Model, name, progress)?;
        if let Some(file) = &name.file {
            let file = model_files::gguf(&snapshot.listing, &name.repository, file)?;
            let fetched = self.fetch_one(&snapshot, &file, progress)?;
            return Ok(snapshot.finish(vec![fetched]));
        }
        let mut fetched = Vec::new();
        // The weights are fetched last, so that their presence implies that of the other files.
        for file in model_files::small(&snapshot.listing, &name.repository)? {
            fetched.push(self.fetch_one(&snapshot, &file, progress)?);
        }
        for file in model_files::extra(&snapshot.listing) {
            match self.fetch_one(&snapshot, file, progress) {
                // Not needed here, and other programs do not download all of them.
                Err(HubError::Offline { .. }) => {}
                file => fetched.push(file?),
            }
        }
        if parts == ModelParts::WithoutWeights {
            return Ok(snapshot.finish(fetched));
        }
        let folder = snapshot.folder.snapshot(&snapshot.listing.commit);
        for file in model_files::weights(&snapshot.listing, &name.repository, &folder)? {
            fetched.push(self.fetch_one(&snapshot, &file, progress)?);
        }
        Ok(snapshot.finish(fetched))
    }

    /// Fetches the data files of a data set: those in the name, or else the training split; for a repository without
    /// readable files, the hub's conversion to parquet.
    ///
    /// `endings` are the endings of readable files.
    ///
    /// # Errors
    /// As [`Self::fetch_model`].
    pub fn fetch_dataset(
        &self,
        name: &HubName,
        part: Part<'_>,
        endings: &[&str],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, HubError> {
        let snapshot = self.open(Kind::Dataset, name, progress)?;
        let pattern = name.file.as_deref();
        let chosen =
            data_files::choose(&snapshot.listing, &name.repository, pattern, part, endings);
        let (snapshot, chosen) = match chosen {
            Ok(Some(chosen)) => (snapshot, chosen),
            Ok(None) => self.converted(name, part, endings, progress)?,
            // Only the conversion has a folder for each subset and split.
            Err(error @ HubError::NoData { .. })
                if part.is_named() && name.file.is_none() && name.revision() == MAIN =>
            {
                self.converted(name, part, endings, progress)
                    .map_err(|_| error)?
            }
            Err(error) => return Err(error),
        };
        let mut fetched = Vec::new();
        for file in chosen {
            fetched.push(self.fetch_one(&snapshot, &file, progress)?);
        }
        Ok(snapshot.finish(fetched))
    }

    /// Fetches a single data file.
    ///
    /// # Errors
    /// As [`Self::fetch_model`]; [`HubError::NoData`] if several files match.
    pub fn fetch_file(
        &self,
        name: &HubName,
        endings: &[&str],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, HubError> {
        let snapshot = self.open(Kind::Dataset, name, progress)?;
        let file = data_files::single(&snapshot.listing, name, endings)?;
        let fetched = self.fetch_one(&snapshot, &file, progress)?;
        Ok(snapshot.finish(vec![fetched]))
    }

    /// Selects files of the hub's parquet conversion, for a data set without readable files.
    fn converted<'a>(
        &'a self,
        name: &'a HubName,
        part: Part<'_>,
        endings: &[&str],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Snapshot<'a>, Vec<String>), HubError> {
        let nothing = |problem: &str| HubError::NoData {
            repository: name.repository.clone(),
            problem: problem.to_owned(),
            candidates: Vec::new(),
        };
        // The conversion is of `main`; another revision may have other data.
        if name.revision() != MAIN {
            return Err(nothing(
                "has no file that can be read here in this revision, and the hub's conversion \
                 to parquet is of another revision\nhint: select the conversion with @refs/convert/parquet",
            ));
        }
        let snapshot = match self.open_revision(Kind::Dataset, name, CONVERTED, progress) {
            Err(HubError::NoRevision { .. }) => {
                return Err(nothing(
                    "has no file that can be read here, and the hub has not converted it to parquet",
                ));
            }
            other => other?,
        };
        let pattern = name.file.as_deref();
        let chosen =
            data_files::choose(&snapshot.listing, &name.repository, pattern, part, endings)?
                .ok_or_else(|| nothing("has no file that can be read here"))?;
        Ok((snapshot, chosen))
    }

    fn open<'a>(
        &'a self,
        kind: Kind,
        name: &'a HubName,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Snapshot<'a>, HubError> {
        self.open_revision(kind, name, name.revision(), progress)
    }

    /// Finds the commit of a revision, and its files.
    fn open_revision<'a>(
        &'a self,
        kind: Kind,
        name: &'a HubName,
        revision: &'a str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Snapshot<'a>, HubError> {
        let settings = &self.client.settings;
        let folder = RepoFolder::new(&settings.cache_dir, name.repo_at(kind, revision));
        let snapshot = |listing| Snapshot::new(settings, kind, name, revision, listing);
        // The files of a commit never change.
        if is_commit(revision)
            && let Some(listing) = folder.listing(revision)
        {
            return Ok(snapshot(listing));
        }
        let here = || {
            let commit = folder.commit_of(revision)?;
            folder
                .listing(&commit)
                .or_else(|| folder.snapshot_listing(&commit))
        };
        let missing = || HubError::Offline {
            what: format!("{} {}@{revision}", kind.noun(), name.repository),
            cache_dir: settings.cache_dir.clone(),
        };
        if settings.offline {
            return Ok(snapshot(here().ok_or_else(missing)?));
        }
        let unknown = snapshot(Listing::new(String::new(), Vec::new()));
        let url = unknown.listing_url();
        match self.client.json(&url, &unknown.target(None), progress) {
            Ok(value) => {
                let listing = Listing::from_api(value).map_err(|problem| no_hub(&url, &problem))?;
                if is_commit(revision) && listing.commit != revision {
                    let problem = format!("it returned commit {}", listing.commit);
                    return Err(no_hub(&url, &problem));
                }
                let noted = folder
                    .note_listing(&listing)
                    .and_then(|()| folder.note_ref(revision, &listing.commit));
                // A read-only cache folder is sufficient if it already has the listing.
                if let Err(error) = noted
                    && folder.listing(&listing.commit).is_none()
                    && folder.snapshot_listing(&listing.commit).is_none()
                {
                    let path = &settings.cache_dir;
                    return Err(HubError::cache(path, path, error));
                }
                Ok(snapshot(listing))
            }
            Err(error) if error.leaves_the_cache() => match here() {
                Some(listing) => {
                    progress(Progress::FromCache {
                        repository: &name.repository,
                        commit: &listing.commit,
                        reason: &error.summary(),
                    });
                    Ok(snapshot(listing))
                }
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Fetches a file, unless the cache folder has it with the right hash.
    fn fetch_one(
        &self,
        snapshot: &Snapshot,
        path: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<FetchedFile, HubError> {
        let settings = &self.client.settings;
        let entry = snapshot
            .listing
            .get(path)
            .ok_or_else(|| snapshot.no_file(path))?;
        let commit = &snapshot.listing.commit;
        let folder = &snapshot.folder;
        let pointer = folder.snapshot(commit).join(path);
        let (entry, name) = self.content_of(snapshot, entry, &pointer, progress)?;
        let blob = folder.blob(&name);
        // On file systems without links, the snapshot has the file itself.
        let place = if blob.is_file() { &blob } else { &pointer };
        if let Some(sha256) = self.check_here(snapshot, &entry, &name, place, progress)? {
            if place == &blob {
                // Fails in a read-only cache folder, which only matters if the link is missing.
                if let Err(error) = folder.link(commit, path, &name)
                    && !pointer.is_file()
                {
                    return Err(HubError::cache(&settings.cache_dir, &pointer, error));
                }
            }
            return FetchedFile::new(path, &pointer, sha256, 0, settings);
        }
        if settings.offline {
            return Err(HubError::Offline {
                what: format!(
                    "{path} of {}@{}",
                    snapshot.name.repository, snapshot.revision
                ),
                cache_dir: settings.cache_dir.clone(),
            });
        }
        let failed = |path: &Path, error| HubError::cache(&settings.cache_dir, path, error);
        let blobs = blob.parent().unwrap_or(&settings.cache_dir);
        fs::create_dir_all(blobs).map_err(|error| failed(blobs, error))?;
        let _lock = folder
            .lock(&name, &mut || progress(Progress::Waiting { file: path }))
            .map_err(|error| failed(&blob, error))?;
        // Another process may have fetched it during the wait.
        let here = self.check_here(snapshot, &entry, &name, &blob, progress)?;
        let (sha256, downloaded) = if let Some(sha256) = here {
            (sha256, 0)
        } else {
            let partial = blob.with_added_extension("incomplete");
            let before = partial.metadata().map_or(0, |metadata| metadata.len());
            let url = snapshot.file_url(path);
            let spec = DownloadSpec {
                url: &url,
                target: &snapshot.target(Some(path)),
                file: path,
                bytes: entry.bytes,
                content: entry.content.as_ref(),
            };
            let sha256 = download(&self.client, &spec, &partial, progress)?;
            publish(&partial, &blob).map_err(|error| failed(&blob, error))?;
            note_hash(settings, &name, &blob, &sha256);
            let bytes = blob.metadata().map_or(0, |metadata| metadata.len());
            (sha256, bytes.saturating_sub(before))
        };
        folder
            .link(commit, path, &name)
            .map_err(|error| failed(&pointer, error))?;
        FetchedFile::new(path, &pointer, sha256, downloaded, settings)
    }

    /// Returns the expected content of a file and the name of its blob; requests the headers if the listing lacks the
    /// hash.
    fn content_of(
        &self,
        snapshot: &Snapshot,
        entry: &Entry,
        pointer: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Entry, String), HubError> {
        if let Some(content) = &entry.content {
            return Ok((entry.clone(), content.as_str().to_owned()));
        }
        if let Some(content) = RepoFolder::blob_of(pointer) {
            let name = content.as_str().to_owned();
            let mut entry = entry.clone();
            entry.content = Some(content);
            return Ok((entry, name));
        }
        if self.client.settings.offline || pointer.is_file() {
            // Without a hash, the blob is named by commit and path.
            let name = sha256(format!("{}/{}", snapshot.listing.commit, entry.path));
            return Ok((entry.clone(), name));
        }
        let url = snapshot.file_url(&entry.path);
        let target = snapshot.target(Some(&entry.path));
        let headers = self.client.with_retries(progress, || {
            let reply = self.client.send(Method::Head, &url, &target)?;
            Ok(reply.headers)
        })?;
        let Some(etag) = headers.etag.clone().filter(|etag| is_blob_name(etag)) else {
            return Err(no_hub(&url, "no entity tag to identify the file by"));
        };
        let mut entry = entry.clone();
        entry.bytes = entry.bytes.or(headers.bytes);
        entry.content = headers.content();
        Ok((entry, etag))
    }

    /// Verifies a cached file and returns its SHA-256; `None` if it has to be downloaded.
    ///
    /// # Errors
    /// The file is damaged, and cannot be downloaded again in offline mode.
    fn check_here(
        &self,
        snapshot: &Snapshot,
        entry: &Entry,
        name: &str,
        place: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<String>, HubError> {
        let settings = &self.client.settings;
        let Ok(metadata) = place.metadata() else {
            return Ok(None);
        };
        if let Some(sha256) = HashNote::verified(&note_path(&settings.notes_dir, name), place) {
            return Ok(Some(sha256));
        }
        let total_bytes = metadata.len();
        let mut report = |bytes| {
            progress(Progress::Verifying {
                file: &entry.path,
                bytes,
                total_bytes,
            });
        };
        let hashes = match &entry.content {
            Some(ContentId::Git(_)) => sha256_and_git_blob(place, &mut report),
            _ => File::open(place)
                .and_then(|mut file| sha256_of_reader(&mut file, &mut report))
                .map(|sha256| (sha256, String::new())),
        };
        let (sha256, git) =
            hashes.map_err(|error| HubError::cache(&settings.cache_dir, place, error))?;
        let (algorithm, expected, found) = match &entry.content {
            Some(ContentId::Sha256(expected)) => ("SHA-256", expected, &sha256),
            Some(ContentId::Git(expected)) => ("SHA-1 of git", expected, &git),
            None => ("", &sha256, &sha256),
        };
        if expected == found {
            note_hash(settings, name, place, &sha256);
            return Ok(Some(sha256));
        }
        if settings.offline {
            return Err(HubError::WrongHash {
                repository: snapshot.name.repository.clone(),
                file: entry.path.clone(),
                algorithm,
                expected: expected.clone(),
                found: found.clone(),
                hint: format!(
                    "{} is damaged; without HF_HUB_OFFLINE it is fetched again",
                    place.display()
                ),
            });
        }
        Ok(None)
    }
}

/// Records that a blob was verified. If this fails, it is hashed again the next time.
fn note_hash(settings: &Settings, name: &str, place: &Path, sha256: &str) {
    let _ = HashNote::write(&note_path(&settings.notes_dir, name), place, sha256);
}

/// Whether an entity tag is usable as a file name.
fn is_blob_name(etag: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (8..=128).contains(&etag.len()) && etag.chars().all(is_plain) && !etag.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_tag_names_a_blob() {
        assert!(is_blob_name("d41d8cd98f00b204e9800998ecf8427e-3"));
        for etag in ["", "short", "../../../etc/x", "a b c d e f", ".hidden-tag"] {
            assert!(!is_blob_name(etag), "{etag}");
        }
    }
}
