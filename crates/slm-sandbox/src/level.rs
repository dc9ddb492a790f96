//! Isolation levels.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Isolation level, from strongest to weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Namespaces by bubblewrap, plus everything of level B.
    A,
    /// An unprivileged user if run as root, Landlock, seccomp, resource limits.
    B,
    /// Resource limits only: **no security boundary**.
    C,
}

impl Level {
    /// Returns a short description of its mechanisms.
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

/// Which isolation level is acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LevelChoice {
    /// The strongest level that works on this machine, at least B.
    #[default]
    Strongest,
    /// Like [`LevelChoice::Strongest`], but C if neither A nor B works: the user accepts that generated
    /// programs run with the user's own privileges.
    StrongestOrUnsafe,
    /// This level, or an error.
    Exactly(Level),
}
