//! Decodes a value's text into nodes, without recursion.

use super::{MAX_DEPTH, MAX_PARTS, Malformed, Node, NodeId, TOO_LARGE, Value};

/// A container whose parts are incomplete.
struct Open {
    kind: char,
    id: NodeId,
    /// Index of its first part in [`Reader::pending`].
    start: usize,
    left: usize,
}

struct Reader<'a> {
    text: &'a str,
    /// Whether characters are bytes.
    is_ascii: bool,
    nodes: Vec<Node>,
    parts: usize,
    /// Nodes of the containers in order of appearance.
    containers: Vec<NodeId>,
    open: Vec<Open>,
    /// Parts of all open containers, those of the innermost one last.
    pending: Vec<NodeId>,
}

/// Result of reading the beginning of a value.
enum Head {
    /// The value is complete.
    Done(NodeId),
    /// Its parts follow.
    Opened,
}

impl Value {
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut reader = Reader {
            text,
            is_ascii: text.is_ascii(),
            nodes: Vec::new(),
            parts: 0,
            containers: Vec::new(),
            open: Vec::new(),
            pending: Vec::new(),
        };
        while let Head::Opened = reader.value()? {}
        if !reader.text.is_empty() {
            return Err(Malformed("trailing text"));
        }
        reader.nodes.shrink_to_fit();
        Ok(Self {
            nodes: reader.nodes,
            parts: reader.parts,
        })
    }
}

impl<'a> Reader<'a> {
    /// Reads the beginning of the next value, and closes the containers whose last part it is; done once the
    /// outermost is closed.
    fn value(&mut self) -> Result<Head, Malformed> {
        let Head::Done(mut id) = self.head()? else {
            return Ok(Head::Opened);
        };
        loop {
            let Some(innermost) = self.open.last_mut() else {
                return Ok(Head::Done(id));
            };
            self.pending.push(id);
            innermost.left -= 1;
            if innermost.left > 0 {
                return Ok(Head::Opened);
            }
            id = innermost.id;
            let (kind, start) = (innermost.kind, innermost.start);
            self.nodes[id as usize] = closed(kind, &self.pending[start..]);
            self.pending.truncate(start);
            self.open.pop();
        }
    }

    fn head(&mut self) -> Result<Head, Malformed> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(TOO_LARGE);
        }
        let kind = self
            .text
            .chars()
            .next()
            .ok_or(Malformed("unexpected end"))?;
        self.text = &self.text[kind.len_utf8()..];
        if kind == 'r' {
            let place = self.count(';')?;
            let found = self.containers.get(place).copied();
            return found.map(Head::Done).ok_or(Malformed("no such container"));
        }
        if kind == 'Q' {
            return self.without_plain_value();
        }
        let id = self.nodes.len() as NodeId;
        self.nodes.push(Node::None);
        if "ltSZdIB".contains(kind) {
            self.containers.push(id);
        }
        let node = match kind {
            'N' => Node::None,
            'E' => Node::Ellipsis,
            'T' | 'F' => Node::Bool(kind == 'T'),
            'i' => whole(self.until(';')?)?,
            'f' => Node::Float(float(self.until(';')?)?),
            'c' => Node::Complex(float(self.until(',')?)?, float(self.until(';')?)?),
            's' => Node::Str(self.characters()?.into()),
            'b' => Node::Bytes(latin1(self.characters()?)?),
            'B' => Node::ByteArray(latin1(self.characters()?)?),
            'l' | 't' | 'S' | 'Z' | 'd' => {
                let count = self.count(';')?;
                let left = if kind == 'd' { 2 } else { 1 };
                let left = count.checked_mul(left).ok_or(Malformed("invalid count"))?;
                // Each part takes at least one character.
                if left > self.text.len() {
                    return Err(Malformed("unexpected end"));
                }
                if left > 0 {
                    return self.begin(kind, id, left);
                }
                closed(kind, &[])
            }
            'R' => return self.begin(kind, id, 3),
            'M' | 'I' | 'X' => return self.begin(kind, id, 2),
            'Y' => return self.begin(kind, id, 1),
            'h' => {
                self.count(';')?;
                return self.begin(kind, id, 2);
            }
            _ => return Err(Malformed("unknown kind")),
        };
        self.nodes[id as usize] = node;
        Ok(Head::Done(id))
    }

    fn begin(&mut self, kind: char, id: NodeId, left: usize) -> Result<Head, Malformed> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Malformed("nested too deeply"));
        }
        self.open.push(Open {
            kind,
            id,
            start: self.pending.len(),
            left,
        });
        Ok(Head::Opened)
    }

    /// Reads `Q` in place of an object's plain value. The plain value is never used here, so the node of its
    /// name takes its place.
    fn without_plain_value(&mut self) -> Result<Head, Malformed> {
        match (self.open.last(), self.pending.last()) {
            (
                Some(Open {
                    kind: 'h', left: 1, ..
                }),
                Some(&name),
            ) => Ok(Head::Done(name)),
            _ => Err(Malformed("unknown kind")),
        }
    }

    fn until(&mut self, end: char) -> Result<&'a str, Malformed> {
        let (part, rest) = self
            .text
            .split_once(end)
            .ok_or(Malformed("unexpected end"))?;
        self.text = rest;
        Ok(part)
    }

    fn count(&mut self, end: char) -> Result<usize, Malformed> {
        self.until(end)?
            .parse()
            .map_err(|_| Malformed("invalid count"))
    }

    fn characters(&mut self) -> Result<&'a str, Malformed> {
        let count = self.count(':')?;
        if count > self.text.len() {
            return Err(Malformed("unexpected end"));
        }
        let mut ends = self.text.char_indices().map(|(at, _)| at);
        let end = if self.is_ascii {
            count
        } else {
            match ends.nth(count) {
                Some(end) => end,
                None if self.text.chars().count() == count => self.text.len(),
                None => return Err(Malformed("unexpected end")),
            }
        };
        let (part, rest) = self.text.split_at(end);
        self.text = rest;
        Ok(part)
    }
}

/// Builds a container from all its parts.
fn closed(kind: char, parts: &[NodeId]) -> Node {
    match (kind, parts) {
        ('l', _) => Node::List(parts.into()),
        ('t', _) => Node::Tuple(parts.into()),
        ('S', _) => Node::Set(parts.into()),
        ('Z', _) => Node::FrozenSet(parts.into()),
        ('R', &[start, stop, step]) => Node::Range([start, stop, step]),
        ('M', &[name, arguments]) => Node::Foreign(name, arguments),
        ('I', &[name, state]) => Node::Instance(name, state),
        ('X', &[name, base]) => Node::ExceptionType(name, base),
        ('Y', &[name]) => Node::Builtin(name),
        ('h', &[name, _]) => Node::Opaque(name),
        _ => {
            let (entries, _) = parts.as_chunks::<2>();
            Node::Dict(entries.iter().map(|&[key, value]| (key, value)).collect())
        }
    }
}

fn whole(hex: &str) -> Result<Node, Malformed> {
    let (sign, digits) = match hex.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", hex),
    };
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.is_empty() || !digits.bytes().all(lower) {
        return Err(Malformed("invalid integer"));
    }
    Ok(match i64::from_str_radix(hex, 16) {
        Ok(small) => Node::Int(small),
        Err(_) => Node::BigInt(format!("{sign}{}", digits.trim_start_matches('0')).into()),
    })
}

fn float(text: &str) -> Result<f64, Malformed> {
    text.parse().map_err(|_| Malformed("invalid float"))
}

fn latin1(text: &str) -> Result<Box<[u8]>, Malformed> {
    text.chars()
        .map(|char| u8::try_from(char).map_err(|_| Malformed("invalid bytes")))
        .collect()
}
