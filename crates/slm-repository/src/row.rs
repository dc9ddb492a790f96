//! The rows of a file of tasks, as the benchmark `repository` reads them.

use std::path::{Component, Path, PathBuf};

use serde::Serialize;
use slm_benchmarks::{REPOSITORY_VERSION, RepositoryTarget, RepositoryTest};
use slm_metrics::syntax::FunctionSource;

use crate::reason::Reason;
use crate::split::Part;

/// One task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    version: u64,
    /// `FILE::NAME`.
    pub task_id: String,
    /// What the model continues.
    pub prompt: String,
    /// Name of the function, or of the method's class.
    pub entry_point: String,
    /// `tested` or `measured`.
    pub kind: &'static str,
    /// The hidden tests.
    pub tests: Vec<RepositoryTest>,
    /// The first block of examples of the docstring.
    pub public_examples: Vec<String>,
    /// The body in the repository.
    pub canonical_solution: String,
    /// Why a measured task has no tests, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_untested: Option<String>,
    /// The part of the split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Part>,
    repo: Repo,
    target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Repo {
    root: String,
    sha256: String,
    files: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Target {
    file: String,
    qualified_name: String,
    first_line: usize,
    body_first_line: usize,
    last_line: usize,
}

impl Row {
    /// Creates the row of a function; without tests `reason` has the cause.
    pub(crate) fn new(
        target: &RepositoryTarget,
        files: usize,
        function: &FunctionSource,
        tests: Vec<RepositoryTest>,
        reason: Option<&Reason>,
        split: Option<Part>,
    ) -> Self {
        let class = function.class_name.as_deref();
        Self {
            version: REPOSITORY_VERSION,
            task_id: format!("{}::{}", target.file, target.qualified_name),
            prompt: function.prompt(),
            entry_point: class.unwrap_or(&function.name).to_owned(),
            kind: if tests.is_empty() {
                "measured"
            } else {
                "tested"
            },
            tests,
            public_examples: first_examples(&function.docstring).into_iter().collect(),
            canonical_solution: function.body.clone(),
            why_untested: reason.map(Reason::words),
            split,
            repo: Repo {
                root: target.root.to_string_lossy().into_owned(),
                sha256: target.sha256.clone(),
                files,
            },
            target: Target {
                file: target.file.clone(),
                qualified_name: target.qualified_name.clone(),
                first_line: function.first_line,
                body_first_line: function.body_first_line,
                last_line: function.last_line,
            },
        }
    }

    /// Returns the row as a line of JSON, with its line end.
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("a row always serialises");
        line.push('\n');
        line
    }
}

/// Returns the first block of examples of a docstring, up to an empty line, without its indentation.
fn first_examples(docstring: &str) -> Option<String> {
    let mut lines = docstring
        .lines()
        .skip_while(|line| !line.trim_start().starts_with(">>>"))
        .take_while(|line| !line.trim().is_empty())
        .peekable();
    let first = lines.peek()?;
    let indent = first[..first.len() - first.trim_start().len()].to_owned();
    let mut text = String::new();
    for line in lines {
        let own = line.strip_prefix(indent.as_str());
        text.push_str(own.unwrap_or(line.trim_start()));
        text.push('\n');
    }
    Some(text)
}

/// Returns `root` as seen from `folder`, if both are below a common folder other than `/`. Both are absolute.
pub(crate) fn seen_from(folder: &Path, root: &Path) -> PathBuf {
    let shared = folder
        .components()
        .zip(root.components())
        .take_while(|(a, b)| a == b)
        .count();
    // The first component is `/`.
    if shared < 2 {
        return root.to_owned();
    }
    let up = folder
        .components()
        .skip(shared)
        .map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(root.components().skip(shared)).collect();
    if path.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_of_examples_ends_at_an_empty_line() {
        let docstring = "Adds.\n\n    >>> f(1)\n    2\n    >>> for x in f(2):\n    ...     x\n    3\n\n    >>> f(3)\n    4\n    ";
        assert_eq!(
            first_examples(docstring).as_deref(),
            Some(">>> f(1)\n2\n>>> for x in f(2):\n...     x\n3\n")
        );
        assert_eq!(first_examples("Adds."), None);
    }

    #[test]
    fn the_root_is_relative_where_folders_are_shared() {
        for (folder, root, expected) in [
            ("/home/a", "/home/a/repo", "repo"),
            ("/home/a/out", "/home/a/repo", "../repo"),
            ("/home/a", "/home/a", "."),
            ("/out", "/home/a", "/home/a"),
        ] {
            let seen = seen_from(Path::new(folder), Path::new(root));
            assert_eq!(seen, Path::new(expected));
        }
    }
}
