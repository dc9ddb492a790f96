//! `speed.jsonl`: when each logged step was done. Apart from the log, which has no times.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Name of the file inside the run's folder.
pub(crate) const SPEED_FILE: &str = "speed.jsonl";

/// A logged step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpeedLine {
    /// Optimizer steps done.
    pub(crate) step: usize,
    /// Tokens read since the start, without padding.
    pub(crate) tokens: usize,
    /// Wall time of the training over all its starts, in seconds, with validations and checkpoints.
    pub(crate) seconds: f64,
}

/// Appends a line.
///
/// # Errors
/// The disk is full.
pub(crate) fn append(run: &Path, line: SpeedLine) -> Result<()> {
    let path = run.join(SPEED_FILE);
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let text = serde_json::to_string(&line)? + "\n";
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Returns the lines by step; of a step that a resumed training repeated, the last. A half-written line is skipped, and
/// without the file there are none.
pub(crate) fn read(run: &Path) -> Vec<SpeedLine> {
    let text = fs::read_to_string(run.join(SPEED_FILE)).unwrap_or_default();
    let mut lines: Vec<SpeedLine> = Vec::new();
    for line in text
        .lines()
        .filter_map(|line| serde_json::from_str::<SpeedLine>(line).ok())
    {
        while lines.last().is_some_and(|last| last.step >= line.step) {
            lines.pop();
        }
        lines.push(line);
    }
    lines
}

/// Returns the tokens per second between each logged step and the one before it, by step.
pub(crate) fn rates(lines: &[SpeedLine]) -> Vec<(f64, f64)> {
    let start = SpeedLine {
        step: 0,
        tokens: 0,
        seconds: 0.0,
    };
    let before = std::iter::once(&start).chain(lines);
    let pairs = before.zip(lines);
    pairs
        .filter(|(before, line)| line.seconds > before.seconds && line.tokens >= before.tokens)
        .map(|(before, line)| {
            let tokens = (line.tokens - before.tokens) as f64;
            (line.step as f64, tokens / (line.seconds - before.seconds))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: usize, tokens: usize, seconds: f64) -> SpeedLine {
        SpeedLine {
            step,
            tokens,
            seconds,
        }
    }

    #[test]
    fn a_resumed_training_replaces_the_steps_that_it_repeats() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for line in [
            line(1, 10, 2.0),
            line(2, 30, 4.0),
            line(3, 40, 6.0),
            line(2, 30, 5.0),
        ] {
            append(folder.path(), line).expect("written");
        }
        let half = OpenOptions::new()
            .append(true)
            .open(folder.path().join(SPEED_FILE));
        half.and_then(|mut file| file.write_all(b"{\"step\": 3, \"tok"))
            .expect("written");
        let lines = read(folder.path());
        assert_eq!(lines, [line(1, 10, 2.0), line(2, 30, 5.0)]);
        assert_eq!(rates(&lines), [(1.0, 5.0), (2.0, 20.0 / 3.0)]);
    }

    #[test]
    fn a_clock_that_stands_still_gives_no_rate() {
        assert_eq!(rates(&[line(1, 10, 0.0), line(2, 20, 0.0)]), []);
        assert_eq!(read(Path::new("no-such-folder")), []);
    }
}
