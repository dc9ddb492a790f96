//! From a name to files on this machine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cache::{Note, RepoFolder};
use crate::client::{Client, Method, no_hub};
use crate::download::{Wanted, download};
use crate::hash::{self, ContentId};
use crate::listing::{Entry, Listing};
use crate::name::{MAIN, is_commit};
use crate::source::{Brought, Source};
use crate::{HubError, HubName, Kind, Provenance, Settings, data_files, model_files};

/// The branch in which the hub keeps data sets converted to parquet.
const CONVERTED: &str = "refs/convert/parquet";

/// What a fetch is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress<'a> {
    /// Another process is bringing the same file.
    Waiting {
        /// The file.
        file: &'a str,
    },
    /// A file is coming.
    Downloading {
        /// The file.
        file: &'a str,
        /// Bytes that are here.
        bytes: u64,
        /// Its size, if known.
        total_bytes: Option<u64>,
    },
    /// A file that is here is being hashed.
    Verifying {
        /// The file.
        file: &'a str,
        /// Bytes so far.
        bytes: u64,
        /// Its size.
        total_bytes: u64,
    },
    /// A request failed and will be made again.
    Retrying {
        /// Why it failed, in one line.
        reason: &'a str,
        /// Number of the next try, from 2.
        attempt: u32,
        /// Tries in all.
        attempts: u32,
        /// Pause before it.
        wait: Duration,
    },
    /// The hub cannot be asked; what is here is used.
    FromCache {
        /// The repository.
        repository: &'a str,
        /// The commit that is here.
        commit: &'a str,
        /// Why the hub cannot be asked, in one line.
        reason: &'a str,
    },
}

/// Which of a model's files are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelParts {
    /// All that is needed to run it.
    All,
    /// Configuration, tokenizer and chat template: another machine runs it. A `.gguf` file has them within, and comes
    /// whole.
    WithoutWeights,
}

/// Files that are on this machine and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The folder that holds them, below which each has its path in the repository.
    pub folder: PathBuf,
    /// What they are.
    pub provenance: Provenance,
    /// Bytes that came over the network.
    pub downloaded_bytes: u64,
}

impl Fetched {
    /// The files' places, in the order of [`Provenance::files`].
    pub fn paths(&self) -> Vec<PathBuf> {
        let files = self.provenance.files.iter();
        files.map(|file| self.folder.join(&file.path)).collect()
    }
}

/// The hub, or what the settings name in its place.
pub struct Hub {
    client: Client,
}

impl Hub {
    /// Opens no connection yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            client: Client::new(settings),
        }
    }

    /// Brings what a model needs: its folder's configuration, tokenizer, chat template and safetensors; or the one
    /// `.gguf` file that the name names.
    ///
    /// # Errors
    /// Any [`HubError`]; files that are whole stay in the cache folder.
    pub fn fetch_model(
        &self,
        name: &HubName,
        parts: ModelParts,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, HubError> {
        let source = self.open(Kind::Model, name, progress)?;
        if let Some(file) = &name.file {
            let file = model_files::gguf(&source.listing, &name.repository, file)?;
            let brought = self.bring(&source, &file, progress)?;
            return Ok(source.finish(vec![brought]));
        }
        let mut brought = Vec::new();
        // The weights come last: who finds them here finds everything else.
        for file in model_files::small(&source.listing, &name.repository)? {
            brought.push(self.bring(&source, &file, progress)?);
        }
        for file in model_files::extra(&source.listing) {
            match self.bring(&source, file, progress) {
                // Not needed here, and other programs do not bring them all.
                Err(HubError::Offline { .. }) => {}
                file => brought.push(file?),
            }
        }
        if parts == ModelParts::WithoutWeights {
            return Ok(source.finish(brought));
        }
        let folder = source.folder.snapshot(&source.listing.commit);
        for file in model_files::weights(&source.listing, &name.repository, &folder)? {
            brought.push(self.bring(&source, &file, progress)?);
        }
        Ok(source.finish(brought))
    }

    /// Brings the data files of a data set, those that the name names or else those of its training part; for a
    /// repository without readable files, those that the hub has converted to parquet.
    ///
    /// `endings` are those of readable files.
    ///
    /// # Errors
    /// As [`Self::fetch_model`].
    pub fn fetch_dataset(
        &self,
        name: &HubName,
        endings: &[&str],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, HubError> {
        let source = self.open(Kind::Dataset, name, progress)?;
        let pattern = name.file.as_deref();
        let chosen = data_files::choose(&source.listing, &name.repository, pattern, endings)?;
        let (source, chosen) = match chosen {
            Some(chosen) => (source, chosen),
            None => self.converted(name, endings, progress)?,
        };
        let mut brought = Vec::new();
        for file in chosen {
            brought.push(self.bring(&source, &file, progress)?);
        }
        Ok(source.finish(brought))
    }

    /// As [`Self::fetch_dataset`] for what has to be one file.
    ///
    /// # Errors
    /// As [`Self::fetch_model`]; [`HubError::NoData`] if there are several.
    pub fn fetch_file(
        &self,
        name: &HubName,
        endings: &[&str],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, HubError> {
        let source = self.open(Kind::Dataset, name, progress)?;
        let file = data_files::single(&source.listing, name, endings)?;
        let brought = self.bring(&source, &file, progress)?;
        Ok(source.finish(vec![brought]))
    }

    /// What the hub has converted of a data set whose own files cannot be read.
    fn converted<'a>(
        &'a self,
        name: &'a HubName,
        endings: &[&str],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Source<'a>, Vec<String>), HubError> {
        let nothing = |problem: &str| HubError::NoData {
            repository: name.repository.clone(),
            problem: problem.to_owned(),
            candidates: Vec::new(),
        };
        // The conversion is of `main`; another state's data would be other data.
        if name.revision() != MAIN {
            return Err(nothing(
                "has no file that can be read here in this revision, and the hub's conversion \
                 to parquet is of another\nhint: @refs/convert/parquet names it",
            ));
        }
        let source = match self.open_revision(Kind::Dataset, name, CONVERTED, progress) {
            Err(HubError::NoRevision { .. }) => {
                return Err(nothing(
                    "has no file that can be read here, and the hub has not converted it to parquet",
                ));
            }
            other => other?,
        };
        let pattern = name.file.as_deref();
        let chosen = data_files::choose(&source.listing, &name.repository, pattern, endings)?
            .ok_or_else(|| nothing("has no file that can be read here"))?;
        Ok((source, chosen))
    }

    fn open<'a>(
        &'a self,
        kind: Kind,
        name: &'a HubName,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Source<'a>, HubError> {
        self.open_revision(kind, name, name.revision(), progress)
    }

    /// Finds out which commit a revision is, and which files it has.
    fn open_revision<'a>(
        &'a self,
        kind: Kind,
        name: &'a HubName,
        revision: &'a str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Source<'a>, HubError> {
        let settings = &self.client.settings;
        let folder = RepoFolder::new(&settings.cache_dir, name.repo_at(kind, revision));
        let source = |listing| Source::new(settings, kind, name, revision, listing);
        // A commit never changes.
        if is_commit(revision)
            && let Some(listing) = folder.listing(revision)
        {
            return Ok(source(listing));
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
            return Ok(source(here().ok_or_else(missing)?));
        }
        let unknown = source(Listing::new(String::new(), Vec::new()));
        let url = unknown.listing_url();
        match self.client.json(&url, &unknown.asked(None), progress) {
            Ok(value) => {
                let listing = Listing::from_api(value).map_err(|problem| no_hub(&url, &problem))?;
                if is_commit(revision) && listing.commit != revision {
                    let problem = format!("it names the commit {}", listing.commit);
                    return Err(no_hub(&url, &problem));
                }
                let noted = folder
                    .note_listing(&listing)
                    .and_then(|()| folder.note_ref(revision, &listing.commit));
                // A folder that may only be read serves as well, if everything is there.
                if let Err(error) = noted
                    && folder.listing(&listing.commit).is_none()
                    && folder.snapshot_listing(&listing.commit).is_none()
                {
                    let path = &settings.cache_dir;
                    return Err(HubError::cache(path, path, error));
                }
                Ok(source(listing))
            }
            Err(error) if error.leaves_the_cache() => match here() {
                Some(listing) => {
                    progress(Progress::FromCache {
                        repository: &name.repository,
                        commit: &listing.commit,
                        reason: &error.summary(),
                    });
                    Ok(source(listing))
                }
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Sees to it that a file is here and is what it should be.
    fn bring(
        &self,
        source: &Source,
        path: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Brought, HubError> {
        let settings = &self.client.settings;
        let entry = source
            .listing
            .get(path)
            .ok_or_else(|| source.no_file(path))?;
        let commit = &source.listing.commit;
        let folder = &source.folder;
        let pointer = folder.snapshot(commit).join(path);
        let (entry, name) = self.content_of(source, entry, &pointer, progress)?;
        let blob = folder.blob(&name);
        // Where links are not to be had, the file itself lies there.
        let place = if blob.is_file() { &blob } else { &pointer };
        if let Some(sha256) = self.check_here(source, &entry, &name, place, progress)? {
            if place == &blob {
                // Fails where the folder may only be read, and then matters if the link is not there.
                if let Err(error) = folder.link(commit, path, &name)
                    && !pointer.is_file()
                {
                    return Err(HubError::cache(&settings.cache_dir, &pointer, error));
                }
            }
            return Brought::new(path, &pointer, sha256, 0, settings);
        }
        if settings.offline {
            return Err(HubError::Offline {
                what: format!("{path} of {}@{}", source.name.repository, source.revision),
                cache_dir: settings.cache_dir.clone(),
            });
        }
        let failed = |path: &Path, error| HubError::cache(&settings.cache_dir, path, error);
        let blobs = blob.parent().unwrap_or(&settings.cache_dir);
        fs::create_dir_all(blobs).map_err(|error| failed(blobs, error))?;
        let _lock = folder
            .lock(&name, &mut || progress(Progress::Waiting { file: path }))
            .map_err(|error| failed(&blob, error))?;
        // Another process may have brought it while this one waited.
        let here = self.check_here(source, &entry, &name, &blob, progress)?;
        let (sha256, downloaded) = if let Some(sha256) = here {
            (sha256, 0)
        } else {
            let partial = blob.with_added_extension("incomplete");
            let before = partial.metadata().map_or(0, |metadata| metadata.len());
            let url = source.file_url(path);
            let wanted = Wanted {
                url: &url,
                asked: &source.asked(Some(path)),
                file: path,
                bytes: entry.bytes,
                content: entry.content.as_ref(),
            };
            let sha256 = download(&self.client, &wanted, &partial, progress)?;
            fs::rename(&partial, &blob)
                .and_then(|()| File::open(blobs)?.sync_all())
                .map_err(|error| failed(&blob, error))?;
            Note::write(&settings.notes_dir, &name, &blob, &sha256);
            let bytes = blob.metadata().map_or(0, |metadata| metadata.len());
            (sha256, bytes.saturating_sub(before))
        };
        folder
            .link(commit, path, &name)
            .map_err(|error| failed(&pointer, error))?;
        Brought::new(path, &pointer, sha256, downloaded, settings)
    }

    /// What a file's bytes have to be, and the name of its blob; asks the server where the listing does not say.
    fn content_of(
        &self,
        source: &Source,
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
            // Named by its commit and path, there being nothing else.
            let name = hash::sha256(format!("{}/{}", source.listing.commit, entry.path).as_bytes());
            return Ok((entry.clone(), name));
        }
        let url = source.file_url(&entry.path);
        let asked = source.asked(Some(&entry.path));
        let linked = self.client.again_and_again(progress, || {
            let answer = self.client.send(Method::Head, &url, &asked)?;
            Ok(answer.linked)
        })?;
        let Some(etag) = linked.etag.clone().filter(|etag| is_blob_name(etag)) else {
            return Err(no_hub(
                &url,
                "no entity tag, by which to know the file again",
            ));
        };
        let mut entry = entry.clone();
        entry.bytes = entry.bytes.or(linked.bytes);
        entry.content = linked.content();
        Ok((entry, etag))
    }

    /// SHA-256 of a file if it is here; `None` if it has to be brought.
    ///
    /// # Errors
    /// It is here and damaged, and offline there is no other.
    fn check_here(
        &self,
        source: &Source,
        entry: &Entry,
        name: &str,
        place: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<String>, HubError> {
        let settings = &self.client.settings;
        let Ok(metadata) = place.metadata() else {
            return Ok(None);
        };
        if let Some(sha256) = Note::read(&settings.notes_dir, name, place) {
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
            Some(ContentId::Git(_)) => hash::of_file(place, &mut report),
            _ => hash::sha256_of_file(place, &mut report).map(|sha256| (sha256, String::new())),
        };
        let (sha256, git) =
            hashes.map_err(|error| HubError::cache(&settings.cache_dir, place, error))?;
        let (algorithm, expected, found) = match &entry.content {
            Some(ContentId::Sha256(expected)) => ("SHA-256", expected, &sha256),
            Some(ContentId::Git(expected)) => ("SHA-1 of git", expected, &git),
            None => ("", &sha256, &sha256),
        };
        if expected == found {
            Note::write(&settings.notes_dir, name, place, &sha256);
            return Ok(Some(sha256));
        }
        if settings.offline {
            return Err(HubError::WrongHash {
                repository: source.name.repository.clone(),
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

/// Whether an entity tag can be the name of a file.
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
