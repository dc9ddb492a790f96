//! The folders from which a repository's modules are imported.

use std::collections::BTreeSet;

use crate::files::Listing;

/// Import roots of a repository, as paths below its folder; the folder itself is the empty path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ImportRoots {
    /// The repository's folder, and the folders that contain its packages (`src/`): they precede the module path.
    pub(crate) first: Vec<String>,
    /// Folders with single modules. They precede installed packages, but follow the standard library, whose modules
    /// a script such as `examples/random.py` must not hide.
    pub(crate) loose: Vec<String>,
}

impl ImportRoots {
    pub(crate) fn of(listing: &Listing) -> Self {
        let mut first = BTreeSet::from([String::new()]);
        let mut loose = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for file in listing.python() {
            let folder = folder_of(file);
            if !seen.insert(folder) {
                continue;
            }
            let mut root = folder;
            while !root.is_empty() && listing.contains(&format!("{root}/__init__.py")) {
                root = folder_of(root);
            }
            if root == folder {
                loose.insert(root.to_owned());
            } else {
                first.insert(root.to_owned());
            }
        }
        let loose = loose.difference(&first).cloned().collect();
        Self {
            first: first.into_iter().collect(),
            loose,
        }
    }
}

/// Returns the folder of a path with `/`, without a slash at its end.
fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_imported_from_the_folder_that_contains_them() {
        let files = [
            "examples/random.py",
            "setup.py",
            "src/pkg/__init__.py",
            "src/pkg/sub/__init__.py",
            "src/pkg/sub/a.py",
            "tests/test_a.py",
        ];
        let roots = ImportRoots::of(&Listing {
            files: files.map(str::to_owned).to_vec(),
            ..Listing::default()
        });
        assert_eq!(roots.first, ["", "src"]);
        assert_eq!(roots.loose, ["examples", "tests"]);
    }
}
