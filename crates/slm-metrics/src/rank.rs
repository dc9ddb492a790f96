//! radon's letter grades.

use serde::Serialize;

/// A rank from `A` (best) to `F`; the maintainability index uses only `A` to `C`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[allow(missing_docs, reason = "the letters need no explanation")]
pub enum Rank {
    A,
    B,
    C,
    D,
    E,
    F,
}

impl Rank {
    /// Returns the rank of a cyclomatic complexity: 5, 10, 20, 30 and 40 are the last values of `A` to `E`.
    pub fn of_complexity(complexity: usize) -> Self {
        match complexity {
            0..=5 => Self::A,
            6..=10 => Self::B,
            11..=20 => Self::C,
            21..=30 => Self::D,
            31..=40 => Self::E,
            _ => Self::F,
        }
    }

    /// Returns the rank of a maintainability index: `A` above 19, `B` above 9, else `C`.
    pub fn of_maintainability(index: f64) -> Self {
        if index > 19.0 {
            Self::A
        } else if index > 9.0 {
            Self::B
        } else {
            Self::C
        }
    }

    /// Returns the rank as a letter.
    pub fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
            Self::C => 'C',
            Self::D => 'D',
            Self::E => 'E',
            Self::F => 'F',
        }
    }
}

impl std::fmt::Display for Rank {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.letter())
    }
}

/// The text is not a letter from `A` to `F`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown rank `{0}`, expected a letter from A to F")]
pub struct UnknownRank(String);

impl std::str::FromStr for Rank {
    type Err = UnknownRank;

    fn from_str(text: &str) -> Result<Self, UnknownRank> {
        match text {
            "A" | "a" => Ok(Self::A),
            "B" | "b" => Ok(Self::B),
            "C" | "c" => Ok(Self::C),
            "D" | "d" => Ok(Self::D),
            "E" | "e" => Ok(Self::E),
            "F" | "f" => Ok(Self::F),
            _ => Err(UnknownRank(text.to_owned())),
        }
    }
}
