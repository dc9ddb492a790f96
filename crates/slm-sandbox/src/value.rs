//! Python values returned from a box, and their text encoding.
//!
//! The docstring of python/link.py has the grammar. A program may write any text into the channel, so nothing
//! here trusts a value: reading and comparing use no recursion, a value has at most [`MAX_PARTS`] parts, and a
//! comparison ends within its [`Budget`](crate::Budget).

mod budget;
mod compare;
mod number;
mod prints;
mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use budget::{Budget, Exceeded};
pub use compare::Pairs;

/// Index of a node within its [`Value`].
pub type NodeId = u32;

/// A Python value: a graph, since containers may be shared or contain themselves.
///
/// Serialises as text and deserialises to the same value, including NaN and infinities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Value {
    /// The root is first. A node follows the one that first refers to it.
    nodes: Vec<Node>,
    /// Number of nodes, plus further references to a node.
    parts: usize,
}

/// One part of a [`Value`].
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `None`.
    None,
    /// `...`.
    Ellipsis,
    /// `True` or `False`.
    Bool(bool),
    /// An `int` that fits 64 bits.
    Int(i64),
    /// Any other `int` in lower-case hexadecimal, with a leading `-` if negative.
    BigInt(Box<str>),
    /// `float`.
    Float(f64),
    /// `complex`: real and imaginary part.
    Complex(f64, f64),
    /// `str`.
    Str(Box<str>),
    /// `bytes`.
    Bytes(Box<[u8]>),
    /// `bytearray`.
    ByteArray(Box<[u8]>),
    /// `list`.
    List(Box<[NodeId]>),
    /// `tuple`.
    Tuple(Box<[NodeId]>),
    /// `set`.
    Set(Box<[NodeId]>),
    /// `frozenset`.
    FrozenSet(Box<[NodeId]>),
    /// `dict`: keys with their values, in order.
    Dict(Box<[(NodeId, NodeId)]>),
    /// `range`: start, stop and step.
    Range([NodeId; 3]),
    /// Another type by name (`decimal.Decimal`), and the tuple of its constructor arguments.
    Foreign(NodeId, NodeId),
    /// An instance of a preamble class: the class's name and the dict of its state.
    Instance(NodeId, NodeId),
    /// An exception class: its name and that of its nearest builtin base.
    ExceptionType(NodeId, NodeId),
    /// A builtin type or function, by name.
    Builtin(NodeId),
    /// Any other object, by the name of its type.
    Opaque(NodeId),
}

/// The text does not match the grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an encoded value: {0}")]
pub struct Malformed(&'static str);

/// Maximum nesting of a text. Python itself stops at a thousand calls and encodes a level in two.
const MAX_DEPTH: usize = 1000;

/// Maximum parts of a value. A part takes at least one byte of text and up to thirty bytes here.
pub(crate) const MAX_PARTS: usize = 4 << 20;

/// A value with too many parts.
const TOO_LARGE: Malformed = Malformed("too many parts");

impl Malformed {
    pub(crate) fn is_too_large(&self) -> bool {
        *self == TOO_LARGE
    }
}

impl Value {
    /// Index of the root node.
    pub const ROOT: NodeId = 0;

    /// Returns the root node.
    pub fn root(&self) -> &Node {
        self.node(Self::ROOT)
    }

    /// Returns a node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// Returns the number of parts: a list of a million references to one list has a million and two.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Returns the type name and the arguments of a [`Node::Foreign`].
    pub fn foreign(&self, id: NodeId) -> Option<(&str, &[NodeId])> {
        let &Node::Foreign(name, arguments) = self.node(id) else {
            return None;
        };
        match (self.node(name), self.node(arguments)) {
            (Node::Str(name), Node::Tuple(arguments)) => Some((name, arguments)),
            _ => None,
        }
    }

    /// Returns the node and all that follow it as a separate value; `None` if one of them refers to an earlier one.
    pub(crate) fn split_off(mut self, id: NodeId) -> Option<Self> {
        let before = id as usize;
        let mut nodes = self.nodes.split_off(before);
        let shift = |child: &mut NodeId| {
            *child = child.checked_sub(id)?;
            Some(())
        };
        for node in &mut nodes {
            match node {
                Node::List(ids) | Node::Tuple(ids) | Node::Set(ids) | Node::FrozenSet(ids) => {
                    ids.iter_mut().try_for_each(shift)?;
                }
                Node::Dict(entries) => entries.iter_mut().try_for_each(|(key, value)| {
                    shift(key)?;
                    shift(value)
                })?,
                Node::Range(ids) => ids.iter_mut().try_for_each(shift)?,
                Node::Foreign(a, b) | Node::Instance(a, b) | Node::ExceptionType(a, b) => {
                    shift(a)?;
                    shift(b)?;
                }
                Node::Builtin(name) | Node::Opaque(name) => shift(name)?,
                Node::None
                | Node::Ellipsis
                | Node::Bool(_)
                | Node::Int(_)
                | Node::BigInt(_)
                | Node::Float(_)
                | Node::Complex(..)
                | Node::Str(_)
                | Node::Bytes(_)
                | Node::ByteArray(_) => {}
            }
        }
        Some(Self {
            nodes,
            parts: self.parts.saturating_sub(before),
        })
    }
}

impl From<Value> for String {
    fn from(value: Value) -> Self {
        write::text(&value)
    }
}

impl TryFrom<String> for Value {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(&text)
    }
}
