//! APPS's comparison of printed text: several rules, each more lenient than those before it.

use std::collections::BTreeSet;

use super::{strip, words};

/// Tolerances of numpy's `allclose`: relative and absolute.
const RELATIVE: f64 = 1e-5;
const ABSOLUTE: f64 = 1e-8;

/// Applies the comparisons of APPS's scorer, in its order; each is more lenient than those before it.
///
/// # Source
/// `run_test` of `eval/testing_util.py` in github.com/hendrycks/apps.
pub(super) fn agrees(printed: &str, expected: &str) -> bool {
    let printed = python_lines(printed);
    let stripped: Vec<&str> = printed.iter().map(|line| strip(line)).collect();
    if [&printed, &stripped]
        .iter()
        .any(|lines| strip(&lines.join("\n")) == strip(expected))
    {
        return true;
    }
    let expected: Vec<&str> = expected
        .split('\n')
        .filter(|line| !line.is_empty())
        .map(strip)
        .collect();
    if printed == expected {
        return true;
    }
    let filled: Vec<&str> = printed
        .into_iter()
        .filter(|line| !line.is_empty())
        .collect();
    filled == expected
        || lines_are_close(&filled, &expected)
        || sets_of_words(&filled, true) == sets_of_words(&expected, false)
        || matches!(
            (rounded(&filled, true), rounded(&expected, false)),
            (Some(a), Some(b)) if a == b
        )
}

/// Splits a text into lines like Python's `str.splitlines`.
fn python_lines(text: &str) -> Vec<&str> {
    let is_end = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let (mut lines, mut rest) = (Vec::new(), text);
    while let Some(end) = rest.find(is_end) {
        lines.push(&rest[..end]);
        let after = &rest[end..];
        let one = after.chars().next().map_or(0, char::len_utf8);
        rest = after.strip_prefix("\r\n").unwrap_or(&after[one..]);
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// Returns whether every line is one number, close to the expected one.
fn lines_are_close(printed: &[&str], expected: &[&str]) -> bool {
    printed.len() == expected.len()
        && printed
            .iter()
            .zip(expected)
            .all(|(a, b)| matches!((float(a), float(b)), (Some(a), Some(b)) if close(a, b)))
}

fn close(a: f64, b: f64) -> bool {
    if a.is_infinite() || b.is_infinite() {
        return a.is_infinite() && b.is_infinite() && a.is_sign_positive() == b.is_sign_positive();
    }
    // NaN is close to nothing.
    (a - b).abs() <= ABSOLUTE + RELATIVE * b.abs()
}

/// Returns the set of the lines' word sets. In printed output, lines of white space are dropped.
fn sets_of_words<'a>(lines: &[&'a str], filled: bool) -> BTreeSet<BTreeSet<&'a str>> {
    let sets = lines
        .iter()
        .map(|line| words(line).collect::<BTreeSet<_>>());
    sets.filter(|set| !filled || !set.is_empty()).collect()
}

/// Like [`sets_of_words`] with numbers rounded to three decimals; `None` if a word is not a number.
fn rounded(lines: &[&str], filled: bool) -> Option<BTreeSet<BTreeSet<String>>> {
    let sets = sets_of_words(lines, filled).into_iter();
    sets.map(|set| {
        set.into_iter()
            .map(|word| three_digits(float(word)?))
            .collect()
    })
    .collect()
}

/// Formats a number so that numbers equal after rounding have equal text; `None` for NaN, which equals nothing.
fn three_digits(number: f64) -> Option<String> {
    if number.is_nan() {
        return None;
    }
    let text = format!("{number:.3}");
    // Zero has no sign.
    Some(if text == "-0.000" {
        "0.000".to_owned()
    } else {
        text
    })
}

/// Parses a number like Python's `float`, except for non-ASCII digits.
fn float(text: &str) -> Option<f64> {
    let text = strip(text);
    let underscores_part_digits = text.match_indices('_').all(|(at, _)| {
        let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        at > 0 && digit(text.as_bytes().get(at - 1)) && digit(text.as_bytes().get(at + 1))
    });
    if !underscores_part_digits {
        return None;
    }
    text.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(printed: &str, expected: &str, right: bool) {
        assert_eq!(
            agrees(printed, expected),
            right,
            "{printed:?} for {expected:?}"
        );
    }

    #[test]
    fn white_space_and_empty_lines_do_not_count_in_apps() {
        check("1 2 \n3\n\n", "1 2\n3", true);
        check("1\n\n2\n", "1\n2", true);
        check("  1\n 2", "1\n2\n", true);
        check("1\r\n2", "1\n2", true);
        check("1\n\n2", "1\n \n2", true);
        check("", "\n", true);
        check("", "1", false);
        check("1", "", false);
    }

    #[test]
    fn lines_of_one_number_are_close_in_apps() {
        check("0.33333", "0.333333333333", true);
        check("100001", "100000", true);
        check("100002", "100000", false);
        check("1.0\n2.5", "1\n2.5000001", true);
        check("inf", "Infinity", true);
    }

    #[test]
    fn at_last_words_and_lines_have_no_order_in_apps() {
        check("2 1", "1 2", true);
        check("1 1 2", "2 1", true);
        check("3\n1 2", "2 1\n3", true);
        check("a\na\nb", "b\na", true);
        check("1 3", "1 2", false);
        check("1 2\n3", "1\n2 3", false);
        check("1.0004 x", "1.0 x", false);
        check("1.0004 -0.0001", "0 1", true);
        check("0.0625", "0.062", true);
        check("1.001", "1", false);
        check("nan", "nan", true);
        check("nan 1", "1 nan", true);
        check("nan 1.0", "1 nan", false);
    }
}
