//! Fingerprints of hashable values: set members and dict keys.
//!
//! They have 128 bits under a random key for each comparison, so that no program can construct a collision.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};

use super::number::Number;
use super::{Budget, Exceeded, Node, NodeId, Value};

/// A fingerprint: the same for equal values.
pub(super) type Print = u128;
/// The fingerprint of a key, and the node of its value.
pub(super) type Entry = (Print, NodeId);

/// Fingerprints of hashable values.
#[derive(Default)]
pub(super) struct Prints {
    keys: [RandomState; 2],
    /// Of nodes with parts, on the left (`true`) and on the right. `None` for unhashable ones, and for a node
    /// in progress: a forged tuple may contain itself.
    known: HashMap<(bool, NodeId), Option<Print>>,
    /// Number of NaN seen: no two are equal, so each gets its own fingerprint.
    nans: u64,
}

/// A node whose parts are processed before itself.
struct Pending {
    id: NodeId,
    next: usize,
}

impl Prints {
    /// Returns the fingerprints of a set's members, sorted and without duplicates; `None` if one is unhashable.
    pub(super) fn set(
        &mut self,
        is_left: bool,
        value: &Value,
        members: &[NodeId],
        budget: &mut Budget,
    ) -> Result<Option<Vec<Print>>, Exceeded> {
        let mut prints = Vec::with_capacity(members.len());
        for &id in members {
            match self.of(is_left, value, id, budget)? {
                Some(print) => prints.push(print),
                None => return Ok(None),
            }
        }
        prints.sort_unstable();
        prints.dedup();
        Ok(Some(prints))
    }

    /// Returns the entries of a dict, sorted by the fingerprints of their keys; of several with one key the
    /// last counts, as in Python. `None` if a key is unhashable.
    pub(super) fn entries(
        &mut self,
        is_left: bool,
        value: &Value,
        entries: &[(NodeId, NodeId)],
        budget: &mut Budget,
    ) -> Result<Option<Vec<Entry>>, Exceeded> {
        let mut found: Vec<Entry> = Vec::with_capacity(entries.len());
        for &(key, of_key) in entries.iter().rev() {
            match self.of(is_left, value, key, budget)? {
                Some(print) => found.push((print, of_key)),
                None => return Ok(None),
            }
        }
        found.sort_by_key(|entry| entry.0);
        found.dedup_by_key(|entry| entry.0);
        Ok(Some(found))
    }

    /// Returns the fingerprint of a node; `None` if unhashable.
    fn of(
        &mut self,
        is_left: bool,
        value: &Value,
        id: NodeId,
        budget: &mut Budget,
    ) -> Result<Option<Print>, Exceeded> {
        if hash_parts(value, id).is_none() {
            return self.leaf(value, id, budget);
        }
        let mut pending = vec![Pending { id, next: 0 }];
        while let Some(top) = pending.last_mut() {
            let id = top.id;
            let parts = hash_parts(value, id).unwrap_or_default();
            if top.next == 0 {
                // Until it is known: a reference to it meanwhile is from inside it.
                self.known.entry((is_left, id)).or_insert(None);
            }
            let unknown = parts[top.next..].iter().position(|&part| {
                hash_parts(value, part).is_some() && !self.known.contains_key(&(is_left, part))
            });
            if let Some(offset) = unknown {
                let part = parts[top.next + offset];
                budget.spend(1 + offset as u64)?;
                top.next += offset + 1;
                if pending.len() > Budget::LEVELS as usize {
                    return Err(Exceeded::Depth);
                }
                pending.push(Pending { id: part, next: 0 });
                continue;
            }
            let print = self.whole(is_left, value, id, parts, budget)?;
            self.known.insert((is_left, id), print);
            pending.pop();
        }
        Ok(self.known.get(&(is_left, id)).copied().flatten())
    }

    /// Returns the fingerprint of a node whose parts are known.
    fn whole(
        &mut self,
        is_left: bool,
        value: &Value,
        id: NodeId,
        parts: &[NodeId],
        budget: &mut Budget,
    ) -> Result<Option<Print>, Exceeded> {
        if let Some(number) = value.number(id) {
            return Ok(Some(self.number(&number)));
        }
        let mut prints = Vec::with_capacity(parts.len());
        for &part in parts {
            budget.spend(1)?;
            let print = match hash_parts(value, part) {
                Some(_) => self.known.get(&(is_left, part)).copied().flatten(),
                None => self.leaf(value, part, budget)?,
            };
            match print {
                Some(print) => prints.push(print),
                None => return Ok(None),
            }
        }
        Ok(match (value.node(id), value.foreign(id)) {
            (Node::FrozenSet(_), _) => {
                prints.sort_unstable();
                prints.dedup();
                Some(self.fingerprint(&('Z', prints)))
            }
            (_, Some(("numpy.ndarray", _))) => None,
            // Hashes like its content.
            (_, Some((name, _))) if name.starts_with("numpy.") => prints.first().copied(),
            (_, Some((name, _))) => Some(self.fingerprint(&('M', name, prints))),
            _ => Some(self.fingerprint(&('t', prints))),
        })
    }

    /// Returns the fingerprint of a node without parts; `None` if unhashable or not such a node.
    fn leaf(
        &mut self,
        value: &Value,
        id: NodeId,
        budget: &mut Budget,
    ) -> Result<Option<Print>, Exceeded> {
        budget.spend(1)?;
        Ok(Some(match value.node(id) {
            Node::None => self.fingerprint(&'N'),
            Node::Ellipsis => self.fingerprint(&'E'),
            Node::Str(text) => {
                budget.spend_bytes(text.len())?;
                self.fingerprint(&('s', text))
            }
            Node::Bytes(bytes) => {
                budget.spend_bytes(bytes.len())?;
                self.fingerprint(&('b', bytes))
            }
            Node::Range(_) => match value.range_items(id) {
                Some(items) => self.fingerprint(&('R', items)),
                None => return Ok(None),
            },
            &Node::ExceptionType(name, base) => match (value.node(name), value.node(base)) {
                (Node::Str(name), Node::Str(base)) => self.fingerprint(&('X', name, base)),
                _ => return Ok(None),
            },
            &Node::Builtin(name) => match value.node(name) {
                Node::Str(name) => self.fingerprint(&('Y', name)),
                _ => return Ok(None),
            },
            Node::Complex(re, im) if *im != 0.0 => {
                let parts = (Number::of_float(*re), Number::of_float(*im));
                match parts {
                    (Number::Nan, _) | (_, Number::Nan) => self.number(&Number::Nan),
                    parts => self.fingerprint(&('c', parts)),
                }
            }
            _ => match value.number(id) {
                Some(number) => self.number(&number),
                None => return Ok(None),
            },
        }))
    }

    fn number(&mut self, number: &Number) -> Print {
        if *number == Number::Nan {
            self.nans += 1;
            return self.fingerprint(&('n', self.nans));
        }
        self.fingerprint(&('i', number))
    }

    fn fingerprint(&self, content: &impl Hash) -> Print {
        let [high, low] = self
            .keys
            .each_ref()
            .map(|key| Print::from(key.hash_one(content)));
        high << 64 | low
    }
}

/// Returns the parts by which Python hashes a node; `None` if it has none or is unhashable.
fn hash_parts(value: &Value, id: NodeId) -> Option<&[NodeId]> {
    match value.node(id) {
        Node::Tuple(ids) | Node::FrozenSet(ids) => Some(ids),
        Node::Foreign(..) => value.foreign(id).map(|(_, arguments)| arguments),
        _ => None,
    }
}
