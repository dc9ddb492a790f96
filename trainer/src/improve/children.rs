//! The programs that carry out the stages, beside this one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use slm_cli::{
    Interrupted, PARENT_PIPE, StopRequest, UserMistake, command_to_continue, shell_word,
};

/// A program of this project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Answers tasks and selects answers.
    Evaluator,
    /// Trains.
    Trainer,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Evaluator => "evaluator",
            Self::Trainer => "trainer",
        }
    }
}

/// A command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) program: Program,
    pub(super) words: Vec<String>,
}

impl Words {
    /// Returns it as a shell takes it.
    pub(super) fn text(&self) -> String {
        let words = self.words.iter().map(|word| shell_word(word));
        let all: Vec<String> = [self.program.name().to_owned()]
            .into_iter()
            .chain(words)
            .collect();
        all.join(" ")
    }
}

/// Where the programs are.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
}

/// How a command that was not stopped ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It did all that was asked.
    Done,
    /// Some answers could not be scored (exit code 3); the others are complete.
    Incomplete,
    /// It refused what was asked (exit code 2).
    Refused,
}

impl Programs {
    /// Finds the programs in the folder of this one.
    ///
    /// # Errors
    /// One of them is not there.
    pub(super) fn find() -> Result<Self> {
        let own = std::env::current_exe().context("cannot find the folder of this program")?;
        let folder = own.parent().unwrap_or(Path::new("")).to_owned();
        for program in [Program::Evaluator, Program::Trainer] {
            let path = path_of(&folder, program);
            if !path.is_file() {
                let text = format!(
                    "{} is missing: `trainer improve` starts the {} that is in the folder of the trainer\n\
                     hint: install both programs in one folder, or build both with `cargo build --release`",
                    path.display(),
                    program.name()
                );
                return Err(UserMistake(text).into());
            }
        }
        Ok(Self { folder })
    }

    /// Runs a command to its end, and returns how it ended and after how many seconds. What it prints as its result
    /// becomes a note.
    ///
    /// # Errors
    /// It failed otherwise than [`Ended`] lists, or the user stopped it.
    pub(super) fn run(
        &self,
        command: &Words,
        what: &str,
        stop: &StopRequest,
    ) -> Result<(Ended, f64)> {
        let path = path_of(&self.folder, command.program);
        let begin = Instant::now();
        let mut child = Command::new(&path)
            .args(command.words.iter().map(OsString::from))
            .env(PARENT_PIPE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("cannot start {}", path.display()))?;
        // Open until the child has ended: if this process is killed, the child sees its standard input end, and ends.
        let _alive = child.stdin.take();
        let output = child
            .wait_with_output()
            .with_context(|| format!("cannot wait for {}", path.display()))?;
        let seconds = begin.elapsed().as_secs_f64();
        let said = String::from_utf8_lossy(&output.stdout);
        for line in said.lines() {
            slm_cli::note(&format!("{what}: {line}"));
        }
        match output.status.code() {
            Some(0) => Ok((Ended::Done, seconds)),
            Some(3) => Ok((Ended::Incomplete, seconds)),
            Some(2) => Ok((Ended::Refused, seconds)),
            Some(130) => Err(interrupted(what)),
            Some(_) | None if stop.is_made() => Err(interrupted(what)),
            code => {
                let code = code.map_or_else(
                    || output.status.to_string(),
                    |code| format!("exit code {code}"),
                );
                Err(anyhow!(
                    "{what} failed with {code}: {}\n\
                     hint: the stages before it are finished; `{}` continues",
                    command.text(),
                    command_to_continue()
                ))
            }
        }
    }
}

/// The user stopped the run in or after a stage.
pub(super) fn interrupted(what: &str) -> anyhow::Error {
    Interrupted(format!(
        "stopped at {what}; the stages before it are finished\nhint: continue with `{}`",
        command_to_continue()
    ))
    .into()
}

fn path_of(folder: &Path, program: Program) -> PathBuf {
    folder.join(format!(
        "{}{}",
        program.name(),
        std::env::consts::EXE_SUFFIX
    ))
}
