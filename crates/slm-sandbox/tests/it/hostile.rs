//! Hostile programs: one property a test, checked from outside the box where possible.
//!
//! Every program is run through [`check`], which also checks that the harness itself keeps working and that no
//! process of the program remains. Attacks that reach out of a box run at level A and at level B, the others in
//! the strongest box of the machine. To see the tests fail, set `HOSTILE_LEVEL=C` (as an unprivileged user!),
//! which has no isolation.

mod channel;
mod classes;
mod files;
mod killed;
mod liars;
mod locks;
mod memory;
mod network;
mod privileges;
mod processes;
mod resources;
mod tree;
mod values;
mod verdicts;

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use slm_sandbox::{
    Call, Interpreter, Job, Level, LevelChoice, Limits, Node, Outcome, Returned, Sandbox,
    SandboxError, Verdict, Work,
};

/// Levels that isolate a program from the rest of the machine.
const WALLED: &[Level] = &[Level::A, Level::B];

/// Instead of a level: the strongest that works here.
const STRONGEST: &[Level] = &[];

/// Python for level B that any user can read, even if the default one is private.
const SYSTEM_PYTHON: &str = "/usr/bin/python3";

fn sandbox_of(level: Level) -> Result<Sandbox, SandboxError> {
    let named = std::env::var_os("PYTHON").map(PathBuf::from);
    let is_root = rustix::process::geteuid().is_root();
    let python = match level {
        Level::B if is_root => Some(PathBuf::from(SYSTEM_PYTHON)),
        _ => named,
    };
    let interpreter = Interpreter::resolve(python.as_deref())?;
    Sandbox::with_level(interpreter, Limits::default(), LevelChoice::Exactly(level))
}

/// Returns the sandbox of a level, created once; `None` after a line on stderr if this machine lacks it.
pub(crate) fn sandbox_at(level: Level) -> Option<&'static Sandbox> {
    static A: LazyLock<Option<Sandbox>> = LazyLock::new(|| made_or_told(Level::A));
    static B: LazyLock<Option<Sandbox>> = LazyLock::new(|| made_or_told(Level::B));
    static C: LazyLock<Option<Sandbox>> = LazyLock::new(|| made_or_told(Level::C));
    match level {
        Level::A => A.as_ref(),
        Level::B => B.as_ref(),
        Level::C => C.as_ref(),
    }
}

fn made_or_told(level: Level) -> Option<Sandbox> {
    match sandbox_of(level) {
        Ok(sandbox) => Some(sandbox),
        Err(error) if std::env::var_os("REQUIRE_SANDBOX").is_some() => {
            panic!("REQUIRE_SANDBOX is set, but: {error}")
        }
        Err(error) => {
            tell(&format!(
                "skipped: hostile programs at level {level}: {error}"
            ));
            None
        }
    }
}

/// Writes past the capture of a test's output, so that a skipped test is visible.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn strongest() -> Option<&'static Sandbox> {
    sandbox_at(Level::A).or_else(|| sandbox_at(Level::B))
}

/// Runs `job` in a box of each level and passes each outcome to `judge`, which panics if an attack succeeded.
///
/// # Panics
/// If the harness itself fails.
fn check(levels: &[Level], job: &Job, limits: &Limits, judge: impl Fn(&Outcome)) {
    let is_wall_less = std::env::var("HOSTILE_LEVEL").is_ok_and(|level| level == "C");
    let boxes: Vec<&Sandbox> = match levels {
        _ if is_wall_less => sandbox_at(Level::C).into_iter().collect(),
        [] => strongest().into_iter().collect(),
        _ => levels
            .iter()
            .filter_map(|&level| sandbox_at(level))
            .collect(),
    };
    for sandbox in boxes {
        let outcome = sandbox.run(job, limits).unwrap_or_else(|error| {
            panic!(
                "level {}: a program made the harness fail: {error}",
                sandbox.level()
            )
        });
        judge(&outcome);
    }
}

/// Limits under which an endless program does not delay the others.
fn short() -> Limits {
    Limits::default().with_cpu_s(1.0)
}

fn calls_of(program: &str) -> Job {
    Job {
        program: program.into(),
        preamble: String::new(),
        work: Work::Calls {
            entry_point: "attack".into(),
            calls: vec![Call {
                arguments: "()".into(),
                cpu_s: 8.0,
            }],
        },
        tree: None,
    }
}

fn asserts_of(program: &str, tests: &[&str]) -> Job {
    Job {
        program: program.into(),
        preamble: String::new(),
        work: Work::Asserts {
            setup: String::new(),
            entry_point: String::new(),
            tests: tests.iter().map(ToString::to_string).collect(),
        },
        tree: None,
    }
}

/// Turns a program that defines `attempt()` into one whose `attack()` returns its result or exception.
fn told(program: &str) -> String {
    format!(
        "{program}
def attack():
    try:
        result = attempt()
    except (OSError, RuntimeError, MemoryError) as error:
        return 'denied: %r' % error
    return 'came through: %r' % (result,)
"
    )
}

/// Calls `attempt()` of a program at levels A and B. It must fail with a system error or end as a violation;
/// `is_unharmed` checks from outside.
fn denied(program: &str, is_unharmed: impl Fn() -> bool) {
    check(
        WALLED,
        &calls_of(&told(program)),
        &Limits::default(),
        |outcome| {
            let answer = answer(outcome);
            let is_denied = answer.starts_with("denied: ") || outcome.verdict == Verdict::Violation;
            assert!(is_denied, "{answer}\n{outcome:#?}");
            assert!(is_unharmed(), "{outcome:#?}");
        },
    );
}

/// Calls `attempt()` of a program at levels A and B: `is_unharmed` must hold for any result.
fn harmless(program: &str, is_unharmed: impl Fn(&str) -> bool) {
    check(
        WALLED,
        &calls_of(&told(program)),
        &Limits::default(),
        |outcome| {
            let answer = answer(outcome);
            let is_tried = !answer.is_empty() || outcome.verdict == Verdict::Violation;
            assert!(is_tried, "the attempt was not made: {outcome:#?}");
            assert!(is_unharmed(&answer), "{answer}\n{outcome:#?}");
        },
    );
}

/// Checks that a forbidden system call ends the program.
fn violates(program: &str) {
    check(
        WALLED,
        &calls_of(&told(program)),
        &Limits::default(),
        |outcome| {
            assert_eq!(outcome.verdict, Verdict::Violation, "{outcome:#?}");
        },
    );
}

/// Returns the text that `attack()` returned; empty if it was no text.
fn answer(outcome: &Outcome) -> String {
    match outcome.calls.first().map(|call| &call.returned) {
        Some(Returned::Value(value)) => match value.root() {
            Node::Str(text) => text.to_string(),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

/// Checks that no test of a wrong program passes.
fn forged(program: &str, tests: &[&str]) {
    forged_job(&asserts_of(program, tests));
}

fn forged_job(job: &Job) {
    check(STRONGEST, job, &short(), |outcome| {
        assert_ne!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
        assert_eq!(outcome.pass_ratio(), Some(0.0), "{outcome:#?}");
    });
}

/// Checks that a program ends with one of these verdicts.
fn ends_as(verdicts: &[Verdict], limits: &Limits, program: &str) {
    check(
        STRONGEST,
        &asserts_of(program, &["assert f() == 1"]),
        limits,
        |outcome| {
            assert!(verdicts.contains(&outcome.verdict), "{outcome:#?}");
        },
    );
}

/// Returns a text that is unique on this machine.
fn nonce() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("nonce-{}-{number}-", std::process::id())
}

/// Returns whether a living process has this text among its arguments.
fn is_running(marker: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("/proc");
    processes.flatten().any(|entry| {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        // The helper's policy never contains it: only processes started by a program do.
        String::from_utf8_lossy(&arguments).contains(marker)
    })
}

/// Returns whether no process with this text remains after a moment.
fn has_vanished(marker: &str) -> bool {
    for _ in 0..200 {
        if !is_running(marker) {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    false
}

/// Returns a path as a Python literal.
fn quoted(path: &Path) -> String {
    format!("{:?}", path.to_str().expect("a path in UTF-8"))
}

/// A folder outside all boxes that only a box protects: any user may read and write it.
struct Outside {
    folder: tempfile::TempDir,
    secret: String,
}

impl Outside {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let outside = Self {
            folder,
            secret: nonce(),
        };
        fs::write(outside.file(), &outside.secret).expect("a file");
        let open = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
        };
        open(&outside.file(), 0o666);
        open(outside.folder.path(), 0o777);
        outside
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    /// Returns Python assignments for both.
    fn names(&self) -> String {
        format!(
            "FOLDER = {}\nFILE = {}\n",
            quoted(self.folder.path()),
            quoted(&self.file())
        )
    }

    /// Returns whether the folder still has its original contents.
    fn is_untouched(&self) -> bool {
        let entries = fs::read_dir(self.folder.path()).expect("the folder is there");
        let mode = fs::metadata(self.file()).map(|data| data.permissions().mode() & 0o7777);
        entries.count() == 1
            && mode.is_ok_and(|mode| mode == 0o666)
            && fs::read_to_string(self.file()).is_ok_and(|text| text == self.secret)
    }
}
