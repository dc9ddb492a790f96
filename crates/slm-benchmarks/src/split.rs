//! The publisher's division of a benchmark.

use std::fmt;

/// A part of a benchmark, by its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// For training.
    Train,
    /// For choices during development.
    Validation,
    /// For scores; nobody trains on it.
    Test,
}

impl Split {
    /// Returns the part with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        let all = [Self::Train, Self::Validation, Self::Test];
        all.into_iter().find(|split| split.to_string() == name)
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}
