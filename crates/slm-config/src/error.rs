//! The errors of a recipe, as users read them.
//!
//! Texts have the form `PLACE: PROBLEM`, then perhaps a line `hint: REMEDY`; a binary prefixes them with `error: `.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The place of a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In a recipe file, shown as `PATH:LINE:COLUMN`.
    File {
        /// The file, as the user named it.
        path: PathBuf,
        /// Line and column, both from 1, where they are known.
        position: Option<(usize, usize)>,
    },
    /// In an override, shown as `--set ARGUMENT`.
    Override {
        /// The argument, as the user typed it.
        argument: String,
    },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::File {
                path,
                position: Some((line, column)),
            } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::File {
                path,
                position: None,
            } => write!(f, "{}", path.display()),
            Self::Override { argument } => write!(f, "--set {argument}"),
        }
    }
}

/// A value outside its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it was written.
    pub place: Location,
    /// The key, as in `lora.r` or `data.datasets[0].path`.
    pub key: String,
    /// The value found.
    pub found: String,
    /// The values allowed.
    pub allowed: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self {
            place,
            key,
            found,
            allowed,
        } = self;
        write!(f, "{place}: `{key}` is {found}, allowed: {allowed}")
    }
}

/// Why there is no recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("cannot read recipe {}: {source}{}", path.display(), HintLine(hint))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
        /// A recipe with a similar name.
        hint: Option<String>,
    },
    /// The file is larger than any recipe.
    #[error("{place}: larger than {limit_bytes} bytes, so it is no recipe")]
    TooLarge {
        /// The file.
        place: Location,
        /// The limit.
        limit_bytes: u64,
    },
    /// The file is not text.
    #[error("{place}: not UTF-8 text\nhint: save the file with the encoding UTF-8")]
    NotUtf8 {
        /// The first byte that is not text.
        place: Location,
    },
    /// The file holds nothing, or comments alone.
    #[error("{place}: the recipe is empty\nhint: `trainer init` writes a first recipe")]
    Empty {
        /// The file.
        place: Location,
    },
    /// The text is no YAML, or YAML that a recipe has no use for.
    #[error("{place}: {message}{}", HintLine(hint))]
    Syntax {
        /// Where the reader stopped.
        place: Location,
        /// Why.
        message: String,
        /// How to mend it.
        hint: Option<String>,
    },
    /// A key that no section has.
    #[error("{place}: unknown key `{key}`{}", HintLine(hint))]
    UnknownKey {
        /// Where it was written.
        place: Location,
        /// The key with its section.
        key: String,
        /// The key that was probably meant.
        hint: Option<String>,
    },
    /// A key in two spellings.
    #[error("{place}: `{key}` and `{other}` are the same key\nhint: keep one")]
    DuplicateKey {
        /// The place of the second.
        place: Location,
        /// The second.
        key: String,
        /// The first.
        other: String,
    },
    /// A key that has no default.
    #[error("{place}: `{key}` is missing")]
    MissingKey {
        /// The file, or the mapping that lacks the key.
        place: Location,
        /// The key with its section.
        key: String,
    },
    /// A value of another type than its key's, or a word that is none of its key's choices.
    #[error("{place}: `{key}` is {found}, expected {expected}{}", HintLine(hint))]
    WrongType {
        /// Where it was written.
        place: Location,
        /// The key with its section.
        key: Box<str>,
        /// The value found.
        found: Box<str>,
        /// The type or the choices expected.
        expected: Box<str>,
        /// How to mend it.
        hint: Option<String>,
    },
    /// An override that names no value.
    #[error("{place}: {message}{}", HintLine(hint))]
    BadOverride {
        /// The argument.
        place: Location,
        /// Why.
        message: String,
        /// How to mend it.
        hint: Option<String>,
    },
    /// Values outside their ranges, all of them.
    #[error("{}", Mistakes(.0))]
    BadValues(Vec<Mistake>),
}

/// The line `hint: ...` under an error, or nothing.
struct HintLine<'h>(&'h Option<String>);

impl fmt::Display for HintLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0
            .as_ref()
            .map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

/// A single mistake as one line, several as a list.
struct Mistakes<'m>(&'m [Mistake]);

impl fmt::Display for Mistakes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if let [only] = self.0 {
            return write!(f, "{only}");
        }
        write!(f, "{} values in the recipe are not allowed", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}
