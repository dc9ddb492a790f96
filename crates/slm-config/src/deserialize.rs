//! Turns the tree into a struct, with errors that name the key, the value found and the type expected.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::benchmark;
use crate::node::{Entry, KeyPath, Node, Step, Value};
use crate::template_value::TemplateValue;

/// Reads `T` from the tree; `benchmarks` are the names that a benchmark may have.
///
/// Also returns the paths of negative numbers where `T` holds unsigned ones. They are handed over as
/// [`u64::MAX`], outside of every range, so that `check` reports them together with all other
/// values out of range; the caller must report those that no check rejects.
pub(crate) fn from_node<'t, T: Deserialize<'t>>(
    root: &'t Node,
    benchmarks: &'static [&'static str],
) -> Result<(T, Vec<KeyPath>), Failure> {
    let reading = Reading {
        benchmarks,
        negative: RefCell::default(),
    };
    let value = T::deserialize(NodeDeserializer {
        node: root,
        path: KeyPath::default(),
        reading: &reading,
    })?;
    Ok((value, reading.negative.take()))
}

/// Why a tree is no `T`, and where.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Place of the value; for [`Problem::MissingKey`] and [`Problem::UnknownKey`] of the key.
    pub(crate) path: Option<KeyPath>,
    pub(crate) problem: Problem,
}

#[derive(Debug)]
pub(crate) enum Problem {
    UnknownKey {
        key: String,
        known: &'static [&'static str],
    },
    MissingKey {
        key: &'static str,
    },
    UnknownChoice {
        found: String,
        choices: &'static [&'static str],
    },
    WrongType {
        found: String,
        expected: String,
        hint: Option<&'static str>,
    },
}

impl Failure {
    fn bare(problem: Problem) -> Self {
        Self {
            path: None,
            problem,
        }
    }

    /// Gives a failure that was made without its place (by serde's generated code) the place where
    /// it came up: the innermost caller knows it best.
    fn at(mut self, path: &KeyPath) -> Self {
        if self.path.is_none() {
            self.path = Some(match &self.problem {
                Problem::UnknownKey { key, .. } => path.child(key),
                Problem::MissingKey { key } => path.child(key),
                Problem::UnknownChoice { .. } | Problem::WrongType { .. } => path.clone(),
            });
        }
        self
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let expected = message.to_string();
        Self::bare(Problem::WrongType {
            found: "not usable".to_owned(),
            expected,
            hint: None,
        })
    }
    fn invalid_type(found: de::Unexpected, expected: &dyn de::Expected) -> Self {
        let (found, expected) = (found.to_string(), expected.to_string());
        Self::bare(Problem::WrongType {
            found,
            expected,
            hint: None,
        })
    }
    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::bare(Problem::UnknownKey {
            key: field.to_owned(),
            known,
        })
    }
    fn missing_field(key: &'static str) -> Self {
        Self::bare(Problem::MissingKey { key })
    }
    fn unknown_variant(found: &str, choices: &'static [&'static str]) -> Self {
        Self::bare(Problem::UnknownChoice {
            found: Value::Text(found.to_owned()).to_string(),
            choices,
        })
    }
}

/// The names known before reading a tree, and the negative numbers found in it.
struct Reading {
    benchmarks: &'static [&'static str],
    negative: RefCell<Vec<KeyPath>>,
}

#[derive(Clone)]
struct NodeDeserializer<'t, 'r> {
    node: &'t Node,
    path: KeyPath,
    reading: &'r Reading,
}

impl<'t> NodeDeserializer<'t, '_> {
    fn wrong_type(&self, expected: impl Into<String>) -> Failure {
        let expected = expected.into();
        let hint = match &self.node.value {
            Value::Text(text) if expected.ends_with("number") => {
                if text.parse::<f64>().is_ok() {
                    Some("write the number without quotes")
                } else if text.replace('_', "").parse::<f64>().is_ok() {
                    Some("write the number without `_`")
                } else {
                    None
                }
            }
            Value::Text(_) if expected == "a list" => Some("write a list with brackets: [a, b]"),
            Value::Text(text) if expected == "true or false" => match text.as_str() {
                "yes" | "Yes" | "on" | "On" => Some("write true"),
                "no" | "No" | "off" | "Off" => Some("write false"),
                _ => None,
            },
            Value::Map(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_)
                if expected == "text" =>
            {
                Some("put text that YAML reads as something else in quotes")
            }
            _ => None,
        };
        let found = self.node.value.to_string();
        Failure::bare(Problem::WrongType {
            found,
            expected,
            hint,
        })
        .at(&self.path)
    }

    fn child(&self, node: &'t Node, step: Step) -> Self {
        let mut path = self.path.clone();
        path.0.push(step);
        Self {
            node,
            path,
            reading: self.reading,
        }
    }

    fn visit_list<V: Visitor<'t>>(
        self,
        items: &'t [Node],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let path = self.path.clone();
        visitor
            .visit_seq(Items {
                parent: self,
                all: items,
                next: 0,
            })
            .map_err(|error: Failure| error.at(&path))
    }

    fn visit_entries<V: Visitor<'t>>(
        self,
        entries: &'t [Entry],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let path = self.path.clone();
        visitor
            .visit_map(Entries {
                parent: self,
                all: entries,
                next: 0,
            })
            .map_err(|error: Failure| error.at(&path))
    }
}

impl<'t> de::Deserializer<'t> for NodeDeserializer<'t, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        let expected = {
            let visitor: &dyn de::Expected = &visitor;
            visitor.to_string()
        };
        let wrong = self.wrong_type(expected);
        let path = self.path.clone();
        match &self.node.value {
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => self.visit_list(items, visitor),
            Value::Map(entries) => self.visit_entries(entries, visitor),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => Err(wrong),
        }
        .map_err(|error: Failure| error.at(&path))
    }

    fn deserialize_bool<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node.value {
            Value::Bool(value) => visitor.visit_bool(value),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    fn deserialize_u64<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        let wrong = self.wrong_type("a whole number");
        let value = match self.node.value {
            Value::Int(value) => value,
            // 1e3 is a float to YAML and a whole number to everyone else.
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 2_f64.powi(53) => {
                value as i128
            }
            _ => return Err(wrong),
        };
        if value < 0 {
            self.reading.negative.borrow_mut().push(self.path);
            return visitor.visit_u64(u64::MAX);
        }
        visitor.visit_u64(u64::try_from(value).unwrap_or(u64::MAX))
    }

    fn deserialize_f64<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node.value {
            Value::Int(value) => visitor.visit_f64(value as f64),
            Value::Float(value) => visitor.visit_f64(value),
            _ => Err(self.wrong_type("a number")),
        }
    }

    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::Text(text) => visitor
                .visit_str(text)
                .map_err(|error: Failure| error.at(&self.path)),
            _ => Err(self.wrong_type("text")),
        }
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::List(items) => self.visit_list(items, visitor),
            _ => Err(self.wrong_type("a list")),
        }
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::Map(entries) => self.visit_entries(entries, visitor),
            // A section whose keys are all commented out.
            Value::Null => self.visit_entries(&[], visitor),
            _ => Err(self.wrong_type(format!("keys like `{}:`", fields[0]))),
        }
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let is_benchmark = name == benchmark::NAME_TYPE;
        let variants = if is_benchmark {
            self.reading.benchmarks
        } else {
            variants
        };
        match &self.node.value {
            Value::Text(text) if !is_benchmark || variants.contains(&text.as_str()) => {
                let word: StrDeserializer<Failure> = text.as_str().into_deserializer();
                visitor
                    .visit_enum(word)
                    .map_err(|error: Failure| error.at(&self.path))
            }
            // A choice that is spelled like a truth value need not be put in quotes.
            Value::Bool(value) if variants.contains(&truth(*value)) => {
                let word: StrDeserializer<Failure> = truth(*value).into_deserializer();
                visitor.visit_enum(word)
            }
            other => Err(Failure::bare(Problem::UnknownChoice {
                found: other.to_string(),
                choices: variants,
            })
            .at(&self.path)),
        }
    }

    /// A word, or something else in its place: only the word goes to the type inside.
    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.node.value {
            Value::Text(ref text) if name == TemplateValue::NAME => visitor.visit_str(text),
            Value::Bool(value) if name == TemplateValue::NAME => visitor.visit_bool(value),
            Value::Int(_) if name == TemplateValue::NAME => self.deserialize_u64(visitor),
            Value::Text(_) => visitor.visit_newtype_struct(self),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        <V: Visitor<'t>>
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 char bytes byte_buf unit unit_struct
        tuple tuple_struct map identifier ignored_any
    }
}

/// A truth value as it is written.
const fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

struct Items<'t, 'r> {
    parent: NodeDeserializer<'t, 'r>,
    all: &'t [Node],
    next: usize,
}

impl<'t> SeqAccess<'t> for Items<'t, '_> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let Some(node) = self.all.get(self.next) else {
            return Ok(None);
        };
        let item = self.parent.child(node, Step::Index(self.next));
        self.next += 1;
        // A visitor that rejects a text does not know its path.
        let path = item.path.clone();
        let value = seed.deserialize(item);
        value.map(Some).map_err(|error: Failure| error.at(&path))
    }
}

struct Entries<'t, 'r> {
    parent: NodeDeserializer<'t, 'r>,
    all: &'t [Entry],
    next: usize,
}

impl<'t> MapAccess<'t> for Entries<'t, '_> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        let Some(entry) = self.all.get(self.next) else {
            return Ok(None);
        };
        let key: StrDeserializer<Failure> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let entry = &self.all[self.next];
        self.next += 1;
        seed.deserialize(
            self.parent
                .child(&entry.value, Step::Key(entry.key.clone())),
        )
    }
}
