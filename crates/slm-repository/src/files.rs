//! The files of a repository: which of them count, and their kinds.

use std::fs;
use std::path::Path;

use ignore::{DirEntry, WalkBuilder};
use slm_artifacts::is_made_by_a_tool;

use crate::error::RepositoryError;

/// Maximum bytes of a file that is copied.
const MOST_FILE_BYTES: u64 = 10 << 20;
/// Maximum bytes of all files that are copied.
const MOST_BYTES: u64 = 1 << 30;
/// Lines of a file in which a note about a generator is looked for.
const NOTE_LINES: usize = 8;

/// Folders that contain no source of the repository.
const FOREIGN: [&str; 4] = [
    "node_modules",
    "__pycache__",
    "site-packages",
    "__pypackages__",
];
/// Folders directly in the root to which training and evaluation write, unless they are packages.
const WRITTEN: [&str; 2] = ["checkpoints", "reports"];

/// The files of a repository that count, by path. Contents are never kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Paths below the root, with `/`, sorted.
    pub files: Vec<String>,
    /// Number of files left out because they are larger than 10 MiB.
    pub too_large: usize,
    /// Number of files left out because their path is not UTF-8.
    pub odd_names: usize,
}

impl Listing {
    /// Lists the files of a folder: neither hidden nor named by .gitignore, no symbolic links, virtual environments,
    /// caches and build outputs, nor the folders `checkpoints` and `reports` directly in the root, to which training and
    /// evaluation write, unless they are packages. The same on every machine: settings of git outside the folder do not matter.
    ///
    /// # Errors
    /// The folder is missing, a folder cannot be read, or the files are too large.
    pub fn of(root: &Path) -> Result<Self, RepositoryError> {
        if !root.is_dir() {
            return Err(RepositoryError::NoFolder {
                root: root.to_owned(),
            });
        }
        let walk = WalkBuilder::new(root)
            .parents(false)
            .git_global(false)
            .git_exclude(false)
            .require_git(false)
            .ignore(false)
            .follow_links(false)
            .filter_entry(is_own)
            .build();
        let mut listing = Self::default();
        let mut bytes = 0;
        for entry in walk {
            let entry = entry?;
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let Some(path) = relative(root, entry.path()) else {
                listing.odd_names += 1;
                continue;
            };
            let length = entry.metadata()?.len();
            if length > MOST_FILE_BYTES {
                listing.too_large += 1;
                continue;
            }
            bytes += length;
            listing.files.push(path);
        }
        if bytes > MOST_BYTES {
            return Err(RepositoryError::TooLarge {
                root: root.to_owned(),
                bytes,
                most: MOST_BYTES,
            });
        }
        listing.files.sort_unstable();
        Ok(listing)
    }

    /// Returns the Python files, in order.
    pub fn python(&self) -> impl Iterator<Item = &str> {
        let files = self.files.iter().map(String::as_str);
        files.filter(|file| has_ending(file, "py"))
    }

    /// Returns the files that [`identity`](crate::identity) covers, in order.
    pub(crate) fn identifying(&self) -> impl Iterator<Item = &str> {
        let files = self.files.iter().map(String::as_str);
        files.filter(|file| is_identifying(file))
    }

    /// Returns whether the listing has a file of this path.
    pub fn contains(&self, path: &str) -> bool {
        self.files
            .binary_search_by(|file| file.as_str().cmp(path))
            .is_ok()
    }

    /// Returns whether Python imports a compiled module in place of this file.
    pub(crate) fn is_compiled(&self, file: &str) -> bool {
        let Some(stem) = file.strip_suffix(".py") else {
            return false;
        };
        let beginning = format!("{stem}.");
        let first = self
            .files
            .partition_point(|other| other.as_str() < beginning.as_str());
        self.files[first..]
            .iter()
            .take_while(|other| other.starts_with(&beginning))
            .any(|other| has_ending(other, "so") || has_ending(other, "pyd"))
    }
}

/// Returns whether a file belongs to the identity of a repository: whether it is Python code.
pub(crate) fn is_identifying(file: &str) -> bool {
    has_ending(file, "py") || has_ending(file, "pyi")
}

/// Returns whether a path has an ending, as Python compares them: with upper and lower case.
fn has_ending(file: &str, ending: &str) -> bool {
    Path::new(file)
        .extension()
        .is_some_and(|found| found == ending)
}

/// Returns whether an entry of the walk may be a file of the repository, or contain one.
fn is_own(entry: &DirEntry) -> bool {
    if entry.depth() == 0 || !entry.file_type().is_some_and(|kind| kind.is_dir()) {
        return true;
    }
    let name = entry.file_name();
    let is = |names: &[&str]| names.iter().any(|other| name == *other);
    let has = |file: &str| fs::symlink_metadata(entry.path().join(file)).is_ok();
    let is_written = entry.depth() == 1 && is(&WRITTEN) && !has("__init__.py");
    !(is(&FOREIGN) || is_made_by_a_tool(entry.path()) || is_written)
}

fn relative(root: &Path, path: &Path) -> Option<String> {
    let parts = path.strip_prefix(root).ok()?.components();
    let parts: Option<Vec<&str>> = parts.map(|part| part.as_os_str().to_str()).collect();
    // A line end in a name would break ids.
    parts
        .map(|parts| parts.join("/"))
        .filter(|path| !path.contains(char::is_control))
}

/// The text of a file. Tests count how many are in memory at one time.
#[derive(Debug)]
pub(crate) struct FileText(String);

impl std::ops::Deref for FileText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl FileText {
    fn new(text: String) -> Self {
        #[cfg(test)]
        held::add();
        Self(text)
    }
}

#[cfg(test)]
impl Drop for FileText {
    fn drop(&mut self) {
        held::remove();
    }
}

/// The number of texts that the current thread holds.
#[cfg(test)]
pub(crate) mod held {
    use std::cell::Cell;

    thread_local! {
        static NOW: Cell<usize> = const { Cell::new(0) };
        static MOST: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn add() {
        NOW.set(NOW.get() + 1);
        MOST.set(MOST.get().max(NOW.get()));
    }

    pub(super) fn remove() {
        NOW.set(NOW.get() - 1);
    }

    /// Returns the largest number at one time.
    pub(crate) fn most() -> usize {
        MOST.get()
    }
}

/// Returns the text of a Python file in UTF-8, without a byte order mark; `None` in another encoding.
pub(crate) fn text_of(path: &Path) -> Result<Option<FileText>, RepositoryError> {
    let bytes = fs::read(path).map_err(RepositoryError::io("read", path))?;
    let text = String::from_utf8(bytes).ok();
    Ok(text.map(|text| {
        FileText::new(match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        })
    }))
}

/// Returns whether a file belongs to the tests, by its path.
pub(crate) fn is_of_tests(file: &str) -> bool {
    let (folders, name) = file.rsplit_once('/').unwrap_or(("", file));
    let is_folder = |name: &str| matches!(name, "test" | "tests" | "testing");
    let is_below = |folder: &str| matches!(folder, "test" | "tests");
    name == "conftest.py"
        || name.starts_with("test_")
        || name.ends_with("_test.py")
        || is_folder(name.trim_end_matches(".py")) && folders.is_empty()
        || folders.split('/').any(is_below)
}

/// Returns whether a file of the tests may define some: by its name, or by a word in its text.
pub(crate) fn may_define_tests(file: &str, text: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    name != "conftest.py"
        && (name.starts_with("test_")
            || name.ends_with("_test.py")
            || text.contains("def test")
            || text.contains("TestCase"))
}

/// Returns whether a file declares in its first lines that a program wrote it.
pub(crate) fn is_generated(text: &str) -> bool {
    text.lines().take(NOTE_LINES).any(|line| {
        let line = line.to_lowercase();
        line.trim_start().starts_with('#')
            && ["@generated", "do not edit", "generated by"]
                .iter()
                .any(|note| line.contains(note))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_tests_are_known_by_their_paths() {
        for (file, expected) in [
            ("tests/test_a.py", true),
            ("a/tests/data.py", true),
            ("test_a.py", true),
            ("a/b_test.py", true),
            ("conftest.py", true),
            ("test.py", true),
            ("a/test.py", false),
            ("a/contest.py", false),
            ("testing/a.py", false),
            ("latest/a.py", false),
        ] {
            assert_eq!(is_of_tests(file), expected, "{file}");
        }
    }

    #[test]
    fn a_compiled_module_replaces_a_file() {
        let files = [
            "a.cpython-311-x86_64-linux-gnu.so",
            "a.py",
            "ab.so",
            "b.py",
            "c/a.so",
        ];
        let mut listing = Listing {
            files: files.map(str::to_owned).to_vec(),
            ..Listing::default()
        };
        listing.files.sort_unstable();
        assert!(listing.is_compiled("a.py"));
        assert!(!listing.is_compiled("b.py"));
    }
}
