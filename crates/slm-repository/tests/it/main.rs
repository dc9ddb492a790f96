//! Makes tasks of small repositories, honest and hostile ones.

mod hostile;
mod packages;
mod pools;
mod reasons;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use slm_repository::{Report, RepositoryError, Row, TaskOptions, make_tasks};
use slm_sandbox::{Interpreter, Limits, Sandbox};

/// Writes past the capture of a test's output, so that a skipped test is visible.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Returns the strongest sandbox of this machine with short limits; `None`, after a line on stderr, without one.
fn sandbox() -> Option<&'static Sandbox> {
    static SANDBOX: LazyLock<Option<Sandbox>> =
        LazyLock::new(|| sandbox_of(std::env::var_os("PYTHON").as_deref().map(Path::new)));
    SANDBOX.as_ref()
}

fn sandbox_of(python: Option<&Path>) -> Option<Sandbox> {
    let limits = Limits::default().with_cpu_s(2.0);
    let made = Interpreter::resolve(python).and_then(|python| Sandbox::new(python, limits));
    match made {
        Ok(sandbox) => Some(sandbox),
        Err(error) if std::env::var_os("REQUIRE_SANDBOX").is_some() => {
            panic!("REQUIRE_SANDBOX is set, but: {error}")
        }
        Err(error) => {
            note(&format!("SKIPPED: tasks of repositories: {error}"));
            None
        }
    }
}

/// A repository, and a folder beside it for the tasks.
struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = Self { folder };
        for (name, text) in files {
            let path = repository.root().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        repository
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn options(&self) -> TaskOptions {
        TaskOptions {
            output: self.folder.path().join("own.jsonl"),
            split: None,
            seed: 1,
        }
    }

    fn make(&self, sandbox: &Sandbox) -> Made {
        make(&self.root(), sandbox, &self.options())
    }
}

/// Tasks and their report.
struct Made {
    rows: BTreeMap<String, Row>,
    /// The content of the file.
    text: String,
    report: Report,
}

impl Made {
    /// Returns why a function is not tested; empty if it is.
    fn why(&self, id: &str) -> &str {
        let row = &self.rows.get(id).unwrap_or_else(|| panic!("no {id}"));
        assert_eq!(row.kind == "tested", row.why_untested.is_none(), "{id}");
        row.why_untested.as_deref().unwrap_or_default()
    }
}

fn make(root: &Path, sandbox: &Sandbox, options: &TaskOptions) -> Made {
    let mut rows = BTreeMap::new();
    let mut text = String::new();
    let report = make_tasks::<RepositoryError>(root, sandbox, options, &mut |_| (), &mut |row| {
        text.push_str(&row.to_line());
        rows.insert(row.task_id.clone(), row.clone());
        Ok(())
    });
    let report = report.expect("tasks");
    assert!(report.is_complete(), "{report:?}");
    assert!(report.to_string().lines().count() <= 40, "{report}");
    Made { rows, text, report }
}
