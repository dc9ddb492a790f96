//! Whether a program printed what was expected; pure.

/// Whether two texts agree but for white space at the ends of lines and of the text, and for the way in which numbers
/// are written: as decimals if `tolerance` is 0, else within it, relative and absolute.
pub(crate) fn agrees(printed: &str, expected: &str, tolerance: f64) -> bool {
    let lines = |text: &str| -> Vec<String> {
        text.trim()
            .lines()
            .map(|line| line.trim().to_owned())
            .collect()
    };
    let (printed, expected) = (lines(printed), lines(expected));
    printed.len() == expected.len()
        && printed
            .iter()
            .zip(&expected)
            .all(|(a, b)| a == b || words_agree(a, b, tolerance))
}

fn words_agree(a: &str, b: &str, tolerance: f64) -> bool {
    let (a, b): (Vec<&str>, Vec<&str>) = (
        a.split_whitespace().collect(),
        b.split_whitespace().collect(),
    );
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| {
            // One word that is no number makes the whole line text.
            match (decimal(a), decimal(b)) {
                (Some(x), Some(y)) => x == y || (tolerance > 0.0 && near(a, b, tolerance)),
                _ => false,
            }
        })
}

fn near(a: &str, b: &str, tolerance: f64) -> bool {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= tolerance * b.abs().max(1.0),
        _ => false,
    }
}

/// Sign, digits without zeros at either end, and the power of ten of the last digit: equal for equal decimals.
fn decimal(word: &str) -> Option<(bool, String, i64)> {
    let (negative, rest) = match word.as_bytes().first()? {
        b'-' => (true, &word[1..]),
        b'+' => (false, &word[1..]),
        _ => (false, word),
    };
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

    fn check(printed: &str, expected: &str, tolerance: f64, agree: bool) {
        assert_eq!(
            agrees(printed, expected, tolerance),
            agree,
            "{printed:?} for {expected:?}"
        );
    }

    #[test]
    fn white_space_at_the_ends_does_not_count() {
        check("1 2 \n3\n\n", "1 2\n3", 0.0, true);
        check("1\n\n2", "1\n2", 0.0, false);
        check("a  b", "a b", 0.0, false);
        check("", "\n", 0.0, true);
    }

    #[test]
    fn numbers_are_compared_as_decimals() {
        check("1.50 2", "1.5 2.0", 0.0, true);
        check("1e3", "1000", 0.0, true);
        check("-0", "0.0", 0.0, true);
        check("50000000000000000", "50000000000000001", 0.0, false);
        check("1.5 x", "1.50 x", 0.0, false);
        check("-1", "1", 0.0, false);
    }

    #[test]
    fn a_tolerance_is_relative_for_large_numbers() {
        check("0.3333333", "0.33333333333", 1e-6, true);
        check("1000000.5", "1000000", 1e-6, true);
        check("1.001", "1", 1e-6, false);
    }
}
