//! Progress of long work on stderr: a bar on a terminal, now and then a plain line in a log.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Pause between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Progress of one piece of work of known length.
pub struct Progress {
    label: String,
    unit: &'static str,
    total: u64,
    /// Units that were finished before this began.
    before: u64,
    done: u64,
    message: String,
    started: Instant,
    display: Display,
}

enum Display {
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Progress {
    /// Begins to show `label`; `total` counts `unit`s, 0 if it is not known. `B` as the unit is shown as MB.
    pub fn new(label: &str, total: u64, unit: &'static str) -> Self {
        Self::resumed(0, label, total, unit)
    }

    /// As [`Self::new`], for work of which `before` units were finished at another time: they have no part in what is
    /// said of the time left.
    pub fn resumed(before: u64, label: &str, total: u64, unit: &'static str) -> Self {
        let now = Instant::now();
        let display = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(total);
            set_style(&bar, label, unit, total);
            bar.set_prefix(unit);
            bar.set_position(before);
            bar.reset_eta();
            bar.enable_steady_tick(Duration::from_millis(500));
            Display::Bar(bar)
        } else {
            Display::Lines { last: now }
        };
        Self {
            label: label.to_owned(),
            unit,
            total,
            before,
            done: before,
            message: String::new(),
            started: now,
            display,
        }
    }

    /// Changes what is known of the total.
    pub fn set_total(&mut self, total: u64) {
        if let Display::Bar(bar) = &self.display {
            if (self.total == 0) != (total == 0) {
                set_style(bar, &self.label, self.unit, total);
            }
            bar.set_length(total);
        }
        self.total = total;
    }

    /// Shows that `done` units are finished, with a few words on how it goes.
    pub fn set(&mut self, done: u64, message: impl Into<String>) {
        self.done = done;
        self.message = message.into();
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

    /// Prints a note on how it goes, above the bar if there is one.
    pub fn note(&self, text: &str) {
        match &self.display {
            Display::Bar(bar) => bar.suspend(|| print_line(text)),
            Display::Lines { .. } => print_line(text),
        }
    }

    /// Ends the display and leaves nothing of it.
    pub fn clear(self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }

    /// Ends the display with a last line that stays, and gives the time taken.
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
        let elapsed = self.started.elapsed();
        if self.total == 0 {
            let (label, done) = (&self.label, self.amount(self.done));
            let text = format!(
                "{label:18} {done}  {}  {}",
                duration_text(elapsed),
                self.message
            );
            return print_line(&text);
        }
        let eta = time_left(
            elapsed,
            self.done.saturating_sub(self.before),
            self.total,
            self.done,
        )
        .map_or_else(|| "unknown".to_owned(), duration_text);
        let percent = (100 * self.done.min(self.total))
            .checked_div(self.total)
            .unwrap_or(0);
        let of = self.amount(self.total);
        let done = if self.unit == "B" {
            bytes_text(self.done)
        } else {
            self.done.to_string()
        };
        print_line(&format!(
            "{:18} {done}/{of} {percent:3} %  {} ETA {eta}  {}",
            self.label,
            duration_text(elapsed),
            self.message
        ));
    }
}

/// Bytes below which a step is over before it is worth a line of its own.
const SMALL_BYTES: u64 = 1_000_000;

/// Steps of a fetch, one after the other, each with a display of its own.
#[derive(Default)]
pub(crate) struct Steps {
    shown: Option<(String, String, Progress)>,
}

impl Steps {
    /// Shows that `label` has come to `bytes` of `file`; another label or file ends the display of the one before.
    pub(crate) fn show(&mut self, label: &str, file: &str, bytes: u64, total: Option<u64>) {
        let is_shown = |(of, with, _): &(String, String, Progress)| of == label && with == file;
        if !self.shown.as_ref().is_some_and(is_shown) {
            self.end();
            let progress = Progress::new(label, total.unwrap_or(0), "B");
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

/// How a bar looks: without a total there is neither a share nor an end to be told.
fn set_style(bar: &ProgressBar, label: &str, unit: &str, total: u64) {
    let shown = match (unit, total) {
        ("B", 0) => "{bytes}  {elapsed}",
        (_, 0) => "{pos} {prefix}  {elapsed}",
        ("B", _) => "{wide_bar} {bytes}/{total_bytes}  ETA {eta}",
        _ => "{wide_bar} {pos}/{len} {prefix}  ETA {eta}",
    };
    // The label stands in the template, the changing part in the message. The bar takes what they leave: on a narrow
    // terminal the numbers matter more.
    let template = format!("{label} {shown}  {{msg}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

/// Time until all is done, if it goes on as it went; `None` if nothing is known of that.
fn time_left(elapsed: Duration, done_since: u64, total: u64, done: u64) -> Option<Duration> {
    let left = total.checked_sub(done)?;
    (done_since > 0).then(|| elapsed.mul_f64(left as f64 / done_since as f64))
}

/// Writes to stderr; a closed stderr must not end a night's run.
fn print_line(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", line.trim_end());
}

/// A duration as people say it: `8.3 s`, `4 min 05 s`, `3 h 20 min`.
pub fn duration_text(duration: Duration) -> String {
    let s = duration.as_secs();
    match s {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

/// A size in the decimal units that download sizes are given in.
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
    fn the_time_left_follows_from_what_was_done_since_the_beginning_alone() {
        let minute = Duration::from_mins(1);
        assert_eq!(time_left(minute, 10, 40, 10), Some(3 * minute));
        // Gone on from step 30 of 40.
        assert_eq!(time_left(minute, 5, 40, 35), Some(minute));
        assert_eq!(time_left(minute, 0, 40, 30), None);
        assert_eq!(time_left(minute, 5, 0, 5), None);
    }

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
