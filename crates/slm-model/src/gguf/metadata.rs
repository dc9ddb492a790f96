//! The key-value pairs of a GGUF header.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::GgufError;

/// A metadata value; numbers of every width are widened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MetadataValue {
    /// An integer of any width and sign.
    Integer(i128),
    /// A number in single or double precision.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// UTF-8 text.
    String(String),
    /// Integers or booleans of any width.
    Integers(Vec<i64>),
    /// Numbers in single or double precision.
    Floats(Vec<f64>),
    /// Strings.
    Strings(Vec<String>),
    /// Arrays of arrays.
    Arrays(Vec<MetadataValue>),
}

impl MetadataValue {
    /// Describes the type for an error message.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::String(_) => "a text",
            Self::Integers(_) => "an array of integers",
            Self::Floats(_) => "an array of numbers",
            Self::Strings(_) => "an array of texts",
            Self::Arrays(_) => "an array of arrays",
        }
    }
}

/// All key-value pairs of a file, with typed access whose errors name file and key.
///
/// Getters return `Ok(None)` for an absent key; [`Self::require`] turns that into an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metadata<'a> {
    pub(crate) path: &'a Path,
    pub(crate) pairs: &'a BTreeMap<String, MetadataValue>,
}

impl<'a> Metadata<'a> {
    /// Returns the string under `key`.
    pub(crate) fn string(&self, key: &str) -> Result<Option<&'a str>, GgufError> {
        self.typed(key, "a text", |value| match value {
            MetadataValue::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Returns the boolean under `key`.
    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>, GgufError> {
        self.typed(key, "a boolean", |value| match value {
            MetadataValue::Bool(value) => Some(*value),
            _ => None,
        })
    }

    /// Returns the non-negative integer under `key`, if it fits the requested type.
    pub(crate) fn unsigned<T: TryFrom<i128>>(&self, key: &str) -> Result<Option<T>, GgufError> {
        self.typed(
            key,
            "a non-negative integer that fits",
            |value| match value {
                MetadataValue::Integer(number) if *number >= 0 => T::try_from(*number).ok(),
                _ => None,
            },
        )
    }

    /// Returns the number under `key`.
    pub(crate) fn float(&self, key: &str) -> Result<Option<f64>, GgufError> {
        self.typed(key, "a number", |value| match value {
            MetadataValue::Float(number) => Some(*number),
            MetadataValue::Integer(number) => Some(*number as f64),
            _ => None,
        })
    }

    /// Returns the strings under `key`.
    pub(crate) fn strings(&self, key: &str) -> Result<Option<&'a [String]>, GgufError> {
        self.typed(key, "an array of texts", |value| match value {
            MetadataValue::Strings(texts) => Some(texts.as_slice()),
            _ => None,
        })
    }

    /// Returns the integers under `key`.
    pub(crate) fn integers(&self, key: &str) -> Result<Option<&'a [i64]>, GgufError> {
        self.typed(key, "an array of integers", |value| match value {
            MetadataValue::Integers(numbers) => Some(numbers.as_slice()),
            _ => None,
        })
    }

    /// Returns the numbers under `key`, integers or not.
    pub(crate) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>, GgufError> {
        self.typed(key, "an array of numbers", |value| match value {
            MetadataValue::Floats(numbers) => Some(numbers.clone()),
            MetadataValue::Integers(numbers) => {
                Some(numbers.iter().map(|number| *number as f64).collect())
            }
            _ => None,
        })
    }

    /// Turns an absent key into an error.
    pub(crate) fn require<T>(&self, key: &str, value: Option<T>) -> Result<T, GgufError> {
        value.ok_or_else(|| GgufError::MissingKey {
            path: self.path.to_owned(),
            key: key.to_owned(),
        })
    }

    fn typed<T>(
        &self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&'a MetadataValue) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.pairs.get(key) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(GgufError::WrongType {
                path: self.path.to_owned(),
                key: key.to_owned(),
                expected,
                found: value.kind(),
            }),
        }
    }
}
