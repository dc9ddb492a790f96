//! Compares every value of a recipe with its row in the table of keys.

use super::Finding;
use crate::node::{KeyPath, Node, Step, Value};
use crate::schema::{Key, Kind};

/// All values below `node` that are outside the ranges of `keys`, in reading order.
pub(super) fn findings(keys: &[Key], node: &Node) -> Vec<Finding> {
    let mut found = Vec::new();
    section(keys, node, &KeyPath::default(), &mut found);
    found
}

fn section(keys: &[Key], node: &Node, path: &KeyPath, found: &mut Vec<Finding>) {
    for key in keys {
        if let Some(child) = node.child(&Step::Key(key.name.to_owned())) {
            value(&key.kind, child, &path.child(key.name), found);
        }
    }
}

/// The deserializer has checked types already; `null` means a key that is not given.
fn value(kind: &Kind, node: &Node, path: &KeyPath, found: &mut Vec<Finding>) {
    let mut require = |holds: bool, path: &KeyPath, node: &Node, allowed: String| {
        if !holds {
            found.push(Finding {
                path: path.clone(),
                found: node.value.to_string(),
                allowed,
                hidden: false,
            });
        }
    };
    match (kind, &node.value) {
        (Kind::Section(keys), Value::Map(_)) => section(keys, node, path, found),
        (Kind::Sections(keys), Value::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                section(keys, item, &path.item(index), found);
            }
        }
        (Kind::Int(least, most), Value::Int(number)) => {
            let holds = (i128::from(*least)..=i128::from(*most)).contains(number);
            require(holds, path, node, kind.allowed());
        }
        (Kind::Float(..), Value::Int(number)) => {
            require(kind.has_float(*number as f64), path, node, kind.allowed());
        }
        (Kind::Float(..), Value::Float(number)) => {
            require(kind.has_float(*number), path, node, kind.allowed());
        }
        (Kind::Text(_), Value::Text(text)) => {
            require(!text.trim().is_empty(), path, node, kind.allowed());
        }
        (Kind::Sha256, Value::Text(text)) => {
            let holds = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            require(holds, path, node, kind.allowed());
        }
        (
            Kind::List {
                of,
                unique,
                item: what,
                least,
                most,
            },
            Value::List(items),
        ) => {
            let allowed = format!("at least {} {what}", spelled(*least));
            require(items.len() >= *least, path, node, allowed);
            let allowed = format!("at most {most} {what}s");
            require(items.len() <= *most, path, node, allowed);
            for (index, item) in items.iter().enumerate() {
                let is_first = items[..index]
                    .iter()
                    .all(|before| before.value != item.value);
                let allowed = format!("each {what} once");
                require(is_first || !unique, &path.item(index), item, allowed);
            }
            for (index, item) in items.iter().enumerate() {
                value(of, item, &path.item(index), found);
            }
        }
        (Kind::Map { to, keys, .. }, Value::Map(entries)) => {
            for entry in entries {
                let mut inside = Vec::new();
                value(to, &entry.value, path, &mut inside);
                let is_blank = entry.key.trim().is_empty();
                if inside.is_empty() && !is_blank {
                    continue;
                }
                // A key that may be any text, such as a pattern with dots, cannot be part of a path.
                let (path, allowed) = match keys {
                    Some(_) => (path.child(&entry.key), to.allowed()),
                    None => (path.clone(), kind.allowed()),
                };
                require(false, &path, &entry.value, allowed);
            }
        }
        (Kind::Either(kinds), _) => {
            let fitting = kinds.iter().find(|kind| kind.has_form(node));
            if let Some(kind) = fitting {
                value(kind, node, path, found);
            }
        }
        _ => {}
    }
}

/// A small number in words, as sentences have it.
fn spelled(number: usize) -> String {
    if number == 1 {
        "one".to_owned()
    } else {
        number.to_string()
    }
}

impl Kind {
    fn has_float(&self, number: f64) -> bool {
        use std::ops::RangeBounds;
        matches!(self, Self::Float(low, high) if number.is_finite() && (*low, *high).contains(&number))
    }

    /// Whether a value is written in the form of this type: as a word, a text, a list or a mapping.
    fn has_form(&self, node: &Node) -> bool {
        match (self, &node.value) {
            (Self::Word(words), Value::Text(text)) => words().iter().any(|word| word.name == text),
            (Self::Text(_) | Self::AnyText(_) | Self::Sha256 | Self::Benchmark, Value::Text(_))
            | (Self::List { .. } | Self::Sections(_), Value::List(_))
            | (Self::Map { .. } | Self::Section(_), Value::Map(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Int(..), Value::Int(_))
            | (Self::Float(..), Value::Int(_) | Value::Float(_)) => true,
            _ => false,
        }
    }
}
