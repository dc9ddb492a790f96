//! The files below a folder, and those that match a pattern.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use ignore::{DirEntry, WalkBuilder};

use crate::error::RetrievalError;
use crate::spelling::nearest;

/// Folders that contain no source of the project.
const FOREIGN: [&str; 4] = [
    "node_modules",
    "__pycache__",
    "site-packages",
    "__pypackages__",
];

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundFile {
    pub(super) path: PathBuf,
    /// The path below the folder from which the search started, with `/`.
    pub(super) below: String,
    pub(super) is_link: bool,
}

/// Which files of a project are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// Neither hidden ones nor those that .gitignore names, nor those of virtual environments and caches.
    Project,
    /// All but hidden ones and caches: an installed package is usually inside an ignored folder.
    Package,
}

/// Returns the files below a folder by path. Links are found and not followed.
pub(super) fn files_below(folder: &Path, rules: Rules) -> Result<Vec<FoundFile>, RetrievalError> {
    let mut walk = WalkBuilder::new(folder);
    walk.standard_filters(false)
        .hidden(true)
        .follow_links(false)
        .filter_entry(is_own);
    if rules == Rules::Project {
        walk.git_ignore(true).parents(true).require_git(false);
    }
    let mut files = Vec::new();
    for entry in walk.build() {
        let entry = entry.map_err(|error| unreadable(folder, error))?;
        let kind = entry.file_type();
        let is_link = kind.is_some_and(|kind| kind.is_symlink());
        // The folder itself may be a link that the user named.
        let is_inside = entry.depth() > 0;
        if is_inside && (is_link || kind.is_some_and(|kind| kind.is_file())) {
            files.push(FoundFile {
                below: slashed(entry.path().strip_prefix(folder).unwrap_or(entry.path())),
                path: entry.into_path(),
                is_link,
            });
        }
    }
    files.sort_by(|a, b| a.below.cmp(&b.below));
    Ok(files)
}

fn is_own(entry: &DirEntry) -> bool {
    let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
    let name = entry.file_name().to_str().unwrap_or_default();
    entry.depth() == 0
        || !is_folder
        || !(FOREIGN.contains(&name) || entry.path().join("pyvenv.cfg").exists())
}

fn unreadable(folder: &Path, error: ignore::Error) -> RetrievalError {
    let message = error.to_string();
    RetrievalError::Read {
        path: folder.to_owned(),
        cause: error
            .into_io_error()
            .unwrap_or_else(|| io::Error::other(message)),
    }
}

/// A pattern of paths, split into the folder from which it starts and the rest.
pub(super) struct Pattern {
    pub(super) folder: PathBuf,
    matcher: GlobMatcher,
}

impl Pattern {
    /// Reads a pattern; `None` if it has none of `*`, `?`, `[` and `{`.
    pub(super) fn of(pattern: &str, root: &Path) -> Result<Option<Self>, RetrievalError> {
        let is_open = |part: &str| part.contains(['*', '?', '[', '{']);
        if !is_open(pattern) {
            return Ok(None);
        }
        let parts: Vec<&str> = pattern.split('/').collect();
        let n_literal = parts.iter().take_while(|part| !is_open(part)).count();
        let folder = parts[..n_literal].join("/");
        let folder = if n_literal == 1 && folder.is_empty() {
            PathBuf::from("/")
        } else {
            plain(&root.join(folder))
        };
        let rest = parts[n_literal..].join("/");
        let glob = GlobBuilder::new(&rest).literal_separator(true).build();
        let glob = glob.map_err(|error| RetrievalError::BadPattern {
            pattern: pattern.to_owned(),
            problem: error.kind().to_string(),
        })?;
        Ok(Some(Self {
            folder,
            matcher: glob.compile_matcher(),
        }))
    }

    pub(super) fn matches(&self, file: &FoundFile) -> bool {
        self.matcher.is_match(&file.below)
    }
}

/// Returns a path without `.` and `..`, which are resolved by their text.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// Returns a path as text with `/`.
pub(super) fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// Returns the error for a path that does not exist, with the entry of its folder that was probably meant.
pub(super) fn no_such_path(path: &Path, given: &str, root: &Path) -> RetrievalError {
    let parent = path.parent().map(Path::to_owned).unwrap_or_default();
    let name = path.file_name().map(|name| name.to_string_lossy());
    let entries = fs::read_dir(&parent).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let meant = nearest(&name.unwrap_or_default(), &names);
    let beside = |name: &str| slashed(&Path::new(given).with_file_name(name));
    RetrievalError::NoSuchPath {
        path: PathBuf::from(given),
        root: root.to_owned(),
        meant: meant.map(beside),
    }
}
