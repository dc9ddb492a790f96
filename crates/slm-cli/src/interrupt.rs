//! Ctrl-C and a polite kill (SIGINT, SIGTERM): every command says what is saved and how to continue, and ends with 130.
//!
//! A thread watches for the signals. It ends the process at once, except where the command asked to finish a step
//! first; then the second signal ends it.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::printable::printable;

/// Exit code of a command that the user stopped.
pub(crate) const INTERRUPTED: u8 = 130;

/// Pause between two looks for a signal.
const LOOK_EVERY: Duration = Duration::from_millis(30);

/// What the thread has to know of the command.
struct State {
    /// What is saved so far, as a sentence without its full stop; `None` if nothing is.
    saved: Option<String>,
    /// Set by the first signal where the command finishes a step before it stops.
    request: Option<Arc<AtomicBool>>,
    /// Half-written files and folders, which go with the process.
    unfinished: Vec<PathBuf>,
}

static STATE: Mutex<State> = Mutex::new(State {
    saved: None,
    request: None,
    unfinished: Vec::new(),
});

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches for the signals from now on. Where the system refuses, they end the process without a word, as ever.
pub fn watch_interrupts() {
    let (seen, is_ending) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let (look, end) = (Arc::clone(&seen), Arc::clone(&is_ending));
    let watch = move || {
        loop {
            std::thread::sleep(LOOK_EVERY);
            if look.swap(false, Ordering::Relaxed) {
                interrupted(&end);
            }
        }
    };
    // Without the thread nobody would look at the flag.
    if std::thread::Builder::new().spawn(watch).is_err() {
        return;
    }
    for signal in [SIGINT, SIGTERM] {
        // The order matters: a terminal that takes no text keeps no process that is ending already.
        let code = i32::from(INTERRUPTED);
        let _ = flag::register_conditional_shutdown(signal, code, Arc::clone(&is_ending));
        let _ = flag::register(signal, Arc::clone(&seen));
    }
}

/// Ends the process, or asks the command to finish its step.
fn interrupted(is_ending: &AtomicBool) {
    let state = state();
    if let Some(request) = &state.request
        && !request.load(Ordering::Relaxed)
    {
        // Said first: the step may be the last thing that the process does.
        print("stopping after this step; Ctrl-C once more stops at once");
        request.store(true, Ordering::Relaxed);
        return;
    }
    is_ending.store(true, Ordering::Relaxed);
    for path in &state.unfinished {
        remove(path);
    }
    print(&format!("interrupted: {}", state.text()));
    low_level::exit(i32::from(INTERRUPTED));
}

impl State {
    fn text(&self) -> String {
        match &self.saved {
            Some(saved) => format!("{saved}\nhint: continue with `{}`", command_to_continue()),
            None => format!(
                "nothing was saved\nhint: start again with `{}`",
                command_line()
            ),
        }
    }
}

/// Says what is saved, in a sentence without its full stop, should the command be stopped from now on. The same command
/// then continues from there.
pub fn saved_so_far(text: impl Into<String>) {
    state().saved = Some(text.into());
}

/// As [`saved_so_far`] until the guard goes; then what was saved before counts again.
#[must_use]
pub fn saved_meanwhile(text: impl Into<String>) -> SavedMeanwhile {
    SavedMeanwhile(state().saved.replace(text.into()))
}

/// See [`saved_meanwhile`].
#[derive(Debug)]
pub struct SavedMeanwhile(Option<String>);

impl Drop for SavedMeanwhile {
    fn drop(&mut self) {
        state().saved = self.0.take();
    }
}

/// As long as this lives, the first signal ends nothing: the command looks for it between two steps.
#[derive(Debug)]
pub struct StopRequest(Arc<AtomicBool>);

impl StopRequest {
    /// Takes the first signal for the command.
    pub fn watch() -> Self {
        let request = Arc::<AtomicBool>::default();
        state().request = Some(Arc::clone(&request));
        Self(request)
    }

    /// Whether the user asked to stop.
    pub fn is_made(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for StopRequest {
    fn drop(&mut self) {
        state().request = None;
    }
}

/// A file or folder that is being written: it goes if the process is stopped meanwhile.
#[derive(Debug)]
pub struct Unfinished(PathBuf);

impl Unfinished {
    /// Lets `path` go with the process, until this is dropped.
    pub fn new(path: &Path) -> Self {
        state().unfinished.push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        state().unfinished.retain(|path| *path != self.0);
    }
}

/// Removes a file or folder to which another thread may still write.
fn remove(path: &Path) {
    for _ in 0..5 {
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
        if removed.is_ok() || !path.exists() {
            return;
        }
    }
}

/// Prints a line in place of a progress bar.
fn print(text: &str) {
    let mut stderr = std::io::stderr();
    let clear = if stderr.is_terminal() {
        "\r\u{1b}[2K"
    } else {
        ""
    };
    let _ = writeln!(stderr, "{clear}{}", printable(text));
}

/// The command that continues this one, as a shell takes it: this one, but for a word that asks for a new beginning.
pub fn command_to_continue() -> String {
    words(
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()),
        &["--restart"],
    )
}

fn command_line() -> String {
    words(
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()),
        &[],
    )
}

/// Words as a shell takes them, without some of them.
fn words(words: impl Iterator<Item = String>, without: &[&str]) -> String {
    let words = words.filter(|word| !without.contains(&word.as_str()));
    let words: Vec<String> = words.map(|word| shell_word(&word)).collect();
    words.join(" ")
}

/// A word as a shell takes it: in quotes where it would read something else.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_a_shell_takes_it_without_the_word_for_a_new_beginning() {
        let given = [
            "trainer",
            "fit",
            "my recipe.yaml",
            "--set",
            "lora={r: 4}",
            "--restart",
            "it's",
            "",
        ];
        let line = words(given.into_iter().map(str::to_owned), &["--restart"]);
        assert_eq!(
            line,
            r"trainer fit 'my recipe.yaml' --set 'lora={r: 4}' 'it'\''s' ''"
        );
    }

    #[test]
    fn what_is_said_to_be_saved_meanwhile_ends_with_its_guard() {
        saved_so_far("the first part");
        let guard = saved_meanwhile("a download");
        assert!(
            state()
                .text()
                .starts_with("a download\nhint: continue with `")
        );
        drop(guard);
        assert!(state().text().starts_with("the first part\nhint: "));
    }

    #[test]
    fn words_are_quoted_only_where_a_shell_needs_it() {
        let words = ["evaluate.timeout_s=2", "my runs/a", "it's", ""].map(shell_word);
        assert_eq!(
            words,
            ["evaluate.timeout_s=2", "'my runs/a'", r"'it'\''s'", "''"]
        );
    }
}
