//! Which entries of a folder are a project's own source.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::Gitignore;

/// Folders of build outputs, unless they are packages.
const BUILT: [&str; 2] = ["build", "dist"];

/// Returns whether a folder is a virtual environment, or holds the outputs of a build.
pub fn is_made_by_a_tool(folder: &Path) -> bool {
    let has = |file: &str| folder.join(file).symlink_metadata().is_ok();
    let is_output = BUILT.iter().any(|name| folder.ends_with(name));
    has("pyvenv.cfg") || is_output && !has("__init__.py")
}

/// The rules of all `.gitignore` files that apply in one folder: its own and those above it in its repository.
///
/// Settings of git outside of the repository do not matter, so the rules are the same on every machine.
#[derive(Clone, Debug)]
pub struct GitIgnore {
    /// With the spelling of `files`.
    folder: PathBuf,
    /// From the outermost folder inwards.
    files: Vec<Arc<Gitignore>>,
}

impl GitIgnore {
    /// Returns the rules in a folder that a user has named. Rules above it do not apply if they exclude the folder itself.
    pub fn of(folder: &Path) -> Self {
        // A folder that cannot be resolved cannot be read either.
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let alone = || Self::default_in(folder.clone());
        let is_repository = |folder: &&Path| folder.join(".git").exists();
        let Some(top) = folder.ancestors().find(is_repository) else {
            return alone();
        };
        let mut rules = Self::default_in(top.to_owned());
        for name in folder.strip_prefix(top).unwrap_or(Path::new("")) {
            if rules.excludes(name, true) {
                return alone();
            }
            rules = rules.inside(name);
        }
        rules
    }

    fn default_in(folder: PathBuf) -> Self {
        let files = Vec::new();
        Self { folder, files }.with_own_file()
    }

    /// Returns the rules in a folder of this one.
    #[must_use]
    pub fn inside(&self, name: &OsStr) -> Self {
        let (folder, files) = (self.folder.join(name), self.files.clone());
        Self { folder, files }.with_own_file()
    }

    fn with_own_file(mut self) -> Self {
        let file = self.folder.join(".gitignore");
        if file.is_file() {
            // Like git, without the lines that are no patterns.
            let (rules, _) = Gitignore::new(file);
            self.files.push(Arc::new(rules));
        }
        self
    }

    /// Returns whether the rules exclude an entry of the folder. The innermost file that names it decides.
    pub fn excludes(&self, name: &OsStr, is_folder: bool) -> bool {
        let path = self.folder.join(name);
        let matched = self
            .files
            .iter()
            .rev()
            .map(|file| file.matched(&path, is_folder));
        let decided = matched.into_iter().find(|matched| !matched.is_none());
        matches!(decided, Some(Match::Ignore(_)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Returns the files below a folder that the rules in it do not exclude.
    fn kept(root: &Path) -> Vec<String> {
        fn walk(folder: &Path, rules: &GitIgnore, below: &str, kept: &mut Vec<String>) {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let name = path.file_name().expect("a name");
                let text = format!("{below}{}", name.to_string_lossy());
                if text == ".git"
                    || text.ends_with(".gitignore")
                    || rules.excludes(name, path.is_dir())
                {
                    continue;
                }
                if path.is_dir() {
                    walk(&path, &rules.inside(name), &format!("{text}/"), kept);
                } else {
                    kept.push(text);
                }
            }
        }
        let mut files = Vec::new();
        walk(root, &GitIgnore::of(root), "", &mut files);
        files.sort();
        files
    }

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (file, text) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        folder
    }

    #[test]
    fn inner_files_decide_and_rules_above_a_named_folder_apply_up_to_its_repository() {
        let folder = tree(&[
            (".gitignore", "*.py\n"),
            ("repository/.git/HEAD", ""),
            (
                "repository/.gitignore",
                "/build/\nvendor/\n*_pb2.py\n!kept_pb2.py\nsrc/old\n",
            ),
            ("repository/build/a.py", ""),
            ("repository/src/build/a.py", ""),
            ("repository/src/vendor/a.py", ""),
            ("repository/src/old/a.py", ""),
            ("repository/src/a_pb2.py", ""),
            ("repository/src/kept_pb2.py", ""),
            ("repository/src/inner/.gitignore", "*\n!a.py\n!b_pb2.py\n"),
            ("repository/src/inner/a.py", ""),
            ("repository/src/inner/b_pb2.py", ""),
            ("repository/src/inner/c.py", ""),
        ]);
        let repository = folder.path().join("repository");
        let below = ["build/a.py", "inner/a.py", "inner/b_pb2.py", "kept_pb2.py"];
        assert_eq!(kept(&repository), below.map(|file| format!("src/{file}")));
        assert_eq!(kept(&repository.join("src")), below);
        // The user has named what the repository excludes.
        assert_eq!(kept(&repository.join("build")), ["a.py"]);
        assert_eq!(kept(&repository.join("src/vendor")), ["a.py"]);
    }

    #[test]
    fn a_folder_outside_of_a_repository_has_its_own_rules_alone() {
        let folder = tree(&[
            (".gitignore", "*.py\n"),
            ("a/.gitignore", "b/\n"),
            ("a/b/c.py", ""),
            ("a/d.py", ""),
        ]);
        assert_eq!(kept(&folder.path().join("a")), ["d.py"]);
    }

    #[test]
    fn environments_and_build_outputs_are_made_by_a_tool() {
        let folder = tree(&[
            ("env/pyvenv.cfg", ""),
            ("build/lib/a.py", ""),
            ("src/build/__init__.py", ""),
        ]);
        let is_made = |name: &str| is_made_by_a_tool(&folder.path().join(name));
        assert!(is_made("env") && is_made("build"));
        assert!(!is_made("src/build") && !is_made("src"));
    }
}
