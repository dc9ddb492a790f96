//! Whether a returned value is right, by a benchmark's own rule; pure.
//!
//! # Source
//! EvalPlus 0.3.1, whose published verdicts these rules reproduce, oddities included.

mod evoeval;

use benchmarks::Oracle;
use sandbox::{Node, NodeId, Value};

/// Relative tolerance of numpy's `assert_allclose`.
const RELATIVE: f64 = 1e-7;
/// Absolute tolerance once a float was expected.
const FLOAT_TOLERANCE: f64 = 1e-6;
const ROOT: NodeId = 0;

/// Judges the results of one suite of calls, in their order.
#[derive(Debug, Clone)]
pub(crate) struct Judge<'a> {
    oracle: &'a Oracle,
    /// Grows when a float is expected, and stays so for the calls after it.
    atol: f64,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(oracle: &'a Oracle, atol: f64) -> Self {
        Self { oracle, atol }
    }

    /// Whether `found` is right where the reference returned `expected`, and the oracle's second program `aid`.
    pub(crate) fn accepts(&mut self, found: &Value, expected: &Value, aid: Option<&Value>) -> bool {
        let equal = || found.equals(expected);
        let exact = match self.oracle {
            Oracle::Equal => equal(),
            Oracle::Anything => true,
            Oracle::OrZero => equal() || number(found, ROOT) == Some(0.0),
            Oracle::OrEqualTo(_) => equal() || aid.is_some_and(|aid| found.equals(aid)),
            Oracle::OrWithin(_) => {
                let near = |aid: &Value| {
                    Some((number(found, ROOT)? - number(aid, ROOT)?).abs() <= self.atol)
                };
                equal() || aid.and_then(near).unwrap_or(false)
            }
            Oracle::SetEqual => match (elements(found), elements(expected)) {
                (Some(a), Some(b)) => same_set(found, &a, expected, &b),
                _ => return false,
            },
            Oracle::NotNone => {
                let right = *expected.root() != Node::None;
                return match found.root() {
                    Node::Bool(answer) => *answer == right,
                    other => (*other != Node::None) == right,
                };
            }
            Oracle::ZeroOf(_) => {
                let value = aid.and_then(|aid| polynomial(aid, ROOT, number(found, ROOT)?));
                return value.is_some_and(|value| value.abs() <= self.atol);
            }
            Oracle::Typed => return evoeval::same(expected, found),
            Oracle::Puzzle { puzzle, .. } => {
                return aid.is_some_and(|aid| evoeval::solves(*puzzle, aid, found, expected));
            }
            Oracle::Json { or_first } => {
                return json_equal(found, ROOT, expected, ROOT)
                    || (*or_first && equals_first(found, expected));
            }
        };
        if self.atol == 0.0 && is_floats(expected) {
            self.atol = FLOAT_TOLERANCE;
        }
        exact
            || (self.atol != 0.0
                && same_type(found, expected)
                && all_close(found, expected, self.atol))
    }
}

/// A number as a double; large integers are rounded.
fn number(value: &Value, id: NodeId) -> Option<f64> {
    match value.node(id) {
        Node::Bool(bit) => Some(f64::from(u8::from(*bit))),
        Node::Int(hex) => {
            let (sign, digits) = hex
                .strip_prefix('-')
                .map_or((1.0, hex.as_str()), |rest| (-1.0, rest));
            let digits = digits.chars().filter_map(|digit| digit.to_digit(16));
            Some(sign * digits.fold(0.0, |sum, digit| sum * 16.0 + f64::from(digit)))
        }
        Node::Float(number) => Some(*number),
        _ => None,
    }
}

/// Value at `x` of the polynomial with the listed coefficients, the constant first.
fn polynomial(value: &Value, coefficients: NodeId, x: f64) -> Option<f64> {
    let (Node::List(ids) | Node::Tuple(ids)) = value.node(coefficients) else {
        return None;
    };
    ids.iter().enumerate().try_fold(0.0, |sum, (power, &id)| {
        // Not `powi`, whose last digits differ from those of Python's `math.pow`.
        Some(sum + number(value, id)? * x.powf(power as f64))
    })
}

/// Whether a value is a float, or a sequence of one or more floats.
fn is_floats(value: &Value) -> bool {
    let is_float = |id: NodeId| matches!(value.node(id), Node::Float(_));
    match value.root() {
        Node::Float(_) => true,
        Node::List(ids) | Node::Tuple(ids) => !ids.is_empty() && ids.iter().all(|&id| is_float(id)),
        _ => false,
    }
}

fn same_type(a: &Value, b: &Value) -> bool {
    let (a, b) = (a.root(), b.root());
    !matches!(a, Node::Opaque(_)) && std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// What `set(value)` holds; `None` where Python refuses to make one.
fn elements(value: &Value) -> Option<Vec<NodeId>> {
    fn hashable(value: &Value, id: NodeId) -> bool {
        match value.node(id) {
            Node::List(_) | Node::Dict(_) | Node::Set(_) | Node::ByteArray(_) => false,
            Node::Tuple(ids) => ids.iter().all(|&id| hashable(value, id)),
            _ => true,
        }
    }
    let ids = match value.root() {
        Node::List(ids) | Node::Tuple(ids) | Node::Set(ids) | Node::FrozenSet(ids) => ids.clone(),
        Node::Dict(entries) => entries.iter().map(|(key, _)| *key).collect(),
        Node::Str(text) if text.is_empty() => Vec::new(),
        _ => return None,
    };
    ids.iter().all(|&id| hashable(value, id)).then_some(ids)
}

fn same_set(a: &Value, a_ids: &[NodeId], b: &Value, b_ids: &[NodeId]) -> bool {
    let among = |x: &Value, id, y: &Value, ids: &[NodeId]| {
        ids.iter().any(|&other| x.parts_equal(id, y, other))
    };
    a_ids.iter().all(|&id| among(a, id, b, b_ids)) && b_ids.iter().all(|&id| among(b, id, a, a_ids))
}

/// numpy's `allclose` of two values of one shape; false for what numpy makes no array of numbers from. (Where shapes
/// differ numpy would broadcast; no published verdict hangs on that.)
fn all_close(found: &Value, expected: &Value, atol: f64) -> bool {
    let (Some(a), Some(b)) = (Array::of(found), Array::of(expected)) else {
        return false;
    };
    a.shape == b.shape
        && a.numbers
            .iter()
            .zip(&b.numbers)
            .all(|(&a, &b)| close(a, b, atol))
}

/// Real and imaginary part.
type Number = (f64, f64);

fn close(a: Number, b: Number, atol: f64) -> bool {
    let finite = |(re, im): Number| re.is_finite() && im.is_finite();
    if finite(a) && finite(b) {
        let size = |(re, im): Number| re.hypot(im);
        size((a.0 - b.0, a.1 - b.1)) <= atol + RELATIVE * size(b)
    } else {
        a == b
    }
}

#[derive(Default)]
struct Array {
    shape: Vec<usize>,
    numbers: Vec<Number>,
}

impl Array {
    /// The numbers of a nested sequence; `None` if it is ragged or holds anything else.
    fn of(value: &Value) -> Option<Self> {
        let mut array = Self::default();
        array.add(value, ROOT, 0)?;
        // A whole number of more than 64 bits has no place in numpy's integers, but one in its floats.
        let has_float = value_has_float(value, ROOT, 0);
        let fits = |&(re, _): &Number| re > -9.3e18 && re < 1.85e19;
        (has_float || array.numbers.iter().all(fits)).then_some(array)
    }

    fn add(&mut self, value: &Value, id: NodeId, depth: usize) -> Option<()> {
        match value.node(id) {
            Node::List(ids) | Node::Tuple(ids) => {
                // The first at each depth sets the shape.
                if depth == self.shape.len() && self.numbers.is_empty() {
                    self.shape.push(ids.len());
                } else if self.shape.get(depth) != Some(&ids.len()) {
                    return None;
                }
                ids.iter()
                    .try_for_each(|&id| self.add(value, id, depth + 1))
            }
            Node::Complex(re, im) if depth == self.shape.len() => {
                self.numbers.push((*re, *im));
                Some(())
            }
            _ if depth == self.shape.len() => {
                self.numbers.push((number(value, id)?, 0.0));
                Some(())
            }
            _ => None,
        }
    }
}

/// The depth keeps a list that contains itself from being walked for ever; numpy stops at 64.
fn value_has_float(value: &Value, id: NodeId, depth: usize) -> bool {
    match value.node(id) {
        Node::Float(_) | Node::Complex(..) => true,
        Node::List(ids) | Node::Tuple(ids) if depth < 64 => {
            ids.iter().any(|&id| value_has_float(value, id, depth + 1))
        }
        _ => false,
    }
}

/// Equality in which a tuple counts as a list.
fn json_equal(a: &Value, a_id: NodeId, b: &Value, b_id: NodeId) -> bool {
    match (a.node(a_id), b.node(b_id)) {
        (Node::List(x) | Node::Tuple(x), Node::List(y) | Node::Tuple(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(&x, &y)| json_equal(a, x, b, y))
        }
        _ => a.parts_equal(a_id, b, b_id),
    }
}

/// Whether a result is the first element of the expected list.
fn equals_first(found: &Value, expected: &Value) -> bool {
    match expected.root() {
        Node::List(ids) => ids
            .first()
            .is_some_and(|&id| json_equal(found, ROOT, expected, id)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value from its text on the wire (sandbox/src/python/link.py).
    fn value(text: &str) -> Value {
        Value::try_from(text.to_owned()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn check(oracle: &Oracle, atol: f64, cases: &[(&str, &str, bool)]) {
        for (found, expected, accepted) in cases {
            let mut judge = Judge::new(oracle, atol);
            let found_accepted = judge.accepts(&value(found), &value(expected), None);
            assert_eq!(
                found_accepted, *accepted,
                "{oracle:?}: {found} for {expected}"
            );
        }
    }

    #[test]
    fn floats_are_compared_with_a_tolerance_and_the_rest_exactly() {
        check(
            &Oracle::Equal,
            0.0,
            &[
                ("i1;", "i1;", true),
                ("f1.0;", "i1;", true),
                ("T", "i1;", true),
                ("i2;", "i1;", false),
                ("f1.0000001;", "f1.0;", true),
                ("f1.00001;", "f1.0;", false),
                // A float is expected, and what is close must be of its type.
                ("i1;", "f1.0000001;", false),
                ("l2;f1.0;f2.0;", "l2;f1.0;f2.0000001;", true),
                ("t2;f1.0;f2.0;", "l2;f1.0;f2.0000001;", false),
                ("l1;f1.0;", "l2;f1.0;f2.0;", false),
                // Not all floats: no tolerance.
                ("l2;i1;f2.0;", "l2;i1;f2.0000001;", false),
                ("finf;", "finf;", true),
                ("f-inf;", "finf;", false),
                ("s1:a", "f1.0;", false),
            ],
        );
    }

    #[test]
    fn a_set_tolerance_holds_for_all_nested_numbers() {
        check(
            &Oracle::Equal,
            1e-4,
            &[
                ("l2;i1;l1;f2.0;", "l2;i1;l1;f2.00001;", false),
                ("l2;l1;i1;l1;f2.0;", "l2;l1;i1;l1;f2.00001;", true),
                ("c1.0,2.0;", "c1.00001,2.0;", true),
                ("l1;s1:a", "l1;s1:b", false),
                ("d1;i1;f2.0;", "d1;i1;f2.00001;", false),
            ],
        );
    }

    #[test]
    fn a_float_once_expected_makes_later_calls_tolerant() {
        let mut judge = Judge::new(&Oracle::Equal, 0.0);
        let pair = (value("l2;i1;f2.0;"), value("l2;i1;f2.0000001;"));
        assert!(!judge.accepts(&pair.0, &pair.1, None));
        assert!(judge.accepts(&value("f0.5;"), &value("f0.5;"), None));
        assert!(judge.accepts(&pair.0, &pair.1, None));
    }

    #[test]
    fn sets_of_elements_are_compared_where_the_benchmark_says_so() {
        check(
            &Oracle::SetEqual,
            0.0,
            &[
                ("l3;i1;i2;i1;", "t2;i2;i1;", true),
                ("l1;i1;", "l2;i1;i2;", false),
                ("l1;l1;i1;", "l1;l1;i1;", false),
                ("i1;", "l1;i1;", false),
            ],
        );
    }

    #[test]
    fn none_or_not_decides_where_the_benchmark_says_so() {
        check(
            &Oracle::NotNone,
            0.0,
            &[
                ("s1:x", "h0;s5:MatchQ", true),
                ("T", "h0;s5:MatchQ", true),
                ("F", "h0;s5:MatchQ", false),
                ("N", "N", true),
                ("F", "N", true),
                ("s0:", "N", false),
            ],
        );
    }

    #[test]
    fn second_programs_widen_what_is_right() {
        let accepts = |oracle: Oracle, found: &str, expected: &str, aid: &str| {
            Judge::new(&oracle, 1e-4).accepts(&value(found), &value(expected), Some(&value(aid)))
        };
        let or_equal = || Oracle::OrEqualTo(String::new());
        assert!(accepts(or_equal(), "i5;", "i3;", "i5;"));
        assert!(!accepts(or_equal(), "i4;", "i3;", "i5;"));
        let or_within = || Oracle::OrWithin(String::new());
        assert!(accepts(or_within(), "f5.00001;", "i3;", "i5;"));
        assert!(!accepts(or_within(), "N", "i3;", "i5;"));
        // x^2 - 4 has the zeros 2 and -2.
        let zero_of = || Oracle::ZeroOf(String::new());
        assert!(accepts(zero_of(), "f-2.0;", "f2.0;", "l3;i-4;i0;i1;"));
        assert!(!accepts(zero_of(), "f2.1;", "f2.0;", "l3;i-4;i0;i1;"));
        assert!(!accepts(zero_of(), "s1:a", "f2.0;", "l3;i-4;i0;i1;"));
        assert!(accepts(Oracle::OrZero, "i0;", "i7;", "N"));
        assert!(accepts(Oracle::Anything, "s1:a", "i7;", "N"));
    }

    #[test]
    fn results_written_as_json_have_lists_for_tuples() {
        check(
            &Oracle::Json { or_first: false },
            0.0,
            &[
                ("t2;i1;t1;i2;", "l2;i1;l1;i2;", true),
                ("i1;", "l1;i1;", false),
            ],
        );
        check(
            &Oracle::Json { or_first: true },
            0.0,
            &[("i1;", "l1;i1;", true)],
        );
    }
}
