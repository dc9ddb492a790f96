//! Files per second of this crate and of radon on the Python files of a folder, in one run.
//!
//! ```sh
//! METRICS_BENCH_FOLDER=/usr/lib/python3.11 METRICS_BENCH_PYTHON=.venv/bin/python cargo bench -p slm-metrics
//! ```
//!
//! Without a Python that has radon only this crate is timed; without a folder nothing is. Files that radon
//! cannot analyse within ten seconds are excluded on both sides.
#![allow(
    clippy::print_stdout,
    reason = "a benchmark's result is what it prints"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Number of rounds over all files, of which the fastest counts.
const ROUNDS: usize = 5;

fn main() {
    let Some(folder) = std::env::var_os("METRICS_BENCH_FOLDER") else {
        println!("set METRICS_BENCH_FOLDER to a folder of Python files");
        return;
    };
    let mut paths = Vec::new();
    collect(Path::new(&folder), &mut paths);
    paths.sort();
    let mut files: Vec<(PathBuf, String)> = paths
        .into_iter()
        .filter_map(|path| Some((path.clone(), std::fs::read_to_string(path).ok()?)))
        .collect();

    let radon = std::env::var_os("METRICS_BENCH_PYTHON").map(|python| {
        let seconds = radon_seconds(Path::new(&python), &files);
        let mut counted = seconds.iter().map(Option::is_some);
        files.retain(|_| counted.next().unwrap_or(false));
        seconds.into_iter().flatten().sum::<f64>()
    });
    let n_lines: usize = files.iter().map(|(_, source)| source.lines().count()).sum();
    println!("{} files, {n_lines} lines", files.len());

    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let single = fastest(|| count_all(&files, 1)).as_secs_f64();
    let parallel = fastest(|| count_all(&files, threads)).as_secs_f64();
    let n_files = files.len() as f64;
    println!("metrics, 1 thread: {:.0} files/s", n_files / single);
    println!(
        "metrics, {threads} threads: {:.0} files/s",
        n_files / parallel
    );
    if let Some(radon) = radon {
        println!("radon, 1 thread: {:.2} files/s", n_files / radon);
        println!(
            "one thread compared with radon's: {:.0} times as fast",
            radon / single
        );
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&path, paths),
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|e| e == "py") => {
                paths.push(path);
            }
            _ => {}
        }
    }
}

fn fastest(mut run: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed());
    }
    best
}

fn count_all(files: &[(PathBuf, String)], threads: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((_, source)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = std::hint::black_box(slm_metrics::analyze(source));
                }
            });
        }
    });
}

/// Returns radon's time for each file, `None` if it failed.
fn radon_seconds(python: &Path, files: &[(PathBuf, String)]) -> Vec<Option<f64>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/radon_speed.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("METRICS_BENCH_PYTHON runs");
    let list: Vec<String> = files
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    let mut stdin = child.stdin.take().expect("piped");
    stdin
        .write_all(list.join("\n").as_bytes())
        .expect("radon reads its list");
    drop(stdin);
    let output = child.wait_with_output().expect("radon ends");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines.lines().map(|line| line.parse().ok()).collect()
}
