//! Expands the paths that a user gives to Python files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_artifacts::{GitIgnore, is_made_by_a_tool};
use slm_cli::UserMistake;

/// A file, or a path that could not be read.
pub(crate) type FoundFile = (PathBuf, io::Result<()>);

/// Returns the files under `paths`, sorted by path and without duplicates.
///
/// A file is taken with any extension. In a folder, at any depth, every `*.py` is taken, except in hidden folders, virtual
/// environments, build outputs, `node_modules` and `__pycache__`, and what `.gitignore` excludes; symbolic links in it are
/// not followed. A note counts the others.
///
/// # Errors
/// [`UserMistake`] if a path does not exist or no file is found.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<FoundFile>> {
    let mut found = Vec::new();
    let mut n_left_out = 0;
    let mut missing = Vec::new();
    for path in paths {
        match fs::metadata(path) {
            Ok(it) if it.is_dir() => {
                n_left_out += walk(path, &GitIgnore::of(path), &mut found);
            }
            // Opening a pipe would wait for its writer.
            Ok(it) if !it.is_file() => {
                let problem = "a pipe, a socket or a device, expected a regular file";
                found.push((path.clone(), Err(io::Error::other(problem))));
            }
            Err(error) if is_missing(&error) => missing.push(path.as_path()),
            // Other problems are reported when the file is read.
            _ => found.push((path.clone(), Ok(()))),
        }
    }
    if !missing.is_empty() {
        return Err(UserMistake(format!(
            "{}: no such file or folder\nhint: {}",
            join(missing.iter().copied()),
            hint_for(missing[0])
        ))
        .into());
    }
    let left_out = left_out_text(n_left_out);
    if found.is_empty() {
        return Err(UserMistake(format!(
            "no Python file in {}{}\nhint: folders are searched for *.py; name a file with another extension itself",
            join(paths.iter().map(PathBuf::as_path)),
            left_out.map_or_else(String::new, |text| format!(", beside {text}")),
        ))
        .into());
    }
    if let Some(text) = left_out {
        slm_cli::note(&format!(
            "note: left out {text}; name a folder to include it"
        ));
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.dedup_by(|(a, _), (b, _)| a == b);
    Ok(found)
}

/// Describes what [`walk`] left out; `None` if that is nothing.
fn left_out_text(n: usize) -> Option<String> {
    let what = match n {
        0 => return None,
        1 => "folder or file",
        _ => "folders and files",
    };
    Some(format!(
        "{n} {what} (excluded by .gitignore, or made by a tool)"
    ))
}

/// Adds the Python files of a folder to `found`, and returns the number of folders and files that are left out.
fn walk(folder: &Path, rules: &GitIgnore, found: &mut Vec<FoundFile>) -> usize {
    let mut n_left_out = 0;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            found.push((folder.to_owned(), Err(error)));
            return 0;
        }
    };
    for entry in entries {
        // Continuing after an error would silently miss entries.
        let (entry, kind) = match entry.and_then(|entry| Ok((entry.file_type()?, entry))) {
            Ok((kind, entry)) => (entry, kind),
            Err(error) => {
                found.push((folder.to_owned(), Err(error)));
                return n_left_out;
            }
        };
        let name = entry.file_name();
        // Without a `./` that the user did not type.
        let path = if folder == Path::new(".") {
            PathBuf::from(&name)
        } else {
            entry.path()
        };
        if kind.is_dir() {
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            if is_hidden || name == "__pycache__" {
                continue;
            }
            if name == "node_modules" || is_made_by_a_tool(&path) || rules.excludes(&name, true) {
                n_left_out += 1;
            } else {
                n_left_out += walk(&path, &rules.inside(&name), found);
            }
        } else if kind.is_file() && path.extension().is_some_and(|suffix| suffix == "py") {
            if rules.excludes(&name, false) {
                n_left_out += 1;
            } else {
                found.push((path, Ok(())));
            }
        }
    }
    n_left_out
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn hint_for(missing: &Path) -> String {
    let with_suffix = missing.with_added_extension("py");
    if with_suffix.is_file() {
        format!("did you mean {}?", with_suffix.display())
    } else {
        "name Python files, or folders that hold some".to_owned()
    }
}

fn join<'a>(paths: impl Iterator<Item = &'a Path>) -> String {
    let shown: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts which files are found under `paths`, which are relative to a folder that contains `files`.
    fn check(files: &[&str], paths: &[&str], expected: &[&str]) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, "").expect("a file");
        }
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.path().join(path)).collect();
        let found = match find(&paths) {
            Ok(found) => found
                .into_iter()
                .map(|(path, _)| {
                    let inside = path.strip_prefix(folder.path()).expect("inside");
                    inside.display().to_string()
                })
                .collect(),
            Err(error) => vec![error.to_string()],
        };
        let prefix = format!("{}/", folder.path().display());
        let found: Vec<String> = found
            .iter()
            .map(|text: &String| text.replace(&prefix, ""))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn folders_give_their_python_files_in_the_order_of_their_paths() {
        let files = ["src/b.py", "src/a/z.py", "src/a.py", "src/notes.md", "py"];
        check(&files, &["src"], &["src/a/z.py", "src/a.py", "src/b.py"]);
    }

    #[test]
    fn hidden_folders_and_caches_are_left_out_unless_they_are_named() {
        let files = [".venv/a.py", "__pycache__/b.py", "c.py"];
        check(&files, &[""], &["c.py"]);
        check(&files, &[".venv", "c.py"], &[".venv/a.py", "c.py"]);
    }

    #[test]
    fn what_is_ignored_or_made_by_a_tool_is_left_out_unless_it_is_named() {
        let files = [
            "build/lib/a.py",
            "env/pyvenv.cfg",
            "env/b.py",
            "node_modules/c.py",
            "src/build/__init__.py",
            "src/d.py",
        ];
        check(&files, &[""], &["src/build/__init__.py", "src/d.py"]);
        check(&files, &["build", "env"], &["build/lib/a.py", "env/b.py"]);
        let only_made = ["src/env/pyvenv.cfg", "src/env/b.py"];
        check(
            &only_made,
            &["src"],
            &[
                "no Python file in src, beside 1 folder or file (excluded by .gitignore, or made by a tool)\n\
               hint: folders are searched for *.py; name a file with another extension itself",
            ],
        );
        let folder = tempfile::tempdir().expect("a folder");
        for (file, text) in [
            (".gitignore", "old/\n*_pb2.py\n"),
            ("a.py", ""),
            ("a_pb2.py", ""),
        ] {
            fs::write(folder.path().join(file), text).expect("a file");
        }
        let old = folder.path().join("old");
        fs::create_dir(&old).expect("a folder");
        fs::write(old.join("b.py"), "").expect("a file");
        let paths = |folder: &Path| -> Vec<PathBuf> {
            let found = find(&[folder.to_owned()]).expect("a file");
            found.into_iter().map(|(path, _)| path).collect()
        };
        assert_eq!(paths(folder.path()), [folder.path().join("a.py")]);
        assert_eq!(paths(&old), [old.join("b.py")]);
    }

    #[test]
    fn a_named_file_is_taken_whatever_it_is_called_and_only_once() {
        let files = ["bin/tool", "bin/a.py"];
        check(
            &files,
            &["bin/tool", "bin", "bin/a.py"],
            &["bin/a.py", "bin/tool"],
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_in_folders_are_not_followed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inside = |name: &str| folder.path().join(name);
        fs::write(inside("a.py"), "").expect("a file");
        std::os::unix::fs::symlink(folder.path(), inside("loop")).expect("a link");
        std::os::unix::fs::symlink(inside("a.py"), inside("b.py")).expect("a link");
        let found = find(&[folder.path().to_owned()]).expect("a file");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, inside("a.py"));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_named_and_never_opened() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("a.py");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        for path in [socket, PathBuf::from("/dev/zero")] {
            let found = find(std::slice::from_ref(&path)).expect("an entry");
            let [(named, Err(error))] = &found[..] else {
                panic!("{found:?}");
            };
            assert_eq!(*named, path);
            assert!(error.to_string().contains("expected a regular file"));
        }
    }

    #[test]
    fn a_mistaken_path_is_answered_with_what_was_meant() {
        check(
            &["a.py"],
            &["a", "b"],
            &["a, b: no such file or folder\nhint: did you mean a.py?"],
        );
        check(
            &["a.py"],
            &["b"],
            &["b: no such file or folder\nhint: name Python files, or folders that hold some"],
        );
        check(
            &["notes/a.md"],
            &["notes"],
            &[
                "no Python file in notes\nhint: folders are searched for *.py; name a file with another extension itself",
            ],
        );
    }
}
