//! Converts outcomes into messages and exit codes.

use std::fmt;
use std::io;
use std::process::ExitCode;

use slm_config::RecipeError;
use slm_hub::HubError;
use slm_model::source::SourceError;
use slm_model::{AdapterError, ConfigError, GenerationError, WeightsError};

use crate::interrupt::INTERRUPTED;

/// Marks an error as the user's mistake: exit code 2 instead of 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UserMistake(pub String);

/// The user stopped a command, which has saved its progress: exit code 130.
///
/// The text states where it stopped and how to continue.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Interrupted(pub String);

/// The outcome of a command that did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// The environment failed: no network, full disk, broken file. Exit code 1.
    Environment(anyhow::Error),
    /// The user requested something impossible. Exit code 2.
    Mistake(anyhow::Error),
    /// The command is complete except that some samples could not be scored. Exit code 3.
    Incomplete(String),
    /// The user stopped the command. Exit code 130.
    Interrupted(String),
}

impl Failure {
    /// Classifies an error: the user's interruption; the user's mistake, if any cause in the chain is one; otherwise a
    /// failure of the environment.
    pub fn from_error(error: anyhow::Error) -> Self {
        if let Some(Interrupted(text)) = error.downcast_ref() {
            return Self::Interrupted(text.clone());
        }
        let mistake = error.chain().any(is_mistake);
        if mistake {
            Self::Mistake(error)
        } else {
            Self::Environment(error)
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Environment(_) => 1,
            Self::Mistake(_) => 2,
            Self::Incomplete(_) => 3,
            Self::Interrupted(_) => INTERRUPTED,
        }
    }
}

/// Whether a cause is an impossible request, as opposed to something broken or unavailable.
fn is_mistake(cause: &(dyn std::error::Error + 'static)) -> bool {
    if cause.is::<UserMistake>() || cause.is::<RecipeError>() {
        return true;
    }
    if let Some(error) = cause.downcast_ref::<SourceError>() {
        return match error {
            SourceError::NoSource { .. }
            | SourceError::NoWheelHash
            | SourceError::NoModelFolder { .. }
            | SourceError::NoModelFile { .. }
            | SourceError::HashOfFolder { .. } => true,
            SourceError::Unreadable { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        };
    }
    if let Some(error) = cause.downcast_ref::<HubError>() {
        return error.is_mistake();
    }
    if let Some(error) = cause.downcast_ref::<WeightsError>() {
        let unsupported = |source: &ConfigError| {
            use ConfigError::{Quantised, UnknownArchitecture};
            matches!(source, UnknownArchitecture { .. } | Quantised { .. })
        };
        return matches!(error, WeightsError::Config { source, .. } if unsupported(source));
    }
    if let Some(error) = cause.downcast_ref::<AdapterError>() {
        return matches!(
            error,
            AdapterError::Mismatch { .. }
                | AdapterError::Unsupported { .. }
                | AdapterError::Refused { .. }
        );
    }
    matches!(
        cause.downcast_ref::<GenerationError>(),
        Some(GenerationError::TooLong { .. })
    )
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::from_error(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(error) | Self::Mistake(error) => {
                // Causes that only repeat the text before them are left out; hints are moved to the end.
                let mut shown = Vec::<String>::new();
                let mut hints = Vec::<String>::new();
                for cause in error.chain() {
                    let text = cause.to_string();
                    let (lines, own_hints): (Vec<&str>, Vec<&str>) =
                        text.lines().partition(|line| !line.starts_with("hint: "));
                    let lines = lines.join("\n");
                    if !shown.iter().any(|before| before.contains(&lines)) {
                        shown.push(lines);
                    }
                    for hint in own_hints {
                        if !hints.iter().any(|before| before == hint) {
                            hints.push(hint.to_owned());
                        }
                    }
                }
                write!(f, "{}", shown.join(": "))?;
                hints.iter().try_for_each(|hint| write!(f, "\n{hint}"))
            }
            Self::Incomplete(text) | Self::Interrupted(text) => f.write_str(text),
        }
    }
}

/// Prints the error of a failed command, and returns the exit code.
pub fn finish(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) if !crate::output::is_complete() => {
            crate::note("error: cannot write the result to stdout\nhint: the disk may be full");
            ExitCode::FAILURE
        }
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // An interruption by the user is not an error.
            let label = match failure {
                Failure::Interrupted(_) => "interrupted",
                _ => "error",
            };
            crate::note(&format!("{label}: {failure}"));
            ExitCode::from(failure.code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn hints_of_all_causes_come_last_and_once() {
        let error = Err::<(), _>(anyhow!("disk full\nhint: make room"))
            .context("cannot save")
            .expect_err("an error");
        let failure = Failure::from_error(error);
        assert_eq!(
            failure.to_string(),
            "cannot save: disk full\nhint: make room"
        );
        assert_eq!(failure.code(), 1);
    }

    #[test]
    fn a_mistake_anywhere_in_the_chain_is_the_users() {
        let error = Err::<(), _>(UserMistake("no such adapter".to_owned()))
            .context("cannot compare")
            .expect_err("an error");
        assert_eq!(Failure::from_error(error).code(), 2);
    }

    #[test]
    fn an_interruption_has_a_code_of_its_own() {
        let failure = Failure::from_error(Interrupted("after step 3".to_owned()).into());
        assert_eq!(
            (failure.code(), failure.to_string().as_str()),
            (130, "after step 3")
        );
    }
}
