//! How strong the walls are.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kind of isolation, from the strongest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Namespaces by bubblewrap, and inside of them all of level B.
    A,
    /// An unprivileged user if we are root, Landlock, seccomp, resource limits.
    B,
    /// Resource limits only: **no security boundary**.
    C,
}

impl Level {
    /// What it consists of, in a few words.
    pub fn summary(self) -> &'static str {
        match self {
            Self::A => "namespaces (bubblewrap), Landlock, seccomp, resource limits",
            Self::B => "Landlock, seccomp, resource limits; no namespaces",
            Self::C => "resource limits only, no security boundary",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// How strong the walls must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LevelChoice {
    /// The strongest that works on this machine, at least B.
    #[default]
    Strongest,
    /// As [`LevelChoice::Strongest`], but C where nothing else works: the user accepts that
    /// generated programs run with the user's own rights.
    StrongestOrUnsafe,
    /// This one, or an error.
    Exactly(Level),
}
