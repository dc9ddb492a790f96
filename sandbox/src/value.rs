//! Python values that came out of a box, and the text in which they travel.
//!
//! The text's grammar stands at the head of python/link.py.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// Place of a node within its [`Value`].
pub type NodeId = usize;

/// A Python value: a graph, since containers may be shared or contain themselves.
///
/// Serialises as text and comes back the same, NaN and infinities included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Value {
    /// The root is the first.
    nodes: Vec<Node>,
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
    /// A whole number of any size in lower-case hexadecimal, with a leading `-` if negative.
    Int(String),
    /// A float.
    Float(f64),
    /// Real and imaginary part.
    Complex(f64, f64),
    /// Text.
    Str(String),
    /// `bytes`.
    Bytes(Vec<u8>),
    /// `bytearray`.
    ByteArray(Vec<u8>),
    /// `list`.
    List(Vec<NodeId>),
    /// `tuple`.
    Tuple(Vec<NodeId>),
    /// `set`.
    Set(Vec<NodeId>),
    /// `frozenset`.
    FrozenSet(Vec<NodeId>),
    /// `dict`: keys with their values, in order.
    Dict(Vec<(NodeId, NodeId)>),
    /// `range`: start, stop and step.
    Range([NodeId; 3]),
    /// A type of the standard library (`decimal.Decimal`), and the tuple of its arguments.
    Foreign(NodeId, NodeId),
    /// An instance of a class from the preamble: the class's name, the dict of its state.
    Instance(NodeId, NodeId),
    /// A class of exceptions: its name, and that of its nearest builtin base.
    ExceptionType(NodeId, NodeId),
    /// A builtin type or function, by name.
    Builtin(NodeId),
    /// Anything else, by the name of its type.
    Opaque(NodeId),
}

/// A text is not in the grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an encoded value: {0}")]
pub struct Malformed(&'static str);

/// Python itself stops at a thousand, and encodes a level in two calls.
const MAX_DEPTH: usize = 1000;

/// Most parts of a value. A part is a byte on its way and some forty bytes here.
pub(crate) const MAX_PARTS: usize = 4 << 20;

/// Why a value of too many parts is refused.
const TOO_LARGE: Malformed = Malformed("too many parts");

impl Malformed {
    pub(crate) fn is_too_large(&self) -> bool {
        *self == TOO_LARGE
    }
}

impl Value {
    /// The whole value.
    pub fn root(&self) -> &Node {
        &self.nodes[0]
    }

    /// A part of it.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// Number of its parts.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The value below a node as one of its own.
    pub(crate) fn at(&self, id: NodeId) -> Self {
        Self::parse(&self.text_of(id)).expect("what was parsed once")
    }

    /// Whether the two are equal as Python's `==` has it, but for NaN, which equals NaN here: the
    /// identity by which Python finds a NaN in a list again does not travel.
    ///
    /// Instances of preamble classes are equal if their states are; what is [`Node::Opaque`]
    /// equals nothing.
    pub fn equals(&self, other: &Self) -> bool {
        self.parts_equal(0, other, 0)
    }

    /// As [`Value::equals`], for parts of the two.
    pub fn parts_equal(&self, id: NodeId, other: &Self, other_id: NodeId) -> bool {
        Comparison {
            left: self,
            right: other,
            assumed: HashSet::new(),
            keys: Keys::default(),
        }
        .equal(id, other_id)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut reader = Reader {
            text,
            nodes: Vec::new(),
            containers: Vec::new(),
        };
        reader.value(0)?;
        if !reader.text.is_empty() {
            return Err(Malformed("something follows it"));
        }
        Ok(Self {
            nodes: reader.nodes,
        })
    }

    fn text_of(&self, id: NodeId) -> String {
        let mut writer = Writer {
            value: self,
            out: String::new(),
            containers: HashMap::new(),
        };
        writer.put(id);
        writer.out
    }

    /// A number in a form that is equal for equal numbers of all types.
    fn number(&self, id: NodeId) -> Option<String> {
        Some(match &self.nodes[id] {
            Node::Bool(value) => u8::from(*value).to_string(),
            Node::Int(hex) => hex.clone(),
            Node::Float(value) => float_key(*value),
            _ => return None,
        })
    }
}

/// Hexadecimal digits if it is whole, as an int has them; else its shortest decimal form.
fn float_key(value: f64) -> String {
    if !value.is_finite() || value.fract() != 0.0 {
        return format!("f{value:?}");
    }
    if value == 0.0 {
        return "0".into();
    }
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1075;
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let sign = if value < 0.0 { "-" } else { "" };
    if exponent <= 0 {
        return format!("{sign}{:x}", mantissa >> -exponent);
    }
    let shifted = u128::from(mantissa) << (exponent % 4);
    format!("{sign}{shifted:x}{}", "0".repeat((exponent / 4) as usize))
}

struct Comparison<'a> {
    left: &'a Value,
    right: &'a Value,
    /// Pairs of containers under comparison or found equal: they close cycles, and keep shared
    /// parts from being compared again and again.
    assumed: HashSet<(NodeId, NodeId)>,
    keys: Keys,
}

/// Numbers for hashable values, the same for two of them exactly if Python says that they are
/// equal. A key names its parts by their numbers: parts may be shared a billionfold.
#[derive(Default)]
struct Keys {
    numbers: HashMap<String, usize>,
    /// What became of a node of the left (`true`) or the right value; `None` also while it is
    /// under way, which a forged tuple that contains itself would never end to be.
    known: HashMap<(bool, NodeId), Option<usize>>,
}

impl Keys {
    /// `None` for what cannot be hashed.
    fn of(&mut self, value: &Value, is_left: bool, id: NodeId) -> Option<usize> {
        if let Some(&known) = self.known.get(&(is_left, id)) {
            return known;
        }
        self.known.insert((is_left, id), None);
        let text = self.text(value, is_left, id)?;
        let next = self.numbers.len();
        let number = *self.numbers.entry(text).or_insert(next);
        self.known.insert((is_left, id), Some(number));
        Some(number)
    }

    fn text(&mut self, value: &Value, is_left: bool, id: NodeId) -> Option<String> {
        let mut all = |ids: &[NodeId]| -> Option<Vec<usize>> {
            ids.iter().map(|&id| self.of(value, is_left, id)).collect()
        };
        Some(match value.node(id) {
            Node::None => "N".into(),
            Node::Ellipsis => "E".into(),
            Node::Bool(_) | Node::Int(_) | Node::Float(_) => format!("n{}", value.number(id)?),
            &Node::Complex(re, 0.0) => format!("n{}", float_key(re)),
            &Node::Complex(re, im) => format!("c{},{}", float_key(re), float_key(im)),
            Node::Str(text) => format!("s{text}"),
            Node::Bytes(bytes) => format!("b{bytes:?}"),
            Node::Tuple(items) => format!("t{:?}", all(items)?),
            Node::FrozenSet(items) => {
                let mut keys = all(items)?;
                keys.sort_unstable();
                keys.dedup();
                format!("Z{keys:?}")
            }
            Node::Range(_) => format!("R{:?}", value.range_items(id)?),
            &(Node::Foreign(name, arguments) | Node::ExceptionType(name, arguments)) => {
                format!("M{:?}", all(&[name, arguments])?)
            }
            &Node::Builtin(name) => format!("Y{:?}", all(&[name])?),
            _ => return None,
        })
    }
}

impl Comparison<'_> {
    fn equal(&mut self, a: NodeId, b: NodeId) -> bool {
        use Node::{
            ByteArray, Bytes, Dict, Foreign, FrozenSet, Instance, List, Opaque, Set, Tuple,
        };
        let (left, right) = (self.left.node(a), self.right.node(b));
        match (left, right) {
            (List(x), List(y)) | (Tuple(x), Tuple(y)) => {
                x.len() == y.len()
                    && (!self.assumed.insert((a, b))
                        || x.iter().zip(y).all(|(&x, &y)| self.equal(x, y)))
            }
            (Set(x) | FrozenSet(x), Set(y) | FrozenSet(y)) => {
                let mut keys = |value: &Value, is_left, ids: &[NodeId]| {
                    ids.iter()
                        .map(|&id| self.keys.of(value, is_left, id))
                        .collect::<Option<HashSet<usize>>>()
                };
                let (x, y) = (keys(self.left, true, x), keys(self.right, false, y));
                x.is_some() && x == y
            }
            (Dict(x), Dict(y)) => {
                x.len() == y.len() && (!self.assumed.insert((a, b)) || self.entries_equal(x, y))
            }
            (&Instance(class_a, state_a), &Instance(class_b, state_b)) => {
                !self.assumed.insert((a, b))
                    || (self.equal(class_a, class_b) && self.equal(state_a, state_b))
            }
            (Bytes(x) | ByteArray(x), Bytes(y) | ByteArray(y)) => x == y,
            (&Foreign(type_a, arguments_a), &Foreign(type_b, arguments_b)) => {
                self.equal(type_a, type_b) && self.equal(arguments_a, arguments_b)
            }
            (Opaque(_), _) | (_, Opaque(_)) => false,
            _ => {
                let x = self.keys.of(self.left, true, a);
                x.is_some() && x == self.keys.of(self.right, false, b)
            }
        }
    }

    fn entries_equal(&mut self, x: &[(NodeId, NodeId)], y: &[(NodeId, NodeId)]) -> bool {
        let mut by_key = HashMap::new();
        for &(key, value) in y {
            if let Some(key) = self.keys.of(self.right, false, key) {
                by_key.insert(key, value);
            }
        }
        x.iter().all(|&(key, value)| {
            let found = self
                .keys
                .of(self.left, true, key)
                .and_then(|key| by_key.get(&key));
            found.is_some_and(|&other| self.equal(value, other))
        })
    }
}

impl Value {
    /// First item, step and length of a range, by which two ranges are equal; `None` if they do
    /// not fit 128 bits.
    fn range_items(&self, id: NodeId) -> Option<(i128, i128, i128)> {
        let Node::Range(parts) = self.node(id) else {
            return None;
        };
        let [start, stop, step] = parts.map(|part| match self.node(part) {
            Node::Int(hex) => i128::from_str_radix(hex, 16).ok(),
            _ => None,
        });
        let (start, stop, step) = (start?, stop?, step?);
        let length = match step {
            1.. => stop.checked_sub(start)?.checked_add(step - 1)?.max(0) / step,
            ..0 => {
                let beyond = step.checked_neg()?;
                start.checked_sub(stop)?.checked_add(beyond - 1)?.max(0) / beyond
            }
            0 => return None,
        };
        Some(match length {
            0 => (0, 0, 0),
            1 => (start, 0, 1),
            _ => (start, step, length),
        })
    }
}

struct Reader<'a> {
    text: &'a str,
    nodes: Vec<Node>,
    /// Nodes of the containers in the order of their beginning.
    containers: Vec<NodeId>,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<NodeId, Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed("nested too deeply"));
        }
        if self.nodes.len() >= MAX_PARTS {
            return Err(TOO_LARGE);
        }
        let kind = self.text.chars().next().ok_or(Malformed("ends early"))?;
        self.text = &self.text[kind.len_utf8()..];
        if kind == 'r' {
            let place: usize = self.count(';')?;
            let found = self.containers.get(place);
            return found.copied().ok_or(Malformed("no such container"));
        }
        let id = self.nodes.len();
        self.nodes.push(Node::None);
        if "ltSZdIB".contains(kind) {
            self.containers.push(id);
        }
        let below = depth + 1;
        let node = match kind {
            'N' => Node::None,
            'E' => Node::Ellipsis,
            'T' | 'F' => Node::Bool(kind == 'T'),
            'i' => Node::Int(whole(self.until(';')?)?),
            'f' => Node::Float(float(self.until(';')?)?),
            'c' => Node::Complex(float(self.until(',')?)?, float(self.until(';')?)?),
            's' => Node::Str(self.characters()?.to_owned()),
            'b' => Node::Bytes(latin1(self.characters()?)?),
            'B' => Node::ByteArray(latin1(self.characters()?)?),
            'l' => Node::List(self.items(below)?),
            't' => Node::Tuple(self.items(below)?),
            'S' => Node::Set(self.items(below)?),
            'Z' => Node::FrozenSet(self.items(below)?),
            'd' => {
                let count = self.count(';')?;
                let mut entries = Vec::new();
                for _ in 0..count {
                    entries.push((self.value(below)?, self.value(below)?));
                }
                Node::Dict(entries)
            }
            'R' => Node::Range([self.value(below)?, self.value(below)?, self.value(below)?]),
            'M' => Node::Foreign(self.value(below)?, self.value(below)?),
            'I' => Node::Instance(self.value(below)?, self.value(below)?),
            'X' => Node::ExceptionType(self.value(below)?, self.value(below)?),
            'Y' => Node::Builtin(self.value(below)?),
            'h' => {
                self.count(';')?;
                let name = self.value(below)?;
                // What it holds as a plain value is not asked for here.
                match self.text.strip_prefix('Q') {
                    Some(rest) => self.text = rest,
                    None => _ = self.value(below)?,
                }
                Node::Opaque(name)
            }
            _ => return Err(Malformed("unknown kind")),
        };
        self.nodes[id] = node;
        Ok(id)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<NodeId>, Malformed> {
        let count = self.count(';')?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.value(depth)?);
        }
        Ok(items)
    }

    fn until(&mut self, end: char) -> Result<&'a str, Malformed> {
        let (part, rest) = self.text.split_once(end).ok_or(Malformed("ends early"))?;
        self.text = rest;
        Ok(part)
    }

    fn count(&mut self, end: char) -> Result<usize, Malformed> {
        self.until(end)?.parse().map_err(|_| Malformed("a count"))
    }

    fn characters(&mut self) -> Result<&'a str, Malformed> {
        let count = self.count(':')?;
        let mut ends = self.text.char_indices().map(|(at, _)| at);
        let end = match ends.nth(count) {
            Some(end) => end,
            None if self.text.chars().count() == count => self.text.len(),
            None => return Err(Malformed("ends early")),
        };
        let (part, rest) = self.text.split_at(end);
        self.text = rest;
        Ok(part)
    }
}

fn whole(hex: &str) -> Result<String, Malformed> {
    let digits = hex.strip_prefix('-').unwrap_or(hex);
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.is_empty() || !digits.bytes().all(lower) {
        return Err(Malformed("a whole number"));
    }
    Ok(hex.to_owned())
}

fn float(text: &str) -> Result<f64, Malformed> {
    text.parse().map_err(|_| Malformed("a float"))
}

fn latin1(text: &str) -> Result<Vec<u8>, Malformed> {
    text.chars()
        .map(|char| u8::try_from(char).map_err(|_| Malformed("bytes")))
        .collect()
}

struct Writer<'a> {
    value: &'a Value,
    out: String,
    /// Places of the containers in the order of their beginning.
    containers: HashMap<NodeId, usize>,
}

impl Writer<'_> {
    fn put(&mut self, id: NodeId) {
        if let Some(place) = self.containers.get(&id) {
            let _ = write!(self.out, "r{place};");
            return;
        }
        let node = self.value.node(id);
        let sequence = match node {
            Node::List(items) => Some(('l', items)),
            Node::Tuple(items) => Some(('t', items)),
            Node::Set(items) => Some(('S', items)),
            Node::FrozenSet(items) => Some(('Z', items)),
            _ => None,
        };
        if let Some((kind, items)) = sequence {
            self.begin(id);
            let _ = write!(self.out, "{kind}{};", items.len());
            for &item in items {
                self.put(item);
            }
            return;
        }
        match node {
            Node::None => self.out.push('N'),
            Node::Ellipsis => self.out.push('E'),
            Node::Bool(value) => self.out.push(if *value { 'T' } else { 'F' }),
            Node::Int(hex) => self.text(format_args!("i{hex};")),
            Node::Float(value) => self.text(format_args!("f{value:?};")),
            Node::Complex(re, im) => self.text(format_args!("c{re:?},{im:?};")),
            Node::Str(text) => self.text(format_args!("s{}:{text}", text.chars().count())),
            Node::Bytes(bytes) => self.bytes('b', bytes),
            Node::ByteArray(bytes) => {
                self.begin(id);
                self.bytes('B', bytes);
            }
            Node::Dict(entries) => {
                self.begin(id);
                self.text(format_args!("d{};", entries.len()));
                for &(key, value) in entries {
                    self.put(key);
                    self.put(value);
                }
            }
            Node::Range(parts) => self.several('R', parts),
            &Node::Foreign(a, b) => self.several('M', &[a, b]),
            &Node::Instance(a, b) => {
                self.begin(id);
                self.several('I', &[a, b]);
            }
            &Node::ExceptionType(a, b) => self.several('X', &[a, b]),
            &Node::Builtin(name) => self.several('Y', &[name]),
            &Node::Opaque(name) => {
                self.out.push_str("h0;");
                self.put(name);
                self.out.push('Q');
            }
            // Written above.
            Node::List(_) | Node::Tuple(_) | Node::Set(_) | Node::FrozenSet(_) => {}
        }
    }

    fn text(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = self.out.write_fmt(text);
    }

    fn bytes(&mut self, kind: char, bytes: &[u8]) {
        let text: String = bytes.iter().copied().map(char::from).collect();
        self.text(format_args!("{kind}{}:{text}", bytes.len()));
    }

    fn begin(&mut self, id: NodeId) {
        self.containers.insert(id, self.containers.len());
    }

    fn several(&mut self, kind: char, parts: &[NodeId]) {
        self.out.push(kind);
        for &part in parts {
            self.put(part);
        }
    }
}

impl From<Value> for String {
    fn from(value: Value) -> Self {
        value.text_of(0)
    }
}

impl TryFrom<String> for Value {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(&text)
    }
}
