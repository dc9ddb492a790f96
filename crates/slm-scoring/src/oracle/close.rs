//! numpy's `allclose(found, expected)` on Python values, as EvalPlus calls it.
//!
//! # Source
//! numpy 2.4.6: its conversion of nested sequences to arrays, its broadcasting, and the inputs that it rejects.
//! A result for which it raises an exception is wrong.

use slm_sandbox::{Budget, Exceeded, Node, NodeId, Value};

use super::ROOT;

/// Relative tolerance of numpy's `assert_allclose`.
const RELATIVE: f64 = 1e-7;

/// Maximum number of array dimensions.
const MOST_DIMENSIONS: usize = 64;

/// A result may hold [`MORE_NUMBERS`] times the expected count of numbers plus [`FEW_NUMBERS`]: they take
/// memory, even if the value has few parts.
const MORE_NUMBERS: usize = 4;
const FEW_NUMBERS: usize = 1 << 16;

/// Real and imaginary part.
type Number = (f64, f64);

/// Returns whether all numbers are close; false for values that numpy cannot convert to an array of numbers.
///
/// # Errors
/// [`Exceeded`] if the budget is too small for their count: a sequence of references to one sequence multiplies
/// it with each level.
pub(super) fn all_close(
    found: &Value,
    expected: &Value,
    atol: f64,
    budget: &mut Budget,
) -> Result<bool, Exceeded> {
    let (Some(a), Some(b)) = (shape_of(found), shape_of(expected)) else {
        return Ok(false);
    };
    let Some(shape) = common_shape(&a, &b) else {
        return Ok(false);
    };
    let count = |shape: &[usize]| {
        shape
            .iter()
            .fold(1, |n: usize, &length| n.saturating_mul(length))
    };
    if count(&a) > MORE_NUMBERS * count(&b) + FEW_NUMBERS {
        return Err(Exceeded::Steps);
    }
    let (Some(a), Some(b)) = (
        Array::of(found, a, budget)?,
        Array::of(expected, b, budget)?,
    ) else {
        return Ok(false);
    };
    // The tolerance is computed from the expected numbers, which must have a numpy number type.
    if b.has_objects {
        return Ok(false);
    }
    for flat in 0..count(&shape) {
        budget.spend(1)?;
        let (a, b) = (a.at(&shape, flat), b.at(&shape, flat));
        if !close(a, b, atol) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn close(a: Number, b: Number, atol: f64) -> bool {
    let finite = |(re, im): Number| re.is_finite() && im.is_finite();
    if finite(a) && finite(b) {
        let size = |(re, im): Number| re.hypot(im);
        size((a.0 - b.0, a.1 - b.1)) <= atol + RELATIVE * size(b)
    } else {
        a == b
    }
}

/// Returns the broadcast shape: aligned at the last dimension, lengths are equal or one of them is 1.
fn common_shape(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let dimensions = a.len().max(b.len());
    // Counted from the last; a missing dimension is 1.
    let from_end = |shape: &[usize], i: usize| {
        let at = shape.len().checked_sub(i + 1);
        at.map_or(1, |at| shape[at])
    };
    let mut shape = Vec::with_capacity(dimensions);
    for i in (0..dimensions).rev() {
        shape.push(match (from_end(a, i), from_end(b, i)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return None,
        });
    }
    Some(shape)
}

/// Returns the shape of numpy's array, if there is one, from the first item at each level.
fn shape_of(value: &Value) -> Option<Vec<usize>> {
    let (mut shape, mut id) = (Vec::new(), ROOT);
    while let Some(items) = sequence(value, id) {
        shape.push(items.len());
        if shape.len() > MOST_DIMENSIONS {
            return None;
        }
        match items.first() {
            Some(&first) => id = first,
            None => break,
        }
    }
    Some(shape)
}

struct Array {
    shape: Vec<usize>,
    numbers: Vec<Number>,
    /// Whether some are Python objects instead of numpy numbers: integers of more than 64 bits, fractions.
    has_objects: bool,
}

impl Array {
    /// Returns the numbers of a nested sequence; `None` if it is ragged or contains anything else.
    fn of(value: &Value, shape: Vec<usize>, budget: &mut Budget) -> Result<Option<Self>, Exceeded> {
        let mut array = Self {
            shape,
            numbers: Vec::new(),
            has_objects: false,
        };
        let mut open = vec![(ROOT, 0)];
        while let Some((id, level)) = open.pop() {
            budget.spend(1)?;
            match (sequence(value, id), array.shape.get(level)) {
                (Some(items), Some(&length)) if items.len() == length => {
                    budget.spend(length as u64)?;
                    open.extend(items.iter().rev().map(|&id| (id, level + 1)));
                }
                (None, None) => match array.number(value, id) {
                    Some(number) => array.numbers.push(number),
                    None => return Ok(None),
                },
                _ => return Ok(None),
            }
        }
        Ok(Some(array))
    }

    fn number(&mut self, value: &Value, id: NodeId) -> Option<Number> {
        let id = value.unwrapped(id);
        match value.node(id) {
            Node::Complex(re, im) => return Some((*re, *im)),
            // Python can subtract a float from a Fraction, but not from a Decimal.
            Node::Foreign(..) => match value.foreign(id)? {
                ("fractions.Fraction", _) => self.has_objects = true,
                _ => return None,
            },
            Node::BigInt(hex) => {
                self.has_objects |= hex.starts_with('-') || hex.len() > 16;
            }
            _ => {}
        }
        Some((value.as_f64(id)?, 0.0))
    }

    /// Returns the number at a row-major index of a broadcast shape.
    fn at(&self, shape: &[usize], flat: usize) -> Number {
        let (mut rest, mut index, mut stride) = (flat, 0, 1);
        for (i, &length) in shape.iter().rev().enumerate() {
            let at = rest % length;
            rest /= length;
            let own = self
                .shape
                .len()
                .checked_sub(i + 1)
                .map_or(1, |at| self.shape[at]);
            if own > 1 {
                index += at * stride;
            }
            stride *= own;
        }
        self.numbers[index]
    }
}

/// Returns the items if numpy treats the value as a sequence.
fn sequence(value: &Value, id: NodeId) -> Option<&[NodeId]> {
    value.items(value.unwrapped(id))
}
