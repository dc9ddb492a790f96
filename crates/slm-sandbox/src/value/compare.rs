//! Python's `==` on returned values, without recursion and within a budget.
//!
//! The program's own `__eq__` is never called: the compared values were rebuilt from builtin types.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::number::Number;
use super::prints::{Entry, Prints};
use super::{Budget, Exceeded, Node, NodeId, Value};

impl Value {
    /// Returns whether the two are equal by Python's `==`. NaN equals nothing: the object identity by which
    /// Python finds a NaN in a list is not transmitted.
    ///
    /// Instances of preamble classes are equal if their states are; a [`Node::Opaque`] equals nothing.
    ///
    /// # Errors
    /// [`Exceeded`] if they are nested too deeply (Python's `RecursionError`) or the budget is used up.
    pub fn equals(&self, other: &Self, budget: &mut Budget) -> Result<bool, Exceeded> {
        self.parts_equal(Self::ROOT, other, Self::ROOT, budget)
    }

    /// Like [`Value::equals`], for parts of the two.
    ///
    /// # Errors
    /// As [`Value::equals`].
    pub fn parts_equal(
        &self,
        id: NodeId,
        other: &Self,
        other_id: NodeId,
        budget: &mut Budget,
    ) -> Result<bool, Exceeded> {
        Pairs::agree(self, id, other, other_id, budget, Pairs::equal)
    }

    /// Returns whether the members form equal sets; `None` if one of them is unhashable, so that Python cannot
    /// build the set.
    ///
    /// # Errors
    /// As [`Value::equals`].
    pub fn sets_equal(
        &self,
        members: &[NodeId],
        other: &Self,
        other_members: &[NodeId],
        budget: &mut Budget,
    ) -> Result<Option<bool>, Exceeded> {
        let mut prints = Prints::default();
        let left = prints.set(true, self, members, budget)?;
        let right = prints.set(false, other, other_members, budget)?;
        Ok(left.zip(right).map(|(left, right)| left == right))
    }
}

/// A parallel walk through two values: pairs of parts that must agree.
pub struct Pairs<'a, 'b> {
    /// The value on the left.
    pub left: &'a Value,
    /// The value on the right.
    pub right: &'a Value,
    /// The remaining budget.
    pub budget: &'b mut Budget,
    prints: Prints,
    /// Pairs that the rule requested.
    asked: Vec<(NodeId, NodeId)>,
}

/// State of a visited pair: shared parts are met again, and a pair that is still [`State::Open`] is part of a cycle.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Agrees,
}

enum Step {
    Enter(NodeId, NodeId, u32),
    Leave(NodeId, NodeId),
}

impl<'a, 'b> Pairs<'a, 'b> {
    /// Returns whether two parts agree by a rule, which checks one pair and [requests](Pairs::ask) the pairs
    /// inside it. Each pair is checked once.
    ///
    /// # Errors
    /// [`Exceeded`] if the walk is too deep, cyclic or beyond its budget, or from the rule.
    pub fn agree(
        left: &'a Value,
        left_id: NodeId,
        right: &'a Value,
        right_id: NodeId,
        budget: &'b mut Budget,
        mut rule: impl FnMut(&mut Self, NodeId, NodeId) -> Result<bool, Exceeded>,
    ) -> Result<bool, Exceeded> {
        let mut pairs = Self {
            left,
            right,
            budget,
            prints: Prints::default(),
            asked: Vec::new(),
        };
        let mut states: HashMap<(NodeId, NodeId), State> = HashMap::new();
        let mut steps = vec![Step::Enter(left_id, right_id, 0)];
        while let Some(step) = steps.pop() {
            let (a, b, level) = match step {
                Step::Enter(a, b, level) => (a, b, level),
                Step::Leave(a, b) => {
                    states.insert((a, b), State::Agrees);
                    continue;
                }
            };
            pairs.budget.spend(1)?;
            if left.holds_parts(a) && right.holds_parts(b) {
                match states.get(&(a, b)) {
                    Some(State::Agrees) => continue,
                    Some(State::Open) => return Err(Exceeded::Depth),
                    None => {}
                }
            }
            if level > Budget::LEVELS {
                return Err(Exceeded::Depth);
            }
            if !rule(&mut pairs, a, b)? {
                return Ok(false);
            }
            if !pairs.asked.is_empty() {
                states.insert((a, b), State::Open);
                steps.push(Step::Leave(a, b));
                let asked = pairs.asked.drain(..).rev();
                steps.extend(asked.map(|(a, b)| Step::Enter(a, b, level + 1)));
            }
        }
        Ok(true)
    }

    /// Requires a further pair to agree.
    pub fn ask(&mut self, left: NodeId, right: NodeId) {
        self.asked.push((left, right));
    }

    /// Requires all items of two sequences to agree pairwise; false if their lengths differ.
    pub fn ask_all(&mut self, left: &[NodeId], right: &[NodeId]) -> bool {
        self.asked
            .extend(left.iter().copied().zip(right.iter().copied()));
        left.len() == right.len()
    }

    /// Requires the values of two dicts to agree where their keys are equal; false if their keys differ.
    ///
    /// # Errors
    /// As [`Value::equals`].
    pub fn ask_entries(
        &mut self,
        left: &[(NodeId, NodeId)],
        right: &[(NodeId, NodeId)],
    ) -> Result<bool, Exceeded> {
        let a = self.prints.entries(true, self.left, left, self.budget)?;
        let b = self.prints.entries(false, self.right, right, self.budget)?;
        let (Some(a), Some(b)) = (a, b) else {
            return Ok(false);
        };
        let keys = |entries: &[Entry]| entries.iter().map(|entry| entry.0).collect::<Vec<_>>();
        if keys(&a) != keys(&b) {
            return Ok(false);
        }
        // Not in the order of fingerprints, which are random: the reason for a difference must be reproducible.
        let mut values: Vec<_> = a.iter().zip(&b).map(|(a, b)| (a.1, b.1)).collect();
        values.sort_unstable();
        self.asked.extend(values);
        Ok(true)
    }

    /// Python's `==`, as the rule of a walk.
    ///
    /// # Errors
    /// As [`Value::equals`].
    pub fn equal(&mut self, a: NodeId, b: NodeId) -> Result<bool, Exceeded> {
        use Node::{
            Builtin, ByteArray, Bytes, Dict, Ellipsis, ExceptionType, Foreign, FrozenSet, Instance,
            List, Opaque, Range, Set, Str, Tuple,
        };
        let (left, right) = (self.left, self.right);
        Ok(match (left.node(a), right.node(b)) {
            (List(x), List(y)) | (Tuple(x), Tuple(y)) => self.ask_all(x, y),
            (Set(x) | FrozenSet(x), Set(y) | FrozenSet(y)) => {
                let x = self.prints.set(true, left, x, self.budget)?;
                x.is_some() && x == self.prints.set(false, right, y, self.budget)?
            }
            (Dict(x), Dict(y)) => self.ask_entries(x, y)?,
            (&Instance(class_a, state_a), &Instance(class_b, state_b)) => {
                self.ask(class_a, class_b);
                self.ask(state_a, state_b);
                true
            }
            (Bytes(x) | ByteArray(x), Bytes(y) | ByteArray(y)) => {
                self.budget.spend_bytes(x.len())?;
                x == y
            }
            (Str(x), Str(y)) => {
                self.budget.spend_bytes(x.len())?;
                x == y
            }
            (Range(_), Range(_)) => {
                let items = left.range_items(a);
                items.is_some() && items == right.range_items(b)
            }
            (&ExceptionType(name_a, base_a), &ExceptionType(name_b, base_b)) => {
                self.ask(name_a, name_b);
                self.ask(base_a, base_b);
                true
            }
            (&Builtin(name_a), &Builtin(name_b)) => {
                self.ask(name_a, name_b);
                true
            }
            (Node::None, Node::None) | (Ellipsis, Ellipsis) => true,
            (Node::Complex(re_a, im_a), Node::Complex(re_b, im_b)) => {
                re_a.partial_cmp(re_b).is_some_and(Ordering::is_eq)
                    && im_a.partial_cmp(im_b).is_some_and(Ordering::is_eq)
            }
            (Opaque(_), _) | (_, Opaque(_)) => false,
            (Foreign(..), _) | (_, Foreign(..)) => self.foreign_equal(a, b)?,
            _ => match (left.number(a), right.number(b)) {
                (Some(a), Some(b)) => a.equals(&b),
                _ => false,
            },
        })
    }

    /// Compares types of Python's standard modules and of numpy by their rules.
    fn foreign_equal(&mut self, a: NodeId, b: NodeId) -> Result<bool, Exceeded> {
        let (left, right) = (self.left, self.right);
        if let (Some(a), Some(b)) = (left.number(a), right.number(b)) {
            return Ok(a.equals(&b));
        }
        let names = (
            left.foreign(a).map(|(name, _)| name),
            right.foreign(b).map(|(name, _)| name),
        );
        match names {
            // A numpy comparison with one element is decided by that element, regardless of shape.
            (Some("numpy.ndarray"), _) | (_, Some("numpy.ndarray")) => {
                match (left.only_item(a), right.only_item(b)) {
                    (Some(a), Some(b)) => self.ask(a, b),
                    _ => return Ok(false),
                }
                Ok(true)
            }
            (Some("numpy.float32"), None) | (None, Some("numpy.float32")) => {
                // A plain number is compared at that type's precision.
                let rounded = |value: Option<f64>| value.map(|value| value as f32);
                let (a, b) = (left.unwrapped(a), right.unwrapped(b));
                Ok(match (rounded(left.as_f64(a)), rounded(right.as_f64(b))) {
                    (Some(a), Some(b)) => a.partial_cmp(&b).is_some_and(Ordering::is_eq),
                    _ => false,
                })
            }
            (Some(name), _) | (_, Some(name)) if name.starts_with("numpy.") => {
                let held = (left.unwrapped(a), right.unwrapped(b));
                self.ask(held.0, held.1);
                Ok(held != (a, b))
            }
            (Some("collections.OrderedDict"), Some("collections.OrderedDict")) => {
                let (Some(x), Some(y)) = (left.entries(a), right.entries(b)) else {
                    return Ok(false);
                };
                // Their order matters, but only between two of them.
                let keys = |entries: &[(NodeId, NodeId)]| -> Vec<NodeId> {
                    entries.iter().map(|&(key, _)| key).collect()
                };
                let is_same_order = self.ask_all(&keys(x), &keys(y));
                Ok(is_same_order && self.ask_entries(x, y)?)
            }
            (Some("collections.Counter"), Some("collections.Counter")) => {
                let (Some(x), Some(y)) = (left.entries(a), right.entries(b)) else {
                    return Ok(false);
                };
                let (x, y) = (left.without_zeros(x), right.without_zeros(y));
                self.ask_entries(&x, &y)
            }
            (Some("collections.deque"), Some("collections.deque")) => {
                match (left.items(a), right.items(b)) {
                    (Some(x), Some(y)) => Ok(self.ask_all(x, y)),
                    _ => Ok(false),
                }
            }
            _ => match (left.entries(a), right.entries(b)) {
                (Some(x), Some(y)) => self.ask_entries(x, y),
                (None, None) => {
                    let (&Node::Foreign(name_a, arguments_a), &Node::Foreign(name_b, arguments_b)) =
                        (left.node(a), right.node(b))
                    else {
                        return Ok(false);
                    };
                    self.ask(name_a, name_b);
                    self.ask(arguments_a, arguments_b);
                    Ok(true)
                }
                _ => Ok(false),
            },
        }
    }
}

impl Value {
    /// Returns whether a walk visits its parts.
    fn holds_parts(&self, id: NodeId) -> bool {
        matches!(
            self.node(id),
            Node::List(_)
                | Node::Tuple(_)
                | Node::Set(_)
                | Node::FrozenSet(_)
                | Node::Dict(_)
                | Node::Foreign(..)
                | Node::Instance(..)
        )
    }

    /// Returns the items of a list, a tuple or a `collections.deque`.
    pub fn items(&self, id: NodeId) -> Option<&[NodeId]> {
        match self.node(id) {
            Node::List(ids) | Node::Tuple(ids) => Some(ids),
            Node::Foreign(..) => match self.foreign(id)? {
                ("collections.deque", &[list, _]) => match self.node(list) {
                    Node::List(ids) => Some(ids),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the entries of a dict, an `OrderedDict` or a `Counter`.
    pub fn entries(&self, id: NodeId) -> Option<&[(NodeId, NodeId)]> {
        match self.node(id) {
            Node::Dict(entries) => Some(entries),
            Node::Foreign(..) => match self.foreign(id)? {
                ("collections.OrderedDict" | "collections.Counter", &[dict]) => {
                    match self.node(dict) {
                        Node::Dict(entries) => Some(entries),
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the content of a numpy value; any other node itself.
    pub fn unwrapped(&self, id: NodeId) -> NodeId {
        match self.foreign(id) {
            Some((name, &[item])) if name.starts_with("numpy.") => item,
            _ => id,
        }
    }

    /// Returns the item of a sequence of one, also through several nested ones.
    fn only_item(&self, id: NodeId) -> Option<NodeId> {
        let mut id = self.unwrapped(id);
        // numpy supports no more dimensions.
        for _ in 0..64 {
            match self.items(id) {
                None => return Some(id),
                Some(&[item]) => id = self.unwrapped(item),
                Some(_) => return None,
            }
        }
        None
    }

    fn without_zeros(&self, entries: &[(NodeId, NodeId)]) -> Vec<(NodeId, NodeId)> {
        let is_zero = |id| self.number(id) == Some(Number::Small(0));
        let entries = entries.iter().copied();
        entries.filter(|&(_, count)| !is_zero(count)).collect()
    }

    /// Returns first item, step and length of a range, by which two ranges are equal; `None` if they do not fit
    /// 128 bits.
    pub(super) fn range_items(&self, id: NodeId) -> Option<(i128, i128, i128)> {
        let Node::Range(parts) = self.node(id) else {
            return None;
        };
        let [start, stop, step] = parts.map(|part| match self.node(part) {
            Node::Int(value) => Some(i128::from(*value)),
            Node::BigInt(hex) => i128::from_str_radix(hex, 16).ok(),
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
