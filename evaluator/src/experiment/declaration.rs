//! The file that declares a run, and the commit in which it did so before the first answer.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use slm_artifacts::sha256;
use slm_report::DeclaredRecipe;

/// Describes a recipe's file, with the commit that last changed it unless it was changed afterwards.
///
/// # Errors
/// The file cannot be read.
pub(super) fn of_file(path: &Path, overrides: &[String]) -> Result<DeclaredRecipe> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (commit, committed) = last_commit(path).unzip();
    Ok(DeclaredRecipe {
        path: path.display().to_string(),
        sha256: sha256(&bytes),
        overrides: overrides.to_vec(),
        commit,
        committed,
    })
}

/// Returns hash and time of the last commit that changed a file; `None` if the file differs from the committed one, or
/// without Git.
fn last_commit(path: &Path) -> Option<(String, String)> {
    // The folder decides the repository, not the working directory.
    let path = fs::canonicalize(path).ok()?;
    let (folder, name) = (path.parent()?, path.file_name()?);
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        let output = command.arg("-C").arg(folder).args(arguments);
        let output = output.output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let name = name.to_str()?;
    // In a shallow clone the oldest commit seems to change every file.
    if git(&["rev-parse", "--is-shallow-repository"])? != "false"
        || !git(&["status", "--porcelain", "--", name])?.is_empty()
    {
        return None;
    }
    let found = git(&["log", "-1", "--format=%H %cI", "--", name])?;
    let (commit, committed) = found.split_once(' ')?;
    Some((commit.to_owned(), committed.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"];
        let mut command = Command::new("git");
        command.arg("-C").arg(folder).args(identity).args(arguments);
        assert!(command.output().expect("git").status.success());
    }

    #[test]
    fn the_commit_is_that_of_the_file_and_only_as_long_as_it_is_unchanged() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.yaml");
        let declared = || of_file(&file, &[]).expect("described");
        fs::write(&file, "name: a\n").expect("written");
        assert_eq!(declared().commit, None);
        git(folder.path(), &["init", "--quiet"]);
        assert_eq!(declared().commit, None);
        git(folder.path(), &["add", "."]);
        git(folder.path(), &["commit", "--quiet", "-m", "declare"]);
        let first = declared();
        assert_eq!(first.commit.as_ref().map(String::len), Some(40));
        assert!(first.committed.is_some_and(|at| at.contains('T')));
        // Another file's commit is another one.
        fs::write(folder.path().join("b.yaml"), "name: b\n").expect("written");
        git(folder.path(), &["add", "."]);
        git(folder.path(), &["commit", "--quiet", "-m", "other"]);
        assert_eq!(declared().commit, first.commit);
        let clone = folder.path().join("clone");
        let from = format!("file://{}", folder.path().display());
        let to = clone.display().to_string();
        git(
            folder.path(),
            &["clone", "--quiet", "--depth", "1", &from, &to],
        );
        let shallow = of_file(&clone.join("a.yaml"), &[]).expect("described");
        assert_eq!(
            (shallow.commit, shallow.sha256),
            (None, first.sha256.clone())
        );
        fs::write(&file, "name: c\n").expect("written");
        let changed = declared();
        assert_eq!(changed.commit, None);
        assert_ne!(changed.sha256, first.sha256);
    }
}
