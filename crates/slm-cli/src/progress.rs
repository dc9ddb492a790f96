//! Progress of long work on stderr: a bar on a terminal, otherwise a plain line at intervals.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::estimate::Estimate;
use crate::printable::printable;

/// Interval between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Progress of one task.
pub struct Progress {
    label: String,
    unit: &'static str,
    total: u64,
    done: u64,
    message: String,
    started: Instant,
    estimate: Arc<Mutex<Estimate>>,
    display: Display,
}

enum Display {
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Progress {
    /// Starts the display of `label`; `total` is the number of `unit`s, or 0 if unknown. The unit `B` is shown in
    /// larger units such as MB.
    pub fn new(label: &str, total: u64, unit: &'static str) -> Self {
        Self::resumed(0, label, total, unit)
    }

    /// As [`Self::new`], for a task with `before` units finished in an earlier run, which are excluded from the
    /// estimate of the remaining time.
    pub fn resumed(before: u64, label: &str, total: u64, unit: &'static str) -> Self {
        let now = Instant::now();
        let label = printable(label).into_owned();
        let estimate = Arc::new(Mutex::new(Estimate::new(before, total, now)));
        let display = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(total);
            set_style(&bar, unit, total, &estimate);
            bar.set_prefix(label.clone());
            bar.set_position(before);
            bar.enable_steady_tick(Duration::from_millis(500));
            Display::Bar(bar)
        } else {
            Display::Lines { last: now }
        };
        Self {
            label,
            unit,
            total,
            done: before,
            message: String::new(),
            started: now,
            estimate,
            display,
        }
    }

    /// Declares that all units take the same time except possibly the first, which is then excluded from the estimate
    /// of the remaining time.
    #[must_use]
    pub fn uniform(self) -> Self {
        self.estimate().set_uniform();
        self
    }

    /// Changes the total.
    pub fn set_total(&mut self, total: u64) {
        self.estimate().set_total(total);
        if let Display::Bar(bar) = &self.display {
            if (self.total == 0) != (total == 0) {
                set_style(bar, self.unit, total, &self.estimate);
            }
            bar.set_length(total);
        }
        self.total = total;
    }

    /// Updates the display: `done` units are finished; `message` is shown after the numbers.
    pub fn set(&mut self, done: u64, message: impl Into<String>) {
        self.estimate().set(done, Instant::now());
        self.done = done;
        self.message = printable(&message.into()).into_owned();
        match &mut self.display {
            Display::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(self.message.clone());
            }
            Display::Lines { last } => {
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    self.line();
                }
            }
        }
    }

    /// Excludes time that just passed from the rate of units, such as that of a validation; `left` more such pauses are
    /// expected.
    pub fn exclude(&mut self, pause: Duration, left: u64) {
        let mut estimate = self.estimate();
        estimate.exclude(pause, Instant::now());
        estimate.expect(left, pause);
    }

    /// Sets the number and length of the expected pauses.
    pub fn expect(&mut self, left: u64, pause: Duration) {
        self.estimate().expect(left, pause);
    }

    fn estimate(&self) -> std::sync::MutexGuard<'_, Estimate> {
        self.estimate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a note, above the bar if there is one.
    pub fn note(&self, text: &str) {
        match &self.display {
            Display::Bar(bar) => bar.suspend(|| print_line(text)),
            Display::Lines { .. } => print_line(text),
        }
    }

    /// Removes the display.
    pub fn clear(self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }

    /// Replaces the display by a final line, and returns the time taken.
    pub fn finish(self) -> Duration {
        let elapsed = self.started.elapsed();
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
        let message = if self.message.is_empty() {
            String::new()
        } else {
            format!("  {}", self.message)
        };
        print_line(&format!(
            "{:18} {} in {}{message}",
            self.label,
            self.amount(self.done),
            duration_text(elapsed)
        ));
        elapsed
    }

    fn amount(&self, count: u64) -> String {
        if self.unit == "B" {
            bytes_text(count)
        } else {
            format!("{count} {}", self.unit)
        }
    }

    fn line(&self) {
        let elapsed = duration_text(self.started.elapsed());
        let (label, message) = (&self.label, &self.message);
        if self.total == 0 {
            let done = self.amount(self.done);
            return print_line(&format!("{label:18} {done}  {elapsed}  {message}"));
        }
        let eta = eta_text(&self.estimate());
        let percent = 100 * self.done.min(self.total) / self.total;
        let of = self.amount(self.total);
        let done = if self.unit == "B" {
            bytes_text(self.done)
        } else {
            self.done.to_string()
        };
        print_line(&format!(
            "{label:18} {done}/{of} {percent:3} %  {elapsed}  ETA {eta}  {message}"
        ));
    }
}

/// Size in bytes below which a step is too short for a line.
const SMALL_BYTES: u64 = 1_000_000;

/// Consecutive steps of a fetch, with a display each.
#[derive(Default)]
pub(crate) struct Steps {
    shown: Option<(String, String, Progress)>,
}

impl Steps {
    /// Shows that step `label` has reached `bytes` of `file`; another label or file ends the previous display.
    pub(crate) fn show(&mut self, label: &str, file: &str, bytes: u64, total: Option<u64>) {
        let is_shown = |(of, with, _): &(String, String, Progress)| of == label && with == file;
        if !self.shown.as_ref().is_some_and(is_shown) {
            self.end();
            // A resumed download starts with the bytes of the earlier attempt.
            let progress = Progress::resumed(bytes, label, total.unwrap_or(0), "B");
            self.shown = Some((label.to_owned(), file.to_owned(), progress));
        }
        if let Some((_, _, progress)) = &mut self.shown {
            progress.set_total(total.unwrap_or(0));
            progress.set(bytes, file);
        }
    }

    /// Prints a line between two displays.
    pub(crate) fn note(&mut self, text: &str) {
        if let Some((_, _, progress)) = self.shown.take() {
            progress.clear();
        }
        print_line(text);
    }

    /// Ends the last display.
    pub(crate) fn finish(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some((_, file, progress)) = self.shown.take() {
            if file.is_empty() || progress.done >= SMALL_BYTES {
                progress.finish();
            } else {
                progress.clear();
            }
        }
    }
}

/// Sets the style of a bar: without a total there is neither a bar nor a remaining time.
fn set_style(bar: &ProgressBar, unit: &str, total: u64, estimate: &Arc<Mutex<Estimate>>) {
    // The bar takes the space that label and numbers leave: on a narrow terminal the numbers matter more.
    let template = match (unit, total) {
        ("B", 0) => "{prefix} {bytes}  {elapsed}  {msg}".to_owned(),
        (_, 0) => format!("{{prefix}} {{pos}} {unit}  {{elapsed}}  {{msg}}"),
        ("B", _) => "{prefix} {wide_bar} {bytes}/{total_bytes}  ETA {left}  {msg}".to_owned(),
        _ => format!("{{prefix}} {{wide_bar}} {{pos}}/{{len}} {unit}  ETA {{left}}  {{msg}}"),
    };
    let estimate = Arc::clone(estimate);
    let left = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
        let text = eta_text(&estimate.lock().unwrap_or_else(PoisonError::into_inner));
        // Writing to memory cannot fail.
        let _ = out.write_str(&text);
    };
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.with_key("left", left).progress_chars("=> "));
    }
}

/// Formats the remaining time, `-` while it is unknown.
fn eta_text(estimate: &Estimate) -> String {
    estimate
        .time_left(Instant::now())
        .map_or_else(|| "-".to_owned(), duration_text)
}

/// Writes to stderr; a closed stderr must not end a long run.
fn print_line(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printable(line.trim_end()));
}

/// Formats a duration: `8.3 s`, `4 min 05 s`, `3 h 20 min`.
pub fn duration_text(duration: Duration) -> String {
    let s = duration.as_secs();
    match s {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

/// Formats a size in decimal units, as downloads are measured.
pub fn bytes_text(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_naturally() {
        let text = |s: f64| duration_text(Duration::from_secs_f64(s));
        assert_eq!(
            [text(8.34), text(245.0), text(12_000.0)],
            ["8.3 s", "4 min 05 s", "3 h 20 min"]
        );
    }

    #[test]
    fn sizes_read_naturally() {
        assert_eq!(
            [bytes_text(1_500), bytes_text(98_300_000)],
            ["1.5 kB", "98.3 MB"]
        );
    }
}
