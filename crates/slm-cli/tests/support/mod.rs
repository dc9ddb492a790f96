//! Common parts of the tests of both commands: a small project to work in, and the expected form of a failure.

pub(crate) mod documents;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Returns the path of a file or folder among the model crate's goldens.
pub(crate) fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/slm-model/tests/it/golden")
        .join(path)
}

/// A folder with a tiny model, three Python files and a recipe, removed at the end of the test.
pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        let project = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        copy_folder(&golden("tiny-qwen2"), &project.path("model"));
        // The tiny vocabulary encodes most words letter by letter, so that requests exceed the golden's positions.
        let config = project.read("model/config.json");
        let (few, many) = (
            "\"max_position_embeddings\": 256",
            "\"max_position_embeddings\": 4096",
        );
        assert!(config.contains(few), "the golden's config.json has changed");
        project.write("model/config.json", config.replace(few, many));
        for (name, text) in PYTHON_FILES {
            project.write(&format!("src/{name}"), text);
        }
        project.write("tiny.yaml", RECIPE);
        project
    }

    /// Returns a path inside the project.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("inside the project")).expect("a folder");
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Makes a command that runs `program` with these arguments in the project, without the caller's settings.
    pub(crate) fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).args(words);
        for variable in [
            "PYTHON",
            "SLM_CACHE",
            "RUST_BACKTRACE",
            "NO_COLOR",
            "HF_ENDPOINT",
            "HF_HUB_CACHE",
            "HUGGINGFACE_HUB_CACHE",
            "HF_TOKEN",
            "HUGGING_FACE_HUB_TOKEN",
            "HF_TOKEN_PATH",
        ] {
            command.env_remove(variable);
        }
        command.env("SLM_CACHE", self.path("cache"));
        // The energy of the machine that tests run on is no part of what they check.
        command.env("SLM_POWERCAP", self.path("powercap"));
        // No test contacts the real hub.
        command.env("HF_HOME", self.path("hf-home"));
        command.env("HF_HUB_OFFLINE", "1");
        command
    }

    /// Asserts that no incomplete files are left anywhere in the project.
    pub(crate) fn assert_no_parts(&self) {
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a readable folder") {
                let path = entry.expect("a readable entry").path();
                let unfinished = path
                    .extension()
                    .is_some_and(|kind| kind == "part" || kind == "old");
                assert!(!unfinished, "left behind: {}", path.display());
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
    }
}

/// Returns a command that runs `program` in the project in a network namespace without any interface but loopback, and
/// free to ask the hub. `None`, with a message, where the system does not allow such a namespace.
///
/// # Panics
/// There is none although `REQUIRE_SANDBOX` is set.
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "not every test suite uses it")]
pub(crate) fn without_network(project: &Project, program: &str, words: &[&str]) -> Option<Command> {
    let works = |flags: &[&str]| {
        let check = Command::new("unshare").args(flags).arg("true").output();
        check.is_ok_and(|output| output.status.success())
    };
    let ways: [&[&str]; 2] = [&["--net"], &["--net", "--map-root-user"]];
    let Some(flags) = ways.into_iter().find(|flags| works(flags)) else {
        assert!(
            std::env::var_os("REQUIRE_SANDBOX").is_none(),
            "REQUIRE_SANDBOX is set, but there is no empty network namespace"
        );
        // Past the capture of test output, so that it is seen.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no empty network namespace on this system"
        );
        return None;
    };
    let mut command = project.command("unshare", &[flags, &["--", program], words].concat());
    command.env_remove("HF_HUB_OFFLINE");
    Some(command)
}

/// How a command ended.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

impl Finished {
    /// Returns the result that a successful command printed.
    pub(crate) fn result(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Returns the single error of a command that failed with this exit code: text first, hints last, and no panic.
    pub(crate) fn error(self, code: i32) -> String {
        let Self {
            code: found,
            stdout,
            stderr,
        } = self;
        assert_eq!(found, Some(code), "stderr: {stderr}\nstdout: {stdout}");
        assert_eq!(stdout, "", "a failure has no result");
        for trace in [
            "panicked",
            "RUST_BACKTRACE",
            "stack backtrace",
            "unwrap",
            "Error {",
            "Os {",
        ] {
            assert!(!stderr.contains(trace), "{stderr}");
        }
        let at = stderr
            .lines()
            .position(|line| line.starts_with("error: "))
            .unwrap_or_else(|| panic!("no error: {stderr}"));
        let lines: Vec<&str> = stderr.lines().skip(at).collect();
        assert!(
            !lines[1..].iter().any(|line| line.starts_with("error: ")),
            "two errors: {stderr}"
        );
        let hints = lines
            .iter()
            .position(|line| line.starts_with("hint: "))
            .unwrap_or(lines.len());
        assert!(
            lines[hints..].iter().all(|line| line.starts_with("hint: ")),
            "text after a hint: {stderr}"
        );
        lines.join("\n")
    }
}

/// Asserts that an error contains each of these parts.
pub(crate) fn says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in\n{error}");
    }
}

/// Copies the files and folders of `from` into `to`.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let target = to.join(path.file_name().expect("entries have names"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

/// Trains in a second and evaluates in a few.
const RECIPE: &str = "\
model: {name_or_path: model, hub_name: tiny/qwen2}
lora: {r: 4, lora_alpha: 8}
data:
  datasets:
    - {path: src, format: python_source}
  max_seq_length: 1024
train: {num_train_epochs: 2, micro_batch_size: 2, gradient_accumulation_steps: 2, learning_rate: 1e-3, warmup_ratio: 0.0}
output: {logging_steps: 1}
evaluate: {max_new_tokens: 64}
";

const PYTHON_FILES: [(&str, &str); 3] = [
    (
        "lengths.py",
        r#"
def to_metres(feet):
    """Convert a length in feet to metres."""
    return feet * 0.3048


def longest(lengths):
    """Return the largest of some lengths, or None if there is none."""
    best = None
    for length in lengths:
        if best is None or length > best:
            best = length
    return best
"#,
    ),
    (
        "stock.py",
        r#"
def missing(stock, wanted):
    """Return the names in wanted that the stock does not hold."""
    return [name for name in wanted if not stock.get(name)]


def restock(stock, name, amount):
    """Add an amount of one article to the stock."""
    stock[name] = stock.get(name, 0) + amount
    return stock
"#,
    ),
    (
        "words/initials.py",
        r#"
def initials(name):
    """Return the first letters of the parts of a name."""
    letters = [part[0] for part in name.split() if part]
    return "".join(letters)


def undocumented(name):
    return name
"#,
    ),
];
