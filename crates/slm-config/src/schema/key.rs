//! A key of a recipe, and the types of values that keys have.

use std::ops::Bound;

/// A key: one row of the table of a section.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name in a recipe, without the section.
    pub(crate) name: &'static str,
    /// Type and range of its value.
    pub(crate) kind: Kind,
    /// Whether `null` is a value, too.
    pub(crate) nullable: bool,
    /// What the recipe means without it, for a default that is not a value: `all tasks`.
    pub(crate) absent: Option<&'static str>,
    /// Spellings of other trainers that mean the same key.
    pub(crate) aliases: &'static [&'static str],
    /// The lines of its doc comment.
    pub(crate) doc: &'static [&'static str],
}

/// Whether the name of a Rust type is that of an `Option`.
pub(crate) const fn is_option(type_name: &str) -> bool {
    matches!(
        type_name.as_bytes(),
        [b'O', b'p', b't', b'i', b'o', b'n', ..]
    )
}

/// Type and range of a value.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A nested section with these keys.
    Section(&'static [Key]),
    /// A list of items, each with these keys.
    Sections(&'static [Key]),
    /// `true` or `false`.
    Bool,
    /// A whole number, both ends included.
    Int(u64, u64),
    /// A finite number.
    Float(Bound<f64>, Bound<f64>),
    /// Text that is not blank, with its meaning in words.
    Text(&'static str),
    /// Any text, blank or not, with its meaning in words.
    AnyText(&'static str),
    /// 64 hexadecimal digits.
    Sha256,
    /// One of these words.
    Word(fn() -> Vec<Word>),
    /// The name of a benchmark: the names belong to the caller.
    Benchmark,
    /// A list.
    List {
        of: &'static Self,
        /// Whether no item may occur twice.
        unique: bool,
        /// The name of an item, in the singular.
        item: &'static str,
        least: usize,
        most: usize,
    },
    /// A mapping; its keys are any text, or `keys` if given.
    Map {
        to: &'static Self,
        /// The meaning of a key, in the singular.
        each: &'static str,
        keys: Option<fn() -> &'static [&'static str]>,
    },
    /// The first of these types that has the value's form.
    Either(&'static [Self]),
}

impl Kind {
    /// A list of any length.
    pub(crate) const ANY: usize = usize::MAX;

    /// A number above `low`, at most `high`.
    pub(crate) const fn above(low: f64, high: f64) -> Self {
        Self::Float(Bound::Excluded(low), Bound::Included(high))
    }

    /// A number from `low` to `high`, both included.
    pub(crate) const fn from_to(low: f64, high: f64) -> Self {
        Self::Float(Bound::Included(low), Bound::Included(high))
    }

    /// A number from `low` to below `high`.
    pub(crate) const fn below(low: f64, high: f64) -> Self {
        Self::Float(Bound::Included(low), Bound::Excluded(high))
    }

    /// The keys of the section, or of the items of the list; none for another value.
    pub(crate) fn keys_below(&self) -> &'static [Key] {
        match self {
            Self::Section(keys) => keys,
            kind => kind.item_keys().unwrap_or(&[]),
        }
    }

    /// The keys of an item, if the value is a list whose items may be sections.
    pub(crate) fn item_keys(&self) -> Option<&'static [Key]> {
        let section = |kind: &Self| match kind {
            Self::Section(keys) => Some(*keys),
            _ => None,
        };
        match self {
            Self::Sections(keys) => Some(keys),
            Self::List { of, .. } => match of {
                Self::Either(kinds) => kinds.iter().find_map(section),
                kind => section(kind),
            },
            _ => None,
        }
    }

    /// The values allowed, in the words of an error message.
    pub(crate) fn allowed(&self) -> String {
        match self {
            Self::Section(_) => "keys with values".to_owned(),
            Self::Sections(_) => "a list of items with keys".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Int(least, most) => format!("{least} to {most}"),
            Self::Float(low, high) => {
                let low = match low {
                    Bound::Included(low) => format!("{low} or more"),
                    Bound::Excluded(low) => format!("above {low}"),
                    Bound::Unbounded => "any number".to_owned(),
                };
                let high = match high {
                    Bound::Included(high) => format!(", at most {high}"),
                    Bound::Excluded(high) => format!(", below {high}"),
                    Bound::Unbounded => String::new(),
                };
                low + &high
            }
            Self::Text(what) | Self::AnyText(what) => (*what).to_owned(),
            Self::Sha256 => "64 hexadecimal digits".to_owned(),
            Self::Word(words) => {
                let names: Vec<_> = words().iter().map(|word| word.name).collect();
                names.join(", ")
            }
            Self::Benchmark => "the name of a benchmark".to_owned(),
            Self::List {
                item,
                least: 0,
                unique: true,
                ..
            } => format!("a list; each {item} once"),
            Self::List { item, least: 0, .. } => format!("a list of {item}s"),
            Self::List { item, .. } => format!("at least one {item}"),
            Self::Map { to, each, .. } => format!("{} for each {each}", to.allowed()),
            Self::Either(kinds) => {
                let kinds: Vec<_> = kinds.iter().map(Self::allowed).collect();
                kinds.join(", or ")
            }
        }
    }
}

/// A word that a key may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) name: &'static str,
    /// Other spellings.
    pub(crate) aliases: &'static [&'static str],
    /// The lines of its doc comment.
    pub(crate) doc: &'static [&'static str],
}
