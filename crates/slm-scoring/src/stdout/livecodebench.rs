//! `LiveCodeBench`'s comparison of printed text: line by line, numbers as decimals.

use super::{strip, words};

/// Returns whether two texts agree line by line, ignoring white space at the ends of lines and of the text,
/// with numbers compared as decimals.
///
/// # Source
/// `grade_stdio` of `LiveCodeBench`'s scorer.
pub(super) fn agrees(printed: &str, expected: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        let text = strip(text);
        text.split('\n')
            .map(|line| strip(line).to_owned())
            .collect()
    };
    let (printed, expected) = (lines(printed), lines(expected));
    printed.len() == expected.len()
        && printed
            .iter()
            .zip(&expected)
            .all(|(a, b)| a == b || words_agree(a, b))
}

fn words_agree(a: &str, b: &str) -> bool {
    let (a, b): (Vec<&str>, Vec<&str>) = (words(a).collect(), words(b).collect());
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| {
            // One word that is not a number makes the whole line text.
            matches!((decimal(a), decimal(b)), (Some(x), Some(y)) if x == y)
        })
}

/// Returns sign, digits without zeros at either end, and the power of ten of the last digit: the same for equal
/// decimals.
fn decimal(word: &str) -> Option<(bool, String, i64)> {
    let (negative, rest) = match word.as_bytes().first()? {
        b'-' => (true, &word[1..]),
        b'+' => (false, &word[1..]),
        _ => (false, word),
    };
    if ["inf", "infinity"]
        .iter()
        .any(|name| rest.eq_ignore_ascii_case(name))
    {
        return Some((negative, "inf".to_owned(), 0));
    }
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let trimmed = digits.trim_end_matches('0');
    let exponent =
        i64::from(exponent) - fraction.len() as i64 + (digits.len() - trimmed.len()) as i64;
    match trimmed.trim_start_matches('0') {
        "" => Some((false, String::new(), 0)),
        significant => Some((negative, significant.to_owned(), exponent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(printed: &str, expected: &str, agree: bool) {
        assert_eq!(
            agrees(printed, expected),
            agree,
            "{printed:?} for {expected:?}"
        );
    }

    #[test]
    fn white_space_at_the_ends_does_not_count() {
        check("1 2 \n3\n\n", "1 2\n3", true);
        check("\u{1c}1\r\n2\u{1f}", "1\n2", true);
        check("1\n\n2", "1\n2", false);
        check("a  b", "a b", false);
        check("", "\n", true);
    }

    #[test]
    fn numbers_are_compared_as_decimals() {
        check("1.50 2", "1.5 2.0", true);
        check("1e3", "1000", true);
        check("-0", "0.0", true);
        check("inf -Infinity", "Infinity -inf", true);
        check("nan", "NaN", false);
        check("50000000000000000", "50000000000000001", false);
        check("1.5 x", "1.50 x", false);
        check("-1", "1", false);
        check("0.3333333", "0.33333333333", false);
    }
}
