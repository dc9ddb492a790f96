//! Time to extract a program from long answers, and from answers twice as long: it must not grow faster than
//! linearly.
//!
//! ```sh
//! cargo bench -p slm-metrics --bench extraction
//! ```
#![allow(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use slm_metrics::syntax::{Form, Wanted, extract_program};

/// Number of rounds, of which the fastest counts.
const ROUNDS: usize = 20;
/// Number of lines of an answer that must be processed within [`LIMIT`].
const LINES: usize = 2_000;
const LIMIT: Duration = Duration::from_millis(10);

/// Returns answers of about `lines` lines, each kind with a potential for slowness.
fn answers(lines: usize) -> [(&'static str, String); 7] {
    let function = |i: usize| {
        format!(
            "def f{i}(x):\n    if x > {i}:\n        return f{}(x)\n    return [y for y in range(x)]\n\n",
            i.saturating_sub(1)
        )
    };
    let functions: String = (0..lines / 5).map(function).collect();
    let last = lines / 5 - 1;
    let entry = format!("def entry(x):\n    return f{last}(x)\n");
    let mut fences = String::new();
    let mut rebinding = String::from("def entry():\n    return x\n");
    for i in 0..lines / 4 {
        let _ = write!(fences, "Prose {i}.\n```python\nx = {i}\n```\n");
        let _ = write!(
            rebinding,
            "x = entry\nx.append({i})\ndef x():\n    return {i}\n"
        );
    }
    [
        (
            "functions that need each other",
            format!("{functions}{entry}"),
        ),
        (
            "the same in one fence",
            format!("Here it is:\n```python\n{functions}{entry}```\n"),
        ),
        (
            "cut off in the middle",
            format!("{functions}{entry}    if (x and ["),
        ),
        ("many fences", format!("{fences}```python\n{entry}```\n")),
        (
            "only prose",
            "This line is no Python at all, isn't it?\n".repeat(lines),
        ),
        (
            "prose that names the entry point",
            "This entry is no Python at all, isn't it?\n".repeat(lines),
        ),
        ("one name bound repeatedly", rebinding),
    ]
}

fn fastest(answer: &str) -> Duration {
    let time = || {
        let start = Instant::now();
        let wanted = Wanted::entry_point("entry");
        std::hint::black_box(extract_program(answer, Form::Whole, &wanted));
        start.elapsed()
    };
    (0..ROUNDS).map(|_| time()).min().unwrap_or_default()
}

fn main() {
    let doubled = answers(2 * LINES);
    for ((name, answer), (_, longer)) in answers(LINES).iter().zip(&doubled) {
        let (time, twice) = (fastest(answer), fastest(longer));
        let growth = twice.as_secs_f64() / time.as_secs_f64();
        let verdict = if time < LIMIT { "" } else { "  TOO SLOW" };
        println!(
            "{name:34} {:6.2} ms for {LINES} lines, {growth:.1} times as long for twice as many{verdict}",
            1e3 * time.as_secs_f64()
        );
    }
}
