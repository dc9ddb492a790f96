//! Encodes a value as text, without recursion.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use super::{Node, NodeId, Value};

/// Returns the text of a value. Containers appear in the order in which they were read, so the nesting of the
/// text is within the reader's limit.
pub(super) fn text(value: &Value) -> String {
    let mut writer = Writer {
        value,
        out: String::new(),
        containers: HashMap::new(),
        next: vec![Step::Node(Value::ROOT)],
    };
    while let Some(step) = writer.next.pop() {
        match step {
            Step::Node(id) => writer.put(id),
            Step::NoPlainValue => writer.out.push('Q'),
        }
    }
    writer.out
}

enum Step {
    Node(NodeId),
    NoPlainValue,
}

struct Writer<'a> {
    value: &'a Value,
    out: String,
    /// Indices of the containers in order of appearance.
    containers: HashMap<NodeId, usize>,
    /// Remaining steps, the next one last.
    next: Vec<Step>,
}

impl Writer<'_> {
    fn put(&mut self, id: NodeId) {
        if let Some(&place) = self.containers.get(&id) {
            return self.text(format_args!("r{place};"));
        }
        match self.value.node(id) {
            Node::None => self.out.push('N'),
            Node::Ellipsis => self.out.push('E'),
            Node::Bool(value) => self.out.push(if *value { 'T' } else { 'F' }),
            Node::Int(value) if *value < 0 => {
                self.text(format_args!("i-{:x};", value.unsigned_abs()));
            }
            Node::Int(value) => self.text(format_args!("i{value:x};")),
            Node::BigInt(hex) => self.text(format_args!("i{hex};")),
            Node::Float(value) => self.text(format_args!("f{value:?};")),
            Node::Complex(re, im) => self.text(format_args!("c{re:?},{im:?};")),
            Node::Str(text) => self.text(format_args!("s{}:{text}", text.chars().count())),
            Node::Bytes(bytes) => self.bytes('b', bytes),
            Node::ByteArray(bytes) => {
                self.begin(id);
                self.bytes('B', bytes);
            }
            Node::List(items) => self.sequence('l', id, items),
            Node::Tuple(items) => self.sequence('t', id, items),
            Node::Set(items) => self.sequence('S', id, items),
            Node::FrozenSet(items) => self.sequence('Z', id, items),
            Node::Dict(entries) => {
                self.begin(id);
                self.text(format_args!("d{};", entries.len()));
                let parts = entries.iter().rev().flat_map(|&(key, value)| [value, key]);
                self.next.extend(parts.map(Step::Node));
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
                self.next.push(Step::NoPlainValue);
                self.next.push(Step::Node(name));
            }
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

    fn sequence(&mut self, kind: char, id: NodeId, items: &[NodeId]) {
        self.begin(id);
        self.text(format_args!("{kind}{};", items.len()));
        self.next
            .extend(items.iter().rev().copied().map(Step::Node));
    }

    fn several(&mut self, kind: char, parts: &[NodeId]) {
        self.out.push(kind);
        self.next
            .extend(parts.iter().rev().copied().map(Step::Node));
    }
}
