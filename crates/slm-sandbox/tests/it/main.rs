//! Runs programs for real: honest, unusual and hostile ones.

mod hostile;
mod limits;
mod ordinary_user;
mod programs;
mod standard_library;

use std::path::Path;
use std::sync::LazyLock;

use slm_sandbox::{Interpreter, Job, Level, LevelChoice, Limits, Outcome, Sandbox, Verdict, Work};

/// Returns the interpreter for the tests: `PYTHON`, or the first `python3`.
fn interpreter() -> Interpreter {
    let named = std::env::var_os("PYTHON");
    Interpreter::resolve(named.as_deref().map(Path::new)).expect("the tests need python3")
}

/// Returns the sandbox shared by all tests, the strongest of this machine.
fn sandbox() -> &'static Sandbox {
    static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
        Sandbox::new(interpreter(), Limits::default()).expect("a sandbox of level A or B")
    });
    &SANDBOX
}

/// Returns a sandbox of level C, which works on any machine and does not isolate.
fn unsafe_sandbox() -> Sandbox {
    let choice = LevelChoice::Exactly(Level::C);
    Sandbox::with_level(interpreter(), Limits::default(), choice).expect("level C")
}

/// Returns limits that end a test of CPU time soon, but not by wall time on a busy machine.
fn cpu_limit(cpu_s: f64) -> Limits {
    Limits {
        wall_s: 300.0,
        ..Limits::default().with_cpu_s(cpu_s)
    }
}

fn asserts(program: &str, tests: &[&str]) -> Job {
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

fn run_with(limits: &Limits, program: &str, tests: &[&str]) -> Outcome {
    sandbox()
        .run(&asserts(program, tests), limits)
        .expect("the harness itself works")
}

fn run(program: &str, tests: &[&str]) -> Outcome {
    run_with(&Limits::default(), program, tests)
}

/// Runs the tests and checks the verdict and a part of the detail.
fn check(program: &str, tests: &[&str], verdict: Verdict, detail: &str) -> Outcome {
    let outcome = run(program, tests);
    assert_eq!(outcome.verdict, verdict, "{outcome:#?}");
    assert!(outcome.detail.contains(detail), "{outcome:#?}");
    outcome
}

/// Returns whether a process with this text among its arguments exists and is no zombie.
fn is_running(marker: &str) -> bool {
    std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .any(|entry| {
            let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&arguments).contains(marker)
        })
}

const ADD: &str = "def add(a, b):\n    return a + b\n";
