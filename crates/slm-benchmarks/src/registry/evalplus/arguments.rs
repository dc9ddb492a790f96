//! The arguments of MBPP+ calls as Python expressions, with the types that JSON lacks.

use slm_table::Exact;

use crate::literal::{python, python_string, tuple};

/// Writes the arguments of an MBPP+ call: types that JSON lacks are restored task by task, as EvalPlus does.
pub(super) fn mbpp_arguments(number: u32, input: &[Exact]) -> String {
    let each = |convert: fn(&Exact) -> String| tuple(input.iter().map(convert));
    // Converts the first arguments, each by its own function.
    let first = |convert: &[fn(&Exact) -> String]| {
        let convert = convert
            .iter()
            .copied()
            .chain(std::iter::repeat(python as fn(&Exact) -> String));
        tuple(
            input
                .iter()
                .zip(convert)
                .map(|(argument, convert)| convert(argument)),
        )
    };
    match number {
        2 | 116 | 132 | 143 | 222 | 261 | 273 | 394 | 399 | 421 | 424 | 429 | 470 | 560 | 579
        | 596 | 616 | 630 | 726 | 740 | 744 | 809 => each(as_tuple),
        63 | 64 | 70 | 94 | 120 | 237 | 272 | 299 | 400 | 409 | 417 | 438 | 473 | 614 | 780 => {
            each(|argument| list(argument, as_tuple))
        }
        75 | 413 | 444 | 753 => first(&[|argument| list(argument, as_tuple)]),
        106 | 750 => first(&[python, as_tuple]),
        115 => each(|argument| list(argument, as_set)),
        124 => first(&[as_float, as_complex]),
        250 | 307 | 405 | 446 | 617 | 720 | 763 | 808 => first(&[as_tuple]),
        252 => each(as_complex),
        259 | 401 | 445 => each(|argument| tuple(items(argument).iter().map(as_tuple))),
        278 => each(|argument| {
            tuple(items(argument).iter().map(|item| match item {
                Exact::Array(_) => as_tuple(item),
                other => python(other),
            }))
        }),
        722 => first(&[|argument| match argument {
            Exact::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| format!("{}: {}", python_string(name), as_tuple(value)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }
            other => python(other),
        }]),
        580 | 615 | 791 => tuple(input.iter().map(as_tuples)),
        _ => each(python),
    }
}

/// Returns the items of Python's iteration over a value: of a string its characters.
fn items(value: &Exact) -> Vec<Exact> {
    match value {
        Exact::Array(items) => items.clone(),
        Exact::Text(text) => text.chars().map(|c| Exact::Text(c.to_string())).collect(),
        Exact::Object(fields) => fields
            .iter()
            .map(|(name, _)| Exact::Text(name.clone()))
            .collect(),
        Exact::Null | Exact::Bool(_) | Exact::Number(_) => Vec::new(),
    }
}

fn list(value: &Exact, convert: fn(&Exact) -> String) -> String {
    let items: Vec<String> = items(value).iter().map(convert).collect();
    format!("[{}]", items.join(", "))
}

fn as_tuple(value: &Exact) -> String {
    tuple(items(value).iter().map(python))
}

/// Writes a value with every list, at any depth, as a tuple.
fn as_tuples(value: &Exact) -> String {
    match value {
        Exact::Array(items) => tuple(items.iter().map(as_tuples)),
        other => python(other),
    }
}

/// An empty list or another value becomes an empty dict, as in `EvalPlus`.
fn as_set(value: &Exact) -> String {
    match value {
        Exact::Array(items) if !items.is_empty() => format!("set({})", python(value)),
        _ => "{}".to_owned(),
    }
}

fn as_float(value: &Exact) -> String {
    match value {
        // `float('1')` and `1.0` are the same, but only literals are safe to evaluate.
        Exact::Text(text) => text
            .trim()
            .parse::<f64>()
            .map_or_else(|_| python(value), |n| format!("{n:?}")),
        Exact::Number(text) => text
            .parse::<f64>()
            .map_or_else(|_| python(value), |n| format!("{n:?}")),
        other => python(other),
    }
}

fn as_complex(value: &Exact) -> String {
    format!("complex({})", python(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: u32, input: &str, expected: &str) {
        let Ok(Exact::Array(input)) = Exact::parse(input) else {
            panic!("a list");
        };
        assert_eq!(mbpp_arguments(number, &input), expected, "task {number}");
    }

    #[test]
    fn types_that_json_lacks_are_restored() {
        check(1, "[[1], 2]", "([1], 2,)");
        check(1, "[]", "()");
        check(2, "[[1, 2], \"ab\"]", "((1, 2,), ('a', 'b',),)");
        check(63, "[[[1, 2]]]", "([(1, 2,)],)");
        check(75, "[[[1]], 6]", "([(1,)], 6,)");
        check(106, "[[1], [2]]", "([1], (2,),)");
        check(115, "[[[1, 2], []]]", "([set([1, 2]), {}],)");
        check(124, "[\"1\", \"1j\"]", "(1.0, complex('1j'),)");
        check(278, "[[1, [2], \"a\"]]", "((1, (2,), 'a',),)");
        check(307, "[[1], 2, 3]", "((1,), 2, 3,)");
        check(580, "[[1, [2, []]]]", "((1, (2, (),),),)");
        check(722, "[{\"a\": [1]}, 2]", "({'a': (1,)}, 2,)");
    }
}
