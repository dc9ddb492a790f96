//! Hostile programs: one property a test, judged from outside of the box wherever that can tell.
//!
//! Every program is run through [`check`], which also asks that the harness itself keeps working
//! and that nothing the program started is left. What reaches out of a box is tried at level A and
//! at level B, the rest in the strongest box that the machine has. To see the tests fail, set
//! `HOSTILE_LEVEL=C` (as an unprivileged user!): no wall stands there.

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

/// Levels whose walls keep a program from the rest of the machine.
const WALLED: &[Level] = &[Level::A, Level::B];

/// In place of a level: the best that works here.
const STRONGEST: &[Level] = &[];

/// Where level B finds a Python that any user can read, whoever owns the default one.
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

/// The sandbox of a level, made once; `None` after a line on stderr if this machine lacks it.
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

/// Writes past the capture of a test's output, so that a skipped test is seen.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn strongest() -> Option<&'static Sandbox> {
    sandbox_at(Level::A).or_else(|| sandbox_at(Level::B))
}

/// Runs `job` in a box of each level, and hands each outcome to `judge`, which panics if what was
/// meant to be impossible happened.
///
/// # Panics
/// If the harness itself fails, whatever the program did.
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

/// Limits under which a program that never ends does not hold up the others.
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
    }
}

/// Turns a program that defines `attempt()` into one whose `attack()` tells how that went.
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

/// Calls `attempt()` of a program at levels A and B. It must be denied by an error of the system
/// or end as a violation; `is_unharmed` looks from outside.
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

/// Calls `attempt()` of a program at levels A and B: whatever it does, `is_unharmed` must hold.
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

/// A program that a forbidden system call must end.
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

/// What `attack()` returned, if it was text; else nothing.
fn answer(outcome: &Outcome) -> String {
    match outcome.calls.first().map(|call| &call.returned) {
        Some(Returned::Value(value)) => match value.root() {
            Node::Str(text) => text.to_string(),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

/// A wrong program that wants to be taken for a right one: no test of it may pass.
fn forged(program: &str, tests: &[&str]) {
    forged_job(&asserts_of(program, tests));
}

fn forged_job(job: &Job) {
    check(STRONGEST, job, &short(), |outcome| {
        assert_ne!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
        assert_eq!(outcome.pass_ratio(), Some(0.0), "{outcome:#?}");
    });
}

/// A program that must come to an end of this kind.
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

/// Text that nothing else on this machine contains.
fn nonce() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("nonce-{}-{number}-", std::process::id())
}

/// Whether a living process has this text among its arguments.
fn is_running(marker: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("/proc");
    processes.flatten().any(|entry| {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        // The helper's policy and the like never hold it: only what a program itself starts.
        String::from_utf8_lossy(&arguments).contains(marker)
    })
}

/// Whether no process with this text is left a moment later.
fn has_vanished(marker: &str) -> bool {
    for _ in 0..200 {
        if !is_running(marker) {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    false
}

/// Python's spelling of a path.
fn quoted(path: &Path) -> String {
    format!("{:?}", path.to_str().expect("a path in UTF-8"))
}

/// A folder outside of every box in which only a box's walls protect: anyone may read and write.
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

    /// Python's names for both.
    fn names(&self) -> String {
        format!(
            "FOLDER = {}\nFILE = {}\n",
            quoted(self.folder.path()),
            quoted(&self.file())
        )
    }

    /// Whether the folder holds what it held at first, as it was.
    fn is_untouched(&self) -> bool {
        let entries = fs::read_dir(self.folder.path()).expect("the folder is there");
        let mode = fs::metadata(self.file()).map(|data| data.permissions().mode() & 0o7777);
        entries.count() == 1
            && mode.is_ok_and(|mode| mode == 0o666)
            && fs::read_to_string(self.file()).is_ok_and(|text| text == self.secret)
    }
}
