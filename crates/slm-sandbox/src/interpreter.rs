//! Resolves a Python name to its interpreter, through the shims of version managers.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::SandboxError;

/// A Python interpreter that was started once to query its properties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The executable itself (`sys.executable`), not a shim that selects one.
    pub executable: PathBuf,
    /// Version such as `3.11.7`.
    pub version: String,
    /// Installation folder (`sys.base_prefix`), also for a virtual environment.
    pub prefix: PathBuf,
    /// Module search path (`sys.path`) with an empty environment.
    #[serde(skip_serializing, default)]
    pub search_path: Vec<PathBuf>,
}

/// Generous, since a shim may be a shell script that starts slowly on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs on any Python 3 and on Python 2, so that the error can name an old version.
const PROBE: &str = "import sys, json; print(json.dumps({\
    'executable': sys.executable, \
    'version': '.'.join(map(str, sys.version_info[:3])), \
    'prefix': getattr(sys, 'base_prefix', sys.prefix), \
    'search_path': [entry for entry in sys.path if entry]}))";

/// The runner scripts need assignment expressions and positional-only `compile` flags.
const OLDEST: (u32, u32) = (3, 8);

impl Interpreter {
    /// Resolves `python`, a path or a name on the search path (`python3` when `None`).
    ///
    /// `python3` may be a shim that chooses a version by folder or environment variable. A program runs in
    /// another folder with an empty environment, where the shim would choose differently or fail; so the
    /// interpreter is queried for its own path, and that path for its version.
    pub fn resolve(python: Option<&Path>) -> Result<Self, SandboxError> {
        let named = python.unwrap_or(Path::new("python3"));
        let found = probe(Command::new(named), named)?;
        if found.is_older_than(OLDEST) {
            return Err(SandboxError::PythonTooOld {
                python: named.to_owned(),
                version: found.version,
            });
        }
        if found.executable.as_os_str().is_empty() {
            return Err(SandboxError::PythonDoesNotStart {
                python: named.to_owned(),
                detail: "it does not report its own path (`sys.executable` is empty)".into(),
            });
        }
        let mut bare = Command::new(&found.executable);
        bare.env_clear();
        let again = probe(bare, &found.executable)?;
        if (&again.version, &again.prefix) != (&found.version, &found.prefix) {
            return Err(SandboxError::PythonDoesNotStart {
                detail: format!(
                    "with an empty environment it is version {} in {}, expected {} in {}",
                    again.version,
                    again.prefix.display(),
                    found.version,
                    found.prefix.display()
                ),
                python: found.executable,
            });
        }
        Ok(again)
    }

    /// Returns the search path as strings for Python.
    pub(crate) fn search_path_text(&self) -> Vec<String> {
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        self.search_path.iter().map(text).collect()
    }

    fn is_older_than(&self, (major, minor): (u32, u32)) -> bool {
        let mut parts = self.version.split('.').map(|part| part.parse().ok());
        let version = (
            parts.next().flatten().unwrap_or(0),
            parts.next().flatten().unwrap_or(0),
        );
        version < (major, minor)
    }
}

/// Runs `command` with [`PROBE`] and parses its output.
fn probe(mut command: Command, python: &Path) -> Result<Interpreter, SandboxError> {
    let does_not_start = |detail: String| SandboxError::PythonDoesNotStart {
        python: python.to_owned(),
        detail,
    };
    let child = command
        .args(["-E", "-s", "-c", PROBE])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A shim is a script with child processes: a timeout must kill all of them.
        .process_group(0)
        .spawn()
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => SandboxError::PythonNotFound {
                python: python.to_owned(),
            },
            _ => does_not_start(source.to_string()),
        })?;
    let output = wait_with_timeout(child, START_TIMEOUT)
        .map_err(|source| does_not_start(source.to_string()))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last_line = stderr.trim().lines().next_back().unwrap_or_default();
        return Err(does_not_start(format!("{}; {last_line}", output.status)));
    }
    // A shim may print a greeting first; the result is the last line.
    let stdout = String::from_utf8_lossy(&output.stdout);
    let answer = stdout.trim().lines().next_back().unwrap_or_default();
    serde_json::from_str(answer)
        .map_err(|_| does_not_start(format!("it printed `{answer}` for a one-line program")))
}

/// Returns the output of `child`, or [`io::ErrorKind::TimedOut`] after killing its process group.
///
/// Reads after the exit, so the output must fit a pipe's buffer.
fn wait_with_timeout(mut child: Child, timeout: Duration) -> io::Result<Output> {
    let deadline = Instant::now() + timeout;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            if let Some(group) = Pid::from_raw(child.id() as i32) {
                kill_process_group(group, Signal::KILL)?;
            }
            child.wait()?;
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no output within {} s", timeout.as_secs()),
            ));
        }
        thread::sleep(Duration::from_millis(2));
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut stdout)?;
    }
    if let Some(mut pipe) = child.stderr.take() {
        pipe.read_to_end(&mut stderr)?;
    }
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// An executable script in a new folder.
    fn script(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("python3");
        fs::write(&path, text).expect("writing a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        (folder, path)
    }

    #[test]
    fn the_default_interpreter_names_its_real_path_and_version() {
        let python = Interpreter::resolve(None).expect("python3 on the search path");
        assert!(python.executable.is_absolute());
        assert!(!python.is_older_than(OLDEST));
        assert!(python.prefix.is_dir());
    }

    #[test]
    fn a_shim_resolves_to_the_interpreter_it_starts() {
        let real = Interpreter::resolve(None).expect("python3 on the search path");
        let (_folder, shim) = script(&format!(
            "#!/bin/sh\necho selecting a version\nexec '{}' \"$@\"\n",
            real.executable.display()
        ));
        assert_eq!(Interpreter::resolve(Some(&shim)).expect("a shim"), real);
    }

    #[test]
    fn a_missing_interpreter_is_named_with_a_hint() {
        let error = Interpreter::resolve(Some(Path::new("/no/such/python"))).expect_err("none");
        assert!(matches!(error, SandboxError::PythonNotFound { .. }));
        assert!(error.to_string().contains("/no/such/python"), "{error}");
        assert!(error.to_string().contains("hint:"), "{error}");
    }

    #[test]
    fn an_interpreter_that_fails_is_told_with_its_last_line() {
        let (_folder, path) = script("#!/bin/sh\necho no version is set >&2\nexit 127\n");
        let error = Interpreter::resolve(Some(&path)).expect_err("a failing shim");
        assert!(error.to_string().contains("no version is set"), "{error}");
    }

    #[test]
    fn an_old_interpreter_is_told_with_its_version() {
        let (_folder, path) = script(
            "#!/bin/sh\necho '{\"executable\": \"/x\", \"version\": \"2.7.18\", \"prefix\": \"/\"}'\n",
        );
        let error = Interpreter::resolve(Some(&path)).expect_err("an old one");
        assert!(matches!(error, SandboxError::PythonTooOld { .. }));
        assert!(error.to_string().contains("2.7.18"), "{error}");
    }

    #[test]
    fn something_that_is_no_python_is_told_with_its_answer() {
        let (_folder, path) = script("#!/bin/sh\necho hello\n");
        let error = Interpreter::resolve(Some(&path)).expect_err("no python");
        assert!(error.to_string().contains("`hello`"), "{error}");
    }

    #[test]
    fn an_interpreter_that_never_answers_is_killed() {
        let child = Command::new("sh")
            .args(["-c", "sleep 1000 & wait"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh");
        let error = wait_with_timeout(child, Duration::from_millis(50)).expect_err("a timeout");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
