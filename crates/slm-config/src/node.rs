//! The tree between YAML text and [`Recipe`](crate::Recipe): values that know where they came from.

use std::fmt;

/// Where a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In the recipe file.
    File,
    /// In the `--set` argument with this index.
    Override(usize),
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// The YAML values that a recipe may hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// Holds every `i64` and `u64`.
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a mapping, with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Our name of the key.
    pub(crate) key: String,
    /// The key as spelled in the file.
    pub(crate) spelled: String,
    pub(crate) value: Node,
}

/// One step of a [`KeyPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// The way from the root to a value, shown as `data.datasets[0].path`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct KeyPath(pub(crate) Vec<Step>);

impl KeyPath {
    /// Reads `data.datasets[0].path` or, easier to type in a shell, `data.datasets.0.path`.
    ///
    /// Returns `None` for an empty step (`lora.`, `.r`, `a..b`).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.replace('[', ".")
            .replace(']', "")
            .split('.')
            .map(|step| match step.parse() {
                Ok(index) => Some(Step::Index(index)),
                Err(_) if step.is_empty() => None,
                Err(_) => Some(Step::Key(step.to_owned())),
            })
            .collect::<Option<_>>()
            .map(Self)
    }

    pub(crate) fn child(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    pub(crate) fn item(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(&shown(key))?,
                Step::Key(key) => write!(f, ".{}", shown(key))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Node {
    /// The child at `step`, if there is one.
    pub(crate) fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.value, step) {
            (Value::Map(entries), Step::Key(key)) => entries
                .iter()
                .find(|entry| entry.key == *key)
                .map(|entry| &entry.value),
            (Value::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    /// The value at `path`, if there is one.
    pub(crate) fn get(&self, path: &KeyPath) -> Option<&Self> {
        path.0.iter().try_fold(self, Self::child)
    }

    /// Follows `path` as far as it exists: the last node met, and the steps to it in the file's
    /// own spelling.
    pub(crate) fn nearest(&self, path: &KeyPath) -> (&Self, Vec<Step>) {
        let (mut node, mut spelled) = (self, Vec::new());
        for step in &path.0 {
            let Some(child) = node.child(step) else { break };
            spelled.push(node.spelling(step));
            node = child;
        }
        (node, spelled)
    }

    fn spelling(&self, step: &Step) -> Step {
        match (&self.value, step) {
            (Value::Map(entries), Step::Key(key)) => entries
                .iter()
                .find(|entry| entry.key == *key)
                .map_or_else(|| step.clone(), |entry| Step::Key(entry.spelled.clone())),
            _ => step.clone(),
        }
    }
}

/// Text of the user's as an error shows it: on one line, short, and without characters that a
/// terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 100;
    let start: String = text
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MOST).is_some() {
        start + "..."
    } else {
        start
    }
}

/// The value as an error shows it: short, on one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) if value.is_nan() => f.write_str(".nan"),
            Self::Float(value) if value.is_infinite() => {
                f.write_str(if *value > 0.0 { ".inf" } else { "-.inf" })
            }
            // Debug writes 1e-5 and 1.0 where Display would write 0.00001 and 1.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "\"{}\"", shown(text)),
            Self::List(items) if items.is_empty() => f.write_str("[]"),
            Self::List(items) => write!(f, "a list of {}", items.len()),
            Self::Map(_) => f.write_str("a mapping"),
        }
    }
}
