//! Overhead of a box: `cargo bench -p slm-sandbox`.
//!
//! Alternately times a bare `python -I -B -c pass` and a program with one call in a new box, so that a busy
//! machine affects both equally, and prints the medians and their difference.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

use std::process::{Command, Stdio};
use std::time::Instant;

use slm_sandbox::{Call, Interpreter, Job, Level, LevelChoice, Limits, Sandbox, Work};

const ROUNDS: usize = 60;

fn main() {
    let named = std::env::var_os("PYTHON");
    let interpreter = Interpreter::resolve(named.as_deref().map(std::path::Path::new))
        .expect("a Python to measure with");
    println!(
        "python {} ({})",
        interpreter.version,
        interpreter.executable.display()
    );
    println!(
        "{:<28} {:>9} {:>9} {:>9}",
        "milliseconds a program", "bare", "boxed", "cost"
    );
    for level in [Level::A, Level::B, Level::C] {
        let choice = LevelChoice::Exactly(level);
        match Sandbox::with_level(interpreter.clone(), Limits::default(), choice) {
            Ok(sandbox) => {
                measure(&sandbox, "function", &function());
                measure(&sandbox, "asserts in their own box", &asserts());
            }
            Err(error) => println!("level {level}: {error}"),
        }
    }
}

fn function() -> Job {
    Job {
        program: "def double(x):\n    return 2 * x\n".into(),
        preamble: String::new(),
        work: Work::Calls {
            entry_point: "double".into(),
            calls: vec![Call {
                arguments: "(21,)".into(),
                cpu_s: 1.0,
            }],
        },
        tree: None,
    }
}

fn asserts() -> Job {
    Job {
        work: Work::Asserts {
            setup: String::new(),
            entry_point: "double".into(),
            tests: vec!["assert double(21) == 42".into()],
        },
        ..function()
    }
}

fn measure(sandbox: &Sandbox, name: &str, job: &Job) {
    let (mut bare, mut boxed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let status = Command::new(&sandbox.interpreter().executable)
            .args(["-I", "-B", "-c", "pass"])
            .env_clear()
            .stdin(Stdio::null())
            .status();
        assert!(status.is_ok_and(|status| status.success()), "bare Python");
        bare.push(started.elapsed().as_secs_f64() * 1e3);
        let started = Instant::now();
        let outcome = sandbox.run(job, sandbox.limits()).expect("a box");
        assert!(outcome.detail.is_empty(), "{outcome:?}");
        boxed.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let (bare, boxed) = (median(bare), median(boxed));
    let name = format!("level {}, {name}", sandbox.level());
    println!("{name:<36} {bare:>9.1} {boxed:>9.1} {:>9.1}", boxed - bare);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
