//! Decides whether a return value is correct, by a benchmark's own rule; pure.
//!
//! # Source
//! EvalPlus 0.3.1, whose published verdicts these rules reproduce, including its quirks.

mod close;
#[cfg(test)]
mod evalplus;
mod evoeval;
#[cfg(test)]
mod fuzz;

use std::collections::BTreeSet;

use slm_benchmarks::Oracle;
use slm_sandbox::{Budget, Exceeded, Node, NodeId, Pairs, Value};

use close::all_close;

/// Absolute tolerance used after the first expected float.
const FLOAT_TOLERANCE: f64 = 1e-6;
const ROOT: NodeId = Value::ROOT;

/// Compares the results of one suite of calls with the expected ones, in call order.
///
/// ```
/// use slm_benchmarks::Oracle;
/// use slm_sandbox::Value;
/// use slm_scoring::OutputChecker;
///
/// // Values in the form in which they leave a box: a list of two floats.
/// let found = Value::try_from("l2;f1.0;f2.0000001;".to_owned())?;
/// let expected = Value::try_from("l2;f1.0;f2.0;".to_owned())?;
/// let mut checker = OutputChecker::new(&Oracle::Equal, 0.0);
/// assert!(checker.accepts(&found, &expected, None)?, "floats are compared with a tolerance");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct OutputChecker<'a> {
    oracle: &'a Oracle,
    /// Set to [`FLOAT_TOLERANCE`] when a float is expected, and kept for later calls.
    atol: f64,
}

impl<'a> OutputChecker<'a> {
    /// Creates a checker for one suite; `atol` is the benchmark's absolute tolerance.
    pub fn new(oracle: &'a Oracle, atol: f64) -> Self {
        Self { oracle, atol }
    }

    /// Returns whether `found` is correct if the reference returned `expected`, and the oracle's second program
    /// `aid`.
    ///
    /// # Errors
    /// [`Exceeded`] if the result is nested too deeply or has too many (shared) parts: it counts as wrong.
    pub fn accepts(
        &mut self,
        found: &Value,
        expected: &Value,
        aid: Option<&Value>,
    ) -> Result<bool, Exceeded> {
        let parts = found.parts() + expected.parts() + aid.map_or(0, Value::parts);
        let budget = &mut Budget::for_parts(parts);
        let exact = match self.oracle {
            Oracle::Equal => found.equals(expected, budget)?,
            Oracle::Anything => true,
            Oracle::OrZero => found.equals(expected, budget)? || is_zero(found),
            Oracle::OrEqualTo(_) => {
                found.equals(expected, budget)?
                    || match aid {
                        Some(aid) => found.equals(aid, budget)?,
                        None => false,
                    }
            }
            Oracle::OrWithin(_) => {
                let near = |aid: &Value| {
                    Some((found.as_f64(ROOT)? - aid.as_f64(ROOT)?).abs() <= self.atol)
                };
                found.equals(expected, budget)? || aid.and_then(near).unwrap_or(false)
            }
            Oracle::SetEqual => match (elements(found), elements(expected)) {
                (Some(found), Some(expected)) => match found.equal(&expected, budget)? {
                    Some(equal) => equal,
                    None => return Ok(false),
                },
                _ => return Ok(false),
            },
            Oracle::NotNone => {
                let right = *expected.root() != Node::None;
                return Ok(match found.root() {
                    Node::Bool(answer) => *answer == right,
                    other => (*other != Node::None) == right,
                });
            }
            Oracle::ZeroOf(_) => {
                let value = aid.and_then(|aid| polynomial(aid, ROOT, found.as_f64(ROOT)?));
                return Ok(value.is_some_and(|value| value.abs() <= self.atol));
            }
            Oracle::Typed => return evoeval::same(expected, found, budget),
            Oracle::Puzzle { puzzle, .. } => {
                return match aid {
                    Some(aid) => evoeval::solves(*puzzle, aid, found, expected, budget),
                    None => Ok(false),
                };
            }
            Oracle::Json { or_first } => {
                return Ok(json_equal(found, expected, ROOT, budget)?
                    || (*or_first && equals_first(found, expected, budget)?));
            }
        };
        if self.atol == 0.0 && is_floats(expected) {
            self.atol = FLOAT_TOLERANCE;
        }
        Ok(exact
            || (self.atol != 0.0
                && same_type(found, expected)
                && same_length(found, expected)
                && all_close(found, expected, self.atol, budget)?))
    }
}

/// Evaluates Python's `value == 0`.
fn is_zero(value: &Value) -> bool {
    match value.node(value.unwrapped(ROOT)) {
        Node::Complex(re, im) => *re == 0.0 && *im == 0.0,
        _ => value.as_f64(value.unwrapped(ROOT)) == Some(0.0),
    }
}

/// Evaluates the polynomial with the listed coefficients, constant first, at `x`.
fn polynomial(value: &Value, coefficients: NodeId, x: f64) -> Option<f64> {
    let (Node::List(ids) | Node::Tuple(ids)) = value.node(coefficients) else {
        return None;
    };
    ids.iter().enumerate().try_fold(0.0, |sum, (power, &id)| {
        // Not `powi`, whose last digits differ from Python's `math.pow`.
        Some(sum + value.as_f64(id)? * x.powf(power as f64))
    })
}

/// Returns whether a value is a float, or a non-empty sequence of floats.
fn is_floats(value: &Value) -> bool {
    // numpy's float64 is a subclass of Python's float.
    let is_float = |id: NodeId| {
        matches!(value.node(id), Node::Float(_))
            || matches!(value.foreign(id), Some(("numpy.float64", _)))
    };
    match value.root() {
        Node::List(ids) | Node::Tuple(ids) => !ids.is_empty() && ids.iter().all(|&id| is_float(id)),
        _ => is_float(ROOT),
    }
}

fn same_type(a: &Value, b: &Value) -> bool {
    let name = |value: &Value| value.foreign(ROOT).map(|(name, _)| name.to_owned());
    match (a.root(), b.root()) {
        (Node::Opaque(_), _) => false,
        // Integers of any size have one type.
        (Node::Int(_) | Node::BigInt(_), Node::Int(_) | Node::BigInt(_)) => true,
        (x, y) => std::mem::discriminant(x) == std::mem::discriminant(y) && name(a) == name(b),
    }
}

/// Compares the lengths of lists and tuples; other types match at any length here.
fn same_length(a: &Value, b: &Value) -> bool {
    match (a.root(), b.root()) {
        (Node::List(x), Node::List(y)) | (Node::Tuple(x), Node::Tuple(y)) => x.len() == y.len(),
        _ => true,
    }
}

/// Elements of `set(value)`.
enum Elements<'a> {
    Of(&'a Value, Vec<NodeId>),
    /// The characters of a text.
    Characters(BTreeSet<char>),
}

/// Returns `None` for values that Python's `set` rejects, but does not check elements for hashability.
fn elements(value: &Value) -> Option<Elements<'_>> {
    let ids: Vec<NodeId> = match value.root() {
        Node::Set(ids) | Node::FrozenSet(ids) => ids.to_vec(),
        Node::Str(text) => return Some(Elements::Characters(text.chars().collect())),
        _ => match (value.items(ROOT), value.entries(ROOT)) {
            (Some(ids), _) => ids.to_vec(),
            (_, Some(entries)) => entries.iter().map(|(key, _)| *key).collect(),
            _ => return None,
        },
    };
    Some(Elements::Of(value, ids))
}

impl Elements<'_> {
    /// Returns `None` if an element is unhashable.
    fn equal(&self, other: &Self, budget: &mut Budget) -> Result<Option<bool>, Exceeded> {
        Ok(match (self, other) {
            (Self::Of(a, x), Self::Of(b, y)) => return a.sets_equal(x, b, y, budget),
            (Self::Characters(x), Self::Characters(y)) => Some(x == y),
            (Self::Of(value, ids), Self::Characters(characters))
            | (Self::Characters(characters), Self::Of(value, ids)) => {
                budget.spend(ids.len() as u64)?;
                let character = |&id: &NodeId| match value.node(id) {
                    Node::Str(text) => {
                        let mut characters = text.chars();
                        characters.next().filter(|_| characters.next().is_none())
                    }
                    _ => None,
                };
                let found: Option<BTreeSet<char>> = ids.iter().map(character).collect();
                Some(found.is_some_and(|found| found == *characters))
            }
        })
    }
}

/// Compares values with tuples counted as lists.
fn json_equal(
    found: &Value,
    expected: &Value,
    expected_id: NodeId,
    budget: &mut Budget,
) -> Result<bool, Exceeded> {
    Pairs::agree(
        found,
        ROOT,
        expected,
        expected_id,
        budget,
        |pairs, a, b| match (pairs.left.node(a), pairs.right.node(b)) {
            (Node::List(x) | Node::Tuple(x), Node::List(y) | Node::Tuple(y)) => {
                Ok(pairs.ask_all(x, y))
            }
            _ => pairs.left.parts_equal(a, pairs.right, b, pairs.budget),
        },
    )
}

/// Returns whether a result equals the first element of the expected list.
fn equals_first(found: &Value, expected: &Value, budget: &mut Budget) -> Result<bool, Exceeded> {
    match expected.root() {
        Node::List(ids) => match ids.first() {
            Some(&id) => json_equal(found, expected, id, budget),
            None => Ok(false),
        },
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses a value from its encoding (crates/slm-sandbox/src/python/link.py).
    fn value(text: &str) -> Value {
        Value::try_from(text.to_owned()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn check(oracle: &Oracle, atol: f64, cases: &[(&str, &str, bool)]) {
        for (found, expected, accepted) in cases {
            let mut checker = OutputChecker::new(oracle, atol);
            let found_accepted = checker.accepts(&value(found), &value(expected), None);
            assert_eq!(
                found_accepted,
                Ok(*accepted),
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
                // A float is expected, and a close value must have its type.
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
        let mut checker = OutputChecker::new(&Oracle::Equal, 0.0);
        let pair = (value("l2;i1;f2.0;"), value("l2;i1;f2.0000001;"));
        assert_eq!(checker.accepts(&pair.0, &pair.1, None), Ok(false));
        assert_eq!(
            checker.accepts(&value("f0.5;"), &value("f0.5;"), None),
            Ok(true)
        );
        assert_eq!(checker.accepts(&pair.0, &pair.1, None), Ok(true));
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
            OutputChecker::new(&oracle, 1e-4).accepts(
                &value(found),
                &value(expected),
                Some(&value(aid)),
            ) == Ok(true)
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
