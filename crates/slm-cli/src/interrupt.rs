//! Handling of Ctrl-C and `kill` (SIGINT, SIGTERM): every command reports what is saved and how to continue, and exits
//! with 130.
//!
//! A thread polls for the signals. It ends the process immediately, unless the command has asked to finish a step
//! first; in that case the second signal ends it.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::environment::text;
use crate::printable::printable;

/// Exit code of a command that the user stopped.
pub(crate) const INTERRUPTED: u8 = 130;

/// The environment variable by which `trainer improve` has a command end with it: set to 1, the command ends when its
/// standard input does.
pub const PARENT_PIPE: &str = "SLM_PARENT_PIPE";

/// Interval between two polls for a signal.
const LOOK_EVERY: Duration = Duration::from_millis(30);

/// The command's state, as needed by the thread.
struct State {
    /// What is saved, as a sentence without its full stop; `None` if nothing is.
    saved: Option<String>,
    /// Set by the first signal if the command finishes a step before it stops.
    request: Option<Arc<AtomicBool>>,
    /// Incomplete files and folders, which are removed when the process is stopped.
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

/// Starts to watch for the signals, and for the end of a parent that asks for it. If this fails, the signals end the
/// process without a message, as by default.
pub fn watch_interrupts() {
    if text(PARENT_PIPE).as_deref() == Some("1") {
        watch_parent();
    }
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
    // Without the thread nothing would poll the flag.
    if std::thread::Builder::new().spawn(watch).is_err() {
        return;
    }
    for signal in [SIGINT, SIGTERM] {
        // The order matters: once the process is ending, another signal ends it even if writing to the terminal blocks.
        let code = i32::from(INTERRUPTED);
        let _ = flag::register_conditional_shutdown(signal, code, Arc::clone(&is_ending));
        let _ = flag::register(signal, Arc::clone(&seen));
    }
}

/// Ends the process with its parent. The parent holds the other end of standard input, which the system closes when the
/// parent ends in any way, also by a kill that it cannot catch. Otherwise the next start of the parent's command would
/// write the same files as this process.
fn watch_parent() {
    let watch = || {
        let mut byte = [0];
        // The parent writes nothing; an error ends the watch as well.
        while matches!(std::io::stdin().read(&mut byte), Ok(1)) {}
        // Not even a step is finished: the next start may already wait for the files.
        end(&state(), "the command that started this one has ended");
    };
    let _ = std::thread::Builder::new().spawn(watch);
}

/// Removes unfinished files, and ends the process.
fn end(state: &State, text: &str) -> ! {
    for path in &state.unfinished {
        remove(path);
    }
    print(text);
    low_level::exit(i32::from(INTERRUPTED))
}

/// Ends the process, or asks the command to finish its step.
fn interrupted(is_ending: &AtomicBool) {
    let state = state();
    if let Some(request) = &state.request
        && !request.load(Ordering::Relaxed)
    {
        // Printed first, because the process may end with the step.
        print("stopping after this step; press Ctrl-C again to stop at once");
        request.store(true, Ordering::Relaxed);
        return;
    }
    is_ending.store(true, Ordering::Relaxed);
    end(&state, &format!("interrupted: {}", state.text()))
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

/// Sets the message for an interruption from now on: what is saved, as a sentence without its full stop. The same
/// command then continues from there.
pub fn saved_so_far(text: impl Into<String>) {
    state().saved = Some(text.into());
}

/// As [`saved_so_far`] until the guard is dropped, which restores the previous message.
#[must_use]
pub fn saved_meanwhile(text: impl Into<String>) -> SavedMeanwhile {
    SavedMeanwhile(state().saved.replace(text.into()))
}

/// Guard of [`saved_meanwhile`].
#[derive(Debug)]
pub struct SavedMeanwhile(Option<String>);

impl Drop for SavedMeanwhile {
    fn drop(&mut self) {
        state().saved = self.0.take();
    }
}

/// While this exists, the first signal does not end the process: the command checks for it between two steps.
#[derive(Debug)]
pub struct StopRequest(Arc<AtomicBool>);

impl StopRequest {
    /// Registers the command for the first signal.
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

/// A file or folder that is being written, to be removed if the process is stopped.
#[derive(Debug)]
pub struct Unfinished(PathBuf);

impl Unfinished {
    /// Registers `path` for removal until this is dropped.
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

/// Removes a file or folder to which another thread may still be writing.
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

/// Returns the shell command that continues this one: the same command without `--restart`.
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

/// Joins words to a shell command, without those in `without`.
fn words(words: impl Iterator<Item = String>, without: &[&str]) -> String {
    let words = words.filter(|word| !without.contains(&word.as_str()));
    let words: Vec<String> = words.map(|word| shell_word(&word)).collect();
    words.join(" ")
}

/// Quotes a word for a shell where necessary.
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
