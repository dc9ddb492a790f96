//! Numbers as text: sensible digits, units, a true minus sign, and a dash for missing values.

use slm_statistics::Interval;

/// Replaces a missing number.
const NOTHING: &str = "–";

/// Formats a number with this many decimals and a true minus sign; a dash for `None`.
pub(crate) fn number(value: impl Into<Option<f64>>, digits: usize) -> String {
    let Some(value) = value.into() else {
        return NOTHING.to_owned();
    };
    let text = format!("{:.digits$}", value.abs());
    let zero = text.chars().all(|c| c == '0' || c == '.');
    if value < 0.0 && !zero {
        format!("−{text}")
    } else {
        text
    }
}

/// Formats a difference: the sign is shown even if positive.
pub(crate) fn signed(value: impl Into<Option<f64>>, digits: usize) -> String {
    let value = value.into();
    let text = number(value, digits);
    if value.is_some_and(|value| value > 0.0) && !rounds_to_zero(&text) {
        format!("+{text}")
    } else {
        text
    }
}

/// Formats both ends of an interval, times `scale`, with non-breaking spaces.
pub(crate) fn interval(interval: Option<Interval>, digits: usize, scale: f64) -> String {
    ends(interval, |end| number(end * scale, digits))
}

/// Formats both ends of an interval of differences, times `scale`.
pub(crate) fn signed_interval(interval: Option<Interval>, digits: usize, scale: f64) -> String {
    ends(interval, |end| signed(end * scale, digits))
}

fn ends(interval: Option<Interval>, text: impl Fn(f64) -> String) -> String {
    interval.map_or_else(
        || NOTHING.to_owned(),
        |Interval { low, high }| format!("{}\u{a0}to\u{a0}{}", text(low), text(high)),
    )
}

/// Formats a share in percent.
pub(crate) fn percent(share: impl Into<Option<f64>>) -> String {
    share.into().map_or_else(
        || NOTHING.to_owned(),
        |share| format!("{}\u{a0}%", number(share * 100.0, 0)),
    )
}

/// Formats a p-value with three decimals, or as `< 0.001`.
pub(crate) fn p_value(p: Option<f64>) -> String {
    match p {
        Some(p) if p < 0.001 => "<\u{a0}0.001".to_owned(),
        p => number(p, 3),
    }
}

/// Formats a duration in a suitable unit.
pub(crate) fn seconds(value: Option<f64>) -> String {
    match value {
        None => NOTHING.to_owned(),
        Some(value) if value < 10.0 => format!("{value:.1} s"),
        Some(value) if value < 120.0 => format!("{value:.0} s"),
        Some(value) => format!("{} min {:02} s", value as u64 / 60, value as u64 % 60),
    }
}

/// Formats a short duration in seconds as milliseconds.
pub(crate) fn milliseconds(value: Option<f64>) -> String {
    value.map_or_else(
        || NOTHING.to_owned(),
        |seconds| format!("{:.0} ms", seconds * 1000.0),
    )
}

/// Formats a recipe's value with the fewest digits that identify it.
pub(crate) fn shortest(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}

/// Formats a number with a power of ten, for example a learning rate.
pub(crate) fn scientific(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:e}"))
}

/// Formats a number that is not negative with three digits that count, however small it is.
pub(crate) fn significant(value: f64) -> String {
    // Of the rounded number: 0.9999 is 1.00.
    let rounded = format!("{value:.2e}");
    let exponent = rounded
        .split_once('e')
        .map_or("0", |(_, exponent)| exponent);
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = if value > 0.0 {
        (2 - exponent).clamp(0, 12) as usize
    } else {
        0
    };
    number(value, digits)
}

/// Describes a difference, for example `rose by 3.0 points`.
pub(crate) fn change(difference: f64, unit: Option<&str>, digits: usize) -> String {
    let size = number(difference.abs(), digits);
    let unit = unit.map_or_else(String::new, |unit| format!(" {unit}"));
    if difference == 0.0 {
        "did not change".to_owned()
    } else if rounds_to_zero(&size) {
        let half = 0.5 / 10_f64.powi(digits as i32);
        format!("changed by less than {half}{unit}")
    } else if difference > 0.0 {
        format!("rose by {size}{unit}")
    } else {
        format!("fell by {size}{unit}")
    }
}

fn rounds_to_zero(text: &str) -> bool {
    !text.contains(|c: char| ('1'..='9').contains(&c))
}

/// Formats a count with commas between thousands.
pub(crate) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a count with its noun, whose plural is formed with `s`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{
        Interval, count, grouped, number, p_value, percent, seconds, signed, signed_interval,
        significant,
    };

    #[test]
    fn three_digits_count_however_small_a_number_is() {
        let found = [1234.5, 98.76, 0.9999, 0.5, 0.000_012_345, 0.0].map(significant);
        assert_eq!(found, ["1234", "98.8", "1.00", "0.500", "0.0000123", "0"]);
    }

    #[test]
    fn numbers_have_a_true_minus_and_no_negative_zero() {
        assert_eq!(number(-2.25, 1), "−2.2");
        assert_eq!(number(-0.04, 1), "0.0");
        assert_eq!(number(None, 1), "–");
    }

    #[test]
    fn differences_show_their_sign_unless_they_round_to_zero() {
        assert_eq!(signed(2.25, 1), "+2.2");
        assert_eq!(signed(-2.25, 1), "−2.2");
        assert_eq!(signed(0.04, 1), "0.0");
        assert_eq!(signed(None, 1), "–");
        let interval = Interval {
            low: -0.5,
            high: 0.25,
        };
        assert_eq!(
            signed_interval(Some(interval), 0, 100.0),
            "−50\u{a0}to\u{a0}+25"
        );
        assert_eq!(signed_interval(None, 0, 100.0), "–");
    }

    #[test]
    fn counts_group_their_thousands_and_agree_with_their_noun() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1000)],
            ["0", "999", "1,000"]
        );
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(
            [count(1, "task"), count(1500, "task")],
            ["1 task", "1,500 tasks"]
        );
    }

    #[test]
    fn shares_p_values_and_durations_carry_sensible_digits() {
        assert_eq!(percent(0.125), "12\u{a0}%");
        assert_eq!(percent(None), "–");
        assert_eq!(p_value(Some(0.0004)), "<\u{a0}0.001");
        assert_eq!(p_value(Some(0.0421)), "0.042");
        assert_eq!(p_value(None), "–");
        assert_eq!(seconds(Some(0.25)), "0.2 s");
        assert_eq!(seconds(Some(42.4)), "42 s");
        assert_eq!(seconds(Some(432.0)), "7 min 12 s");
    }
}
