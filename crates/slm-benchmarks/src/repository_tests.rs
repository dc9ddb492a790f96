//! The hidden tests of tasks made from a repository, and the function that such a task asks for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Tests of the repository that contains the task's function. They run in the program's own process, in a copy of
/// the repository, so a hostile program can forge their verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepositoryTests {
    /// The tests.
    pub tests: Vec<RepositoryTest>,
    /// SHA-256 of the repository's files, which identifies the version of the tests.
    pub repository_sha256: String,
}

/// A test of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RepositoryTest {
    /// How it is run.
    pub kind: RepositoryTestKind,
    /// `FILE::NAME`, in pytest's form: `tests/test_a.py::TestA::test_one`.
    pub id: String,
    /// The docstring with the examples of a doctest; empty for other kinds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// How a test of a repository is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepositoryTestKind {
    /// A method of a `unittest.TestCase`.
    Unittest,
    /// A function `test_*` without parameters.
    Plain,
    /// Anything else that pytest collects.
    Pytest,
    /// The examples in the function's own docstring.
    Doctest,
}

impl RepositoryTestKind {
    /// All kinds, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Unittest, Self::Plain, Self::Pytest, Self::Doctest];

    /// Returns the word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unittest => "unittest",
            Self::Plain => "plain",
            Self::Pytest => "pytest",
            Self::Doctest => "doctest",
        }
    }

    /// Returns the kind of a word; `None` if there is none.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// The function of a repository that a task asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryTarget {
    /// The repository's folder.
    pub root: PathBuf,
    /// SHA-256 of the repository's files.
    pub sha256: String,
    /// Path of the file below the folder, with `/`.
    pub file: String,
    /// `function` or `Class.method`.
    pub qualified_name: String,
    /// First line of the definition in the file, including decorators, counted from 1.
    pub first_line: usize,
}
