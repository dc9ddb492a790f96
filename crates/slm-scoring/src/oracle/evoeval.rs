//! The rules of `EvoEval`: equality including types, and puzzles with several solutions; pure.
//!
//! # Source
//! PyPI's `evoeval` 0.1.0, including its quirks.

use slm_benchmarks::Puzzle;
use slm_sandbox::{Budget, Exceeded, Node, NodeId, Pairs, Value};

use super::{ROOT, polynomial};

/// Tolerances with which numpy's `allclose` is called there.
const RELATIVE: f64 = 1e-5;
const ABSOLUTE: f64 = 1e-6;
/// Maximum absolute value of a polynomial at its zero in an interval.
const ZERO: f64 = 2e-2;

/// Returns whether two values are equal, including their types.
pub(super) fn same(expected: &Value, found: &Value, budget: &mut Budget) -> Result<bool, Exceeded> {
    Pairs::agree(expected, ROOT, found, ROOT, budget, parts_same)
}

/// Type of a value for the comparison of types.
#[derive(PartialEq)]
enum Kind {
    /// Also a sequence of only floats, including an empty one.
    Float,
    List,
    Tuple,
    Dict,
    Int,
    Other(std::mem::Discriminant<Node>),
}

fn kind(value: &Value, id: NodeId) -> Kind {
    match value.node(id) {
        _ if floats(value, id).is_some() => Kind::Float,
        Node::List(_) => Kind::List,
        Node::Tuple(_) => Kind::Tuple,
        Node::Dict(_) => Kind::Dict,
        Node::Int(_) | Node::BigInt(_) => Kind::Int,
        other => Kind::Other(std::mem::discriminant(other)),
    }
}

fn floats(value: &Value, id: NodeId) -> Option<Vec<f64>> {
    let float = |id: NodeId| match value.node(id) {
        Node::Float(number) => Some(*number),
        _ => None,
    };
    match value.node(id) {
        Node::List(ids) | Node::Tuple(ids) => ids.iter().map(|&id| float(id)).collect(),
        _ => float(id).map(|number| vec![number]),
    }
}

/// Returns the cost of a list, which is scanned whole at each visit.
fn length(value: &Value, id: NodeId) -> u64 {
    match value.node(id) {
        Node::List(ids) | Node::Tuple(ids) => ids.len() as u64,
        _ => 0,
    }
}

fn parts_same(pairs: &mut Pairs<'_, '_>, a_id: NodeId, b_id: NodeId) -> Result<bool, Exceeded> {
    let (a, b) = (pairs.left, pairs.right);
    pairs.budget.spend(length(a, a_id) + length(b, b_id))?;
    if kind(a, a_id) != kind(b, b_id) {
        return Ok(false);
    }
    if let (Some(a), Some(b)) = (floats(a, a_id), floats(b, b_id)) {
        return Ok(all_close(&a, &b));
    }
    match (a.node(a_id), b.node(b_id)) {
        (Node::List(x), Node::List(y)) | (Node::Tuple(x), Node::Tuple(y)) => {
            Ok(pairs.ask_all(x, y))
        }
        (Node::Dict(x), Node::Dict(y)) => pairs.ask_entries(x, y),
        _ => pairs.equal(a_id, b_id),
    }
}

/// numpy's `allclose`, which broadcasts a single number.
fn all_close(expected: &[f64], found: &[f64]) -> bool {
    let close = |(&a, &b): (&f64, &f64)| {
        (a.is_nan() && b.is_nan())
            || (a.is_infinite() && a.total_cmp(&b).is_eq())
            || (b.is_finite() && (a - b).abs() <= ABSOLUTE + RELATIVE * b.abs())
    };
    match (expected, found) {
        ([one], many) => many.iter().all(|b| close((one, b))),
        (many, [one]) => many.iter().all(|a| close((a, one))),
        (a, b) => a.len() == b.len() && a.iter().zip(b).all(close),
    }
}

/// Returns whether `found` solves the puzzle given by `arguments`.
pub(super) fn solves(
    puzzle: Puzzle,
    arguments: &Value,
    found: &Value,
    expected: &Value,
    budget: &mut Budget,
) -> Result<bool, Exceeded> {
    let solved = match puzzle {
        Puzzle::Palindrome => palindrome(arguments, found, expected),
        Puzzle::ZeroInInterval => zero_in_interval(arguments, found, expected),
        Puzzle::Moves => moves(arguments, found, expected),
        Puzzle::Cells => cells(arguments, found, expected),
        Puzzle::Factors if text(expected, ROOT).is_some() => {
            return found.equals(expected, budget);
        }
        Puzzle::Factors => factors(arguments, found),
    };
    // A result for which Python would raise an exception is no solution.
    Ok(solved.unwrap_or(false))
}

/// Returns the items of a list or tuple.
fn items(value: &Value, id: NodeId) -> Option<&[NodeId]> {
    match value.node(id) {
        Node::List(ids) | Node::Tuple(ids) => Some(ids),
        _ => None,
    }
}

/// Returns one item, counted from the end if the index is negative.
fn item(value: &Value, id: NodeId, index: i64) -> Option<NodeId> {
    let ids = items(value, id)?;
    let from_start = if index < 0 {
        index.checked_add_unsigned(ids.len() as u64)?
    } else {
        index
    };
    ids.get(usize::try_from(from_start).ok()?).copied()
}

/// Returns the items of a sequence of exactly `N`.
fn exactly<const N: usize>(value: &Value, id: NodeId) -> Option<[NodeId; N]> {
    items(value, id)?.try_into().ok()
}

/// Returns a pair of integers.
fn position(value: &Value, id: NodeId) -> Option<(i64, i64)> {
    let [row, column] = exactly(value, id)?;
    Some((whole(value, row)?, whole(value, column)?))
}

/// Returns whether two positions are equal, including their types.
fn same_position(a: &Value, a_id: NodeId, b: &Value, b_id: NodeId) -> bool {
    let is_tuple = |value: &Value, id| matches!(value.node(id), Node::Tuple(_));
    let found = position(a, a_id);
    found.is_some() && found == position(b, b_id) && is_tuple(a, a_id) == is_tuple(b, b_id)
}

/// Returns an integer that is usable as an index.
fn whole(value: &Value, id: NodeId) -> Option<i64> {
    match value.node(id) {
        Node::Int(value) => Some(*value),
        Node::Bool(bit) => Some(i64::from(*bit)),
        _ => None,
    }
}

fn text(value: &Value, id: NodeId) -> Option<&str> {
    match value.node(id) {
        Node::Str(text) => Some(text),
        _ => None,
    }
}

/// Evaluates `not value` for the result of a path search.
fn is_nothing(value: &Value) -> bool {
    *value.root() == Node::None || items(value, ROOT).is_some_and(<[NodeId]>::is_empty)
}

fn palindrome(arguments: &Value, found: &Value, expected: &Value) -> Option<bool> {
    let [start] = exactly(arguments, ROOT)?;
    let (start, found) = (text(arguments, start)?, text(found, ROOT)?);
    let backwards: String = found.chars().rev().collect();
    Some(
        found.chars().count() == text(expected, ROOT)?.chars().count()
            && found.starts_with(start)
            && found.to_lowercase() == backwards.to_lowercase(),
    )
}

fn zero_in_interval(arguments: &Value, found: &Value, expected: &Value) -> Option<bool> {
    if *expected.root() == Node::None {
        return Some(*found.root() == Node::None);
    }
    let [coefficients, interval] = exactly(arguments, ROOT)?;
    let [start, end] = exactly(arguments, interval)?;
    let (start, end) = (arguments.as_f64(start)?, arguments.as_f64(end)?);
    let x = found.as_f64(ROOT)?;
    let is_zero = polynomial(arguments, coefficients, x)?.abs() <= ZERO;
    Some(start <= x && x <= end && is_zero)
}

fn moves(arguments: &Value, found: &Value, expected: &Value) -> Option<bool> {
    if is_nothing(expected) {
        return Some(matches!(found.root(), Node::List(ids) if ids.is_empty()));
    }
    let [maze, start, end] = exactly(arguments, ROOT)?;
    let steps = items(found, ROOT)?;
    let (mut row, mut column) = position(arguments, start)?;
    for &step in steps {
        let (down, right) = match text(found, step)? {
            "right" => (0, 1),
            "left" => (0, -1),
            "up" => (-1, 0),
            "down" => (1, 0),
            _ => return None,
        };
        (row, column) = (row.checked_add(down)?, column.checked_add(right)?);
        let cell = item(arguments, item(arguments, maze, row)?, column)?;
        if arguments.as_f64(cell) == Some(1.0) {
            return Some(false);
        }
    }
    // After a step a position is a tuple, which equals no list.
    let is_tuple = matches!(arguments.node(end), Node::Tuple(_));
    if steps.is_empty() {
        Some(same_position(arguments, start, arguments, end))
    } else {
        Some(is_tuple && position(arguments, end)? == (row, column))
    }
}

fn cells(arguments: &Value, found: &Value, expected: &Value) -> Option<bool> {
    if is_nothing(expected) {
        return Some(matches!(found.root(), Node::List(ids) if ids.is_empty()));
    }
    let [maze, start, end] = exactly(arguments, ROOT)?;
    let way = items(found, ROOT)?;
    let is_open = |row, column| {
        let cell = item(arguments, item(arguments, maze, row)?, column)?;
        Some(arguments.as_f64(cell) != Some(0.0))
    };
    let begins = same_position(found, *way.first()?, arguments, start);
    let ends = same_position(found, *way.last()?, arguments, end);
    // For the start cell, the publisher's code uses the row as column, too.
    let (row, _) = position(arguments, start)?;
    if !(begins && ends && is_open(row, row)?) {
        return Some(false);
    }
    for step in way.windows(2) {
        let (from, to) = (position(found, step[0])?, position(found, step[1])?);
        let distances = (to.0.abs_diff(from.0), to.1.abs_diff(from.1));
        let is_near = matches!(distances, (0, 1) | (1, 0));
        if !is_near || !is_open(to.0, to.1)? {
            return Some(false);
        }
    }
    Some(true)
}

fn factors(arguments: &Value, found: &Value) -> Option<bool> {
    let [numbers, product] = exactly(arguments, ROOT)?;
    let (i, j) = match found.root() {
        Node::Tuple(_) => position(found, ROOT)?,
        _ => return None,
    };
    if !(0 <= i && i < j) {
        return Some(false);
    }
    let factor = |index| arguments.as_f64(item(arguments, numbers, index)?);
    let found = factor(i)? * factor(j)?;
    Some(arguments.as_f64(product) == Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses a value from its encoding (crates/slm-sandbox/src/python/link.py).
    fn value(text: &str) -> Value {
        Value::try_from(text.to_owned()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn types_count_and_floats_have_a_tolerance() {
        for (expected, found, is_same) in [
            ("i1;", "i1;", true),
            ("i1;", "f1.0;", false),
            ("i1;", "T", false),
            ("f1.0;", "f1.00001;", true),
            ("f1.0;", "f1.0001;", false),
            ("f0.0;", "f1e-07;", true),
            ("fnan;", "fnan;", true),
            ("finf;", "finf;", true),
            ("finf;", "f1.0;", false),
            ("f1.0;", "finf;", false),
            ("l2;i1;s1:a", "l2;i1;s1:a", true),
            ("l2;i1;s1:a", "t2;i1;s1:a", false),
            ("l1;i1;", "l2;i1;i1;", false),
            // A list and a tuple of floats have the same type here, and so do empty ones.
            ("l2;f1.0;f2.0;", "t2;f1.0;f2.0;", true),
            ("l0;", "t0;", true),
            ("l0;", "l1;i1;", false),
            ("l2;f1.0;f1.0;", "f1.0;", true),
            ("l2;f1.0;f1.0;", "l3;f1.0;f1.0;f1.0;", false),
            ("d1;s1:af0.5;", "d1;s1:af0.5000001;", true),
            ("d1;s1:ai1;", "d1;s1:af1.0;", false),
            ("d1;s1:ai1;", "d1;s1:bi1;", false),
            ("S2;i1;i2;", "S2;i2;i1;", true),
            ("N", "F", false),
        ] {
            assert_eq!(
                same(&value(expected), &value(found), &mut Budget::for_parts(0)),
                Ok(is_same),
                "{expected} and {found}"
            );
        }
    }

    fn check(puzzle: Puzzle, arguments: &str, expected: &str, cases: &[(&str, bool)]) {
        for &(found, is_solved) in cases {
            assert_eq!(
                solves(
                    puzzle,
                    &value(arguments),
                    &value(found),
                    &value(expected),
                    &mut Budget::for_parts(0)
                ),
                Ok(is_solved),
                "{puzzle:?}: {found} for {arguments}"
            );
        }
    }

    #[test]
    fn any_palindrome_of_the_right_length_that_begins_with_the_text_is_right() {
        check(
            Puzzle::Palindrome,
            "t1;s2:Ab",
            "s3:Aba",
            &[
                ("s3:Aba", true),
                ("s3:AbA", true),
                ("s3:aba", false),
                ("s4:Abba", false),
                ("s3:Abc", false),
                ("i1;", false),
            ],
        );
    }

    #[test]
    fn any_zero_in_the_interval_is_right() {
        // x^2 - 4, between 0 and 5.
        let arguments = "t2;l3;i-4;i0;i1;t2;i0;i5;";
        check(
            Puzzle::ZeroInInterval,
            arguments,
            "f2.0;",
            &[
                ("f2.001;", true),
                ("f-2.0;", false),
                ("f2.1;", false),
                ("N", false),
            ],
        );
        check(
            Puzzle::ZeroInInterval,
            arguments,
            "N",
            &[("N", true), ("f2.0;", false)],
        );
    }

    #[test]
    fn any_way_through_the_maze_is_right() {
        // 0 1
        // 0 0, from the upper left to the lower right.
        let moves = "t3;l2;l2;i0;i1;l2;i0;i0;t2;i0;i0;t2;i1;i1;";
        check(
            Puzzle::Moves,
            moves,
            "l1;s1:x",
            &[
                ("l2;s4:downs5:right", true),
                ("l4;s4:downs2:ups4:downs5:right", true),
                ("l2;s5:rights4:down", false),
                ("l1;s4:down", false),
                ("l1;s5:north", false),
                ("l0;", false),
            ],
        );
        check(Puzzle::Moves, moves, "l0;", &[("l0;", true), ("N", false)]);

        let cells = "t3;l2;l2;i1;i0;l2;i1;i1;t2;i0;i0;t2;i1;i1;";
        check(
            Puzzle::Cells,
            cells,
            "l1;N",
            &[
                ("l3;t2;i0;i0;t2;i1;i0;t2;i1;i1;", true),
                ("l3;t2;i0;i0;t2;i0;i1;t2;i1;i1;", false),
                ("l2;t2;i0;i0;t2;i1;i1;", false),
                ("l2;t2;i1;i0;t2;i1;i1;", false),
                ("l0;", false),
            ],
        );
        check(Puzzle::Cells, cells, "N", &[("l0;", true), ("N", false)]);
    }

    #[test]
    fn any_two_factors_are_right() {
        // Integers are encoded in hexadecimal: the product is 12.
        let arguments = "t2;l4;i2;i6;i3;i4;ic;";
        check(
            Puzzle::Factors,
            arguments,
            "t2;i0;i1;",
            &[
                ("t2;i0;i1;", true),
                ("t2;i2;i3;", true),
                ("t2;i1;i0;", false),
                ("t2;i-4;i1;", false),
                ("t2;i0;i9;", false),
                ("l2;i0;i1;", false),
            ],
        );
        check(
            Puzzle::Factors,
            arguments,
            "s14:No magic today",
            &[("s14:No magic today", true), ("t2;i0;i1;", false)],
        );
    }
}
