//! Numbers as people read them: sensible digits, units, a true minus sign, a dash for what does not exist.

use slm_statistics::Interval;

/// Stands where a number does not exist.
const NOTHING: &str = "–";

/// A number with this many decimals and a true minus sign; a dash for none.
pub(super) fn number(value: impl Into<Option<f64>>, digits: usize) -> String {
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

/// A difference: a number that shows its sign even when positive.
pub(super) fn signed(value: impl Into<Option<f64>>, digits: usize) -> String {
    let value = value.into();
    let text = number(value, digits);
    let rounds_to_zero = !text.contains(|c: char| ('1'..='9').contains(&c));
    if value.is_some_and(|value| value > 0.0) && !rounds_to_zero {
        format!("+{text}")
    } else {
        text
    }
}

/// Both ends of an interval of differences, held together in a narrow column.
pub(super) fn signed_interval(interval: Option<Interval>, digits: usize, scale: f64) -> String {
    interval.map_or_else(
        || NOTHING.to_owned(),
        |i| {
            format!(
                "{}\u{a0}to\u{a0}{}",
                signed(i.low * scale, digits),
                signed(i.high * scale, digits)
            )
        },
    )
}

/// A share in percent.
pub(super) fn percent(share: impl Into<Option<f64>>) -> String {
    share.into().map_or_else(
        || NOTHING.to_owned(),
        |share| format!("{}\u{a0}%", number(share * 100.0, 0)),
    )
}

/// A p-value: three decimals, and no more certainty than they carry.
pub(super) fn p_value(p: Option<f64>) -> String {
    match p {
        Some(p) if p < 0.001 => "<\u{a0}0.001".to_owned(),
        p => number(p, 3),
    }
}

/// A duration in the unit that suits it.
pub(super) fn seconds(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.1} s")
    } else if value < 120.0 {
        format!("{value:.0} s")
    } else {
        format!("{} min {:02} s", value as u64 / 60, value as u64 % 60)
    }
}

/// A count with commas between thousands.
pub(super) fn grouped(n: usize) -> String {
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

/// A count with its noun, the plural by `s`.
pub(super) fn count(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{
        Interval, count, grouped, number, p_value, percent, seconds, signed, signed_interval,
    };

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
        assert_eq!(seconds(0.25), "0.2 s");
        assert_eq!(seconds(42.4), "42 s");
        assert_eq!(seconds(432.0), "7 min 12 s");
    }
}
