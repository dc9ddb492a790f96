//! Builds the tree while a YAML reader walks through a text.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::node::{Entry, Node, Origin, Value, shown};

/// Most levels of nesting; a recipe has five.
const MAX_DEPTH: usize = 32;
/// Most values in a recipe, aliases expanded.
const MAX_NODES: usize = 10_000;

/// Reads the tree of one document; every node gets `origin`.
///
/// # Errors
/// The reader's error with its position, and the reason where a limit of this module was exceeded.
pub(crate) fn read<'de, D: Deserializer<'de>>(
    reader: D,
    origin: Origin,
) -> Result<Node, (D::Error, Option<String>)> {
    let limits = Limits {
        origin,
        nodes: Cell::new(0),
        refused: RefCell::new(None),
    };
    NodeSeed {
        limits: &limits,
        depth: 0,
    }
    .deserialize(reader)
    .map_err(|error| (error, limits.refused.take()))
}

/// What one reading may use up, and the refusal that ended it.
struct Limits {
    origin: Origin,
    nodes: Cell<usize>,
    refused: RefCell<Option<String>>,
}

impl Limits {
    fn refuse<E: de::Error>(&self, message: String) -> E {
        self.refused.replace(Some(message));
        E::custom("refused")
    }
}

#[derive(Clone, Copy)]
struct NodeSeed<'l> {
    limits: &'l Limits,
    depth: usize,
}

impl NodeSeed<'_> {
    fn node(&self, value: Value) -> Node {
        Node {
            value,
            origin: self.limits.origin,
        }
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let nodes = self.limits.nodes.get() + 1;
        self.limits.nodes.set(nodes);
        if nodes > MAX_NODES {
            return Err(self.limits.refuse(format!("more than {MAX_NODES} values")));
        }
        if self.depth > MAX_DEPTH {
            return Err(self
                .limits
                .refuse(format!("nested more than {MAX_DEPTH} levels deep")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(self.node(Value::Null))
    }
    /// An empty document.
    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(self.node(Value::Null))
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(self.node(Value::Bool(value)))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(self.node(Value::Int(value.into())))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(self.node(Value::Int(value.into())))
    }
    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Node, E> {
        Ok(self.node(Value::Int(value)))
    }
    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
        Ok(self.node(i128::try_from(value).map_or(Value::Float(value as f64), Value::Int)))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        Ok(self.node(Value::Float(value)))
    }
    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(self.node(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        let seed = NodeSeed {
            depth: self.depth + 1,
            ..self
        };
        while let Some(item) = access.next_element_seed(seed)? {
            items.push(item);
        }
        Ok(self.node(Value::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let seed = NodeSeed {
            depth: self.depth + 1,
            ..self
        };
        while let Some(key) = access.next_key_seed(KeySeed {
            limits: self.limits,
            before: &entries,
        })? {
            let value = access.next_value_seed(seed)?;
            entries.push(Entry {
                spelled: key.clone(),
                key,
                value,
            });
        }
        Ok(self.node(Value::Map(entries)))
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        Err(self
            .limits
            .refuse("a tag (`!name`) has no meaning in a recipe".to_owned()))
    }
}

/// Reads a key and refuses one that occurs before it in the same mapping. Failing inside the key is
/// what makes the error point at it.
struct KeySeed<'l> {
    limits: &'l Limits,
    before: &'l [Entry],
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a plain key")
    }
    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if self.before.iter().any(|entry| entry.spelled == key) {
            return Err(self
                .limits
                .refuse(format!("the key `{}` is given twice", shown(key))));
        }
        Ok(key.to_owned())
    }
}
