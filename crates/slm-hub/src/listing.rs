//! Listing of a repository's files at one commit, with their expected sizes and hashes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hash::ContentId;
use crate::name::{is_commit, is_inside};

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Path in the repository.
    pub(crate) path: String,
    /// Size, if the server states it.
    pub(crate) bytes: Option<u64>,
    /// Hash of the content, if the server states it.
    pub(crate) content: Option<ContentId>,
    /// git's blob hash; for a file in large-file storage, that of the pointer file.
    blob_id: Option<String>,
}

impl Entry {
    /// Creates an entry for a file in the cache folder, without its git hash.
    pub(crate) fn found(path: String, bytes: u64, content: Option<ContentId>) -> Self {
        Self {
            path,
            bytes: Some(bytes),
            content,
            blob_id: None,
        }
    }
}

/// The files of a repository at one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The commit hash, 40 hexadecimal digits.
    pub(crate) commit: String,
    /// Sorted by path.
    pub(crate) files: Vec<Entry>,
}

impl Listing {
    pub(crate) fn new(commit: String, mut files: Vec<Entry>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { commit, files }
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Entry> {
        self.files.iter().find(|entry| entry.path == path)
    }

    /// Returns the paths in order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|entry| entry.path.as_str())
    }

    /// Parses the hub's response for a repository, requested with `blobs=true`.
    ///
    /// # Errors
    /// A description of the missing field, or of a path that would leave the cache folder.
    pub(crate) fn from_api(value: Value) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Info {
            sha: String,
            siblings: Vec<Sibling>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Sibling {
            rfilename: String,
            size: Option<u64>,
            blob_id: Option<String>,
            lfs: Option<Lfs>,
        }
        #[derive(Deserialize)]
        struct Lfs {
            sha256: String,
            size: u64,
        }
        let info: Info =
            serde_json::from_value(value).map_err(|error| format!("no list of files: {error}"))?;
        if !is_commit(&info.sha) {
            return Err(format!("{:?} is not a commit", info.sha));
        }
        let mut files = Vec::with_capacity(info.siblings.len());
        for sibling in info.siblings {
            let path = sibling.rfilename;
            if !is_inside(&path) {
                return Err(format!("{path:?} is not a valid path of a file"));
            }
            let blob_id = sibling.blob_id.filter(|id| is_commit(id));
            let (bytes, content) = match sibling.lfs {
                Some(lfs) => (Some(lfs.size), ContentId::parse(&lfs.sha256)),
                None => (sibling.size, blob_id.clone().map(ContentId::Git)),
            };
            files.push(Entry {
                path,
                bytes,
                content,
                blob_id,
            });
        }
        Ok(Self::new(info.sha, files))
    }

    /// Serializes to `trees/COMMIT.json` of the shared folder; `None` if the server did not state all sizes and hashes.
    pub(crate) fn to_tree(&self) -> Option<Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in &self.files {
            let sha256 = match &entry.content {
                Some(ContentId::Sha256(hex)) => Some(hex.clone()),
                _ => None,
            };
            let item = TreeFile {
                size: entry.bytes?,
                blob_id: entry.blob_id.clone()?,
                lfs_size: sha256.is_some().then_some(entry.bytes?),
                lfs_sha256: sha256,
            };
            files.insert(entry.path.clone(), item);
        }
        let tree = Tree {
            format_version: TREE_VERSION,
            files,
        };
        serde_json::to_vec_pretty(&tree).ok()
    }

    /// Parses such a document; `None` if it is damaged or has another version.
    pub(crate) fn from_tree(commit: &str, bytes: &[u8]) -> Option<Self> {
        let tree: Tree = serde_json::from_slice(bytes).ok()?;
        if tree.format_version != TREE_VERSION || !tree.files.keys().all(|path| is_inside(path)) {
            return None;
        }
        let files = tree.files.into_iter().map(|(path, file)| {
            let (bytes, content) = match file.lfs_sha256 {
                Some(sha256) => (
                    file.lfs_size.unwrap_or(file.size),
                    ContentId::parse(&sha256),
                ),
                None => (file.size, ContentId::parse(&file.blob_id)),
            };
            Entry {
                path,
                bytes: Some(bytes),
                content,
                blob_id: Some(file.blob_id),
            }
        });
        Some(Self::new(commit.to_owned(), files.collect()))
    }
}

/// Version of `trees/COMMIT.json`, the same as the Python client's.
const TREE_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Tree {
    format_version: u32,
    files: BTreeMap<String, TreeFile>,
}

#[derive(Serialize, Deserialize)]
struct TreeFile {
    size: u64,
    blob_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lfs_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lfs_size: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn info() -> Value {
        json!({
            "id": "a/b",
            "sha": "c".repeat(40),
            "siblings": [
                {"rfilename": "w.safetensors", "size": 5, "blobId": "1".repeat(40),
                 "lfs": {"sha256": "2".repeat(64), "size": 5, "pointerSize": 130}},
                {"rfilename": "config.json", "size": 3, "blobId": "3".repeat(40)},
            ],
        })
    }

    #[test]
    fn a_listing_survives_the_shared_folder() {
        let listing = Listing::from_api(info()).expect("a listing");
        assert_eq!(
            listing.paths().collect::<Vec<_>>(),
            ["config.json", "w.safetensors"]
        );
        let large = listing.get("w.safetensors").expect("listed");
        assert_eq!(large.content, Some(ContentId::Sha256("2".repeat(64))));
        let tree = listing.to_tree().expect("complete");
        assert_eq!(Listing::from_tree(&listing.commit, &tree), Some(listing));
    }

    #[test]
    fn a_server_that_tells_no_hashes_gives_a_listing_without_them() {
        let value = json!({"sha": "c".repeat(40), "siblings": [{"rfilename": "a"}]});
        let listing = Listing::from_api(value).expect("a listing");
        assert_eq!(listing.files[0].content, None);
        assert_eq!(listing.to_tree(), None);
    }

    #[test]
    fn what_would_lead_out_of_the_folder_is_refused() {
        for path in [
            "../x",
            "/etc/passwd",
            "a/../../x",
            "a\\b",
            "",
            "a//b",
            "./a",
        ] {
            let mut value = info();
            value["siblings"][0]["rfilename"] = path.into();
            let problem = Listing::from_api(value).expect_err(path);
            assert!(problem.contains("not a valid path of a file"), "{problem}");
        }
        let mut value = info();
        value["sha"] = "../../x".into();
        assert!(Listing::from_api(value).is_err());
        assert!(Listing::from_api(json!({"error": "x"})).is_err());
        let tree = br#"{"format_version": 1, "files": {"../x": {"size": 1, "blob_id": "a"}}}"#;
        assert_eq!(Listing::from_tree("c", tree), None);
        assert_eq!(
            Listing::from_tree("c", br#"{"format_version": 2, "files": {}}"#),
            None
        );
    }
}
