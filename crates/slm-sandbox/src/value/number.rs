//! Numbers of all Python types in one form, which is the same for equal numbers.

use super::{Node, NodeId, Value};

/// An exact real number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Number {
    /// Equals nothing, not even itself: compare with [`Number::equals`].
    Nan,
    Infinity {
        is_negative: bool,
    },
    Small(i64),
    /// Numerator and denominator in lowest terms, in hexadecimal; the denominator is positive.
    Ratio(String, String),
}

impl Number {
    pub(super) fn equals(&self, other: &Self) -> bool {
        *self != Self::Nan && self == other
    }

    pub(super) fn of_float(value: f64) -> Self {
        if value.is_nan() {
            return Self::Nan;
        }
        if value.is_infinite() {
            return Self::Infinity {
                is_negative: value < 0.0,
            };
        }
        // The bounds are exact floats, and casting a value between them is exact.
        if value.fract() == 0.0 && (-(2f64.powi(63))..2f64.powi(63)).contains(&value) {
            return Self::Small(value as i64);
        }
        let bits = value.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as i32;
        let fraction = bits & ((1 << 52) - 1);
        // Subnormal numbers have no hidden bit and the exponent of the smallest normal numbers.
        let (mantissa, exponent) = match exponent {
            0 => (fraction, -1074),
            _ => (fraction | (1 << 52), exponent - 1075),
        };
        let twos = mantissa.trailing_zeros();
        let (odd, exponent) = (mantissa >> twos, exponent + twos as i32);
        let sign = if value < 0.0 { "-" } else { "" };
        Self::Ratio(
            format!("{sign}{}", shifted(odd, exponent.max(0).unsigned_abs())),
            shifted(1, exponent.min(0).unsigned_abs()),
        )
    }

    fn of_ratio(numerator: &Node, denominator: &Node) -> Option<Self> {
        match (numerator, denominator) {
            (Node::Int(value), Node::Int(1)) => Some(Self::Small(*value)),
            (_, Node::Int(..=0)) => None,
            _ => Some(Self::Ratio(hex(numerator)?, hex(denominator)?)),
        }
    }

    /// Parses a decimal that Python did not convert to a fraction: not finite, or with too large an exponent.
    fn of_special_decimal(text: &str) -> Option<Self> {
        match text {
            "Infinity" => Some(Self::Infinity { is_negative: false }),
            "-Infinity" => Some(Self::Infinity { is_negative: true }),
            _ if text.contains("NaN") => Some(Self::Nan),
            _ => None,
        }
    }
}

/// `value * 2^exponent` in hexadecimal.
fn shifted(value: u64, exponent: u32) -> String {
    let first = u128::from(value) << (exponent % 4);
    format!("{first:x}{}", "0".repeat((exponent / 4) as usize))
}

fn hex(node: &Node) -> Option<String> {
    match node {
        Node::Int(value) if *value < 0 => Some(format!("-{:x}", value.unsigned_abs())),
        Node::Int(value) => Some(format!("{value:x}")),
        Node::BigInt(hex) => Some(hex.to_string()),
        _ => None,
    }
}

impl Value {
    /// Returns a number of any type; `None` for anything else.
    pub(super) fn number(&self, id: NodeId) -> Option<Number> {
        match self.node(id) {
            Node::Bool(bit) => Some(Number::Small(i64::from(*bit))),
            Node::Int(value) => Some(Number::Small(*value)),
            Node::BigInt(hex) => Some(Number::Ratio(hex.to_string(), "1".to_owned())),
            Node::Float(value) => Some(Number::of_float(*value)),
            Node::Complex(re, im) if *im == 0.0 => Some(Number::of_float(*re)),
            Node::Foreign(..) => {
                let (name, arguments) = self.foreign(id)?;
                match (name, arguments) {
                    ("fractions.Fraction", &[numerator, denominator])
                    | ("decimal.Decimal", &[_, numerator, denominator]) => {
                        Number::of_ratio(self.node(numerator), self.node(denominator))
                    }
                    ("decimal.Decimal", &[text]) => match self.node(text) {
                        Node::Str(text) => Number::of_special_decimal(text),
                        _ => None,
                    },
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Returns a real number of any type rounded to a double; `None` for anything else.
    pub fn as_f64(&self, id: NodeId) -> Option<f64> {
        match self.node(id) {
            Node::Bool(bit) => return Some(f64::from(u8::from(*bit))),
            Node::Int(value) => return Some(*value as f64),
            Node::Float(value) => return Some(*value),
            Node::Complex(..) => return None,
            _ => {}
        }
        Some(match self.number(id)? {
            Number::Nan => f64::NAN,
            Number::Infinity { is_negative: true } => f64::NEG_INFINITY,
            Number::Infinity { is_negative: false } => f64::INFINITY,
            Number::Small(value) => value as f64,
            Number::Ratio(numerator, denominator) => ratio(&numerator, &denominator),
        })
    }
}

/// Returns the quotient of two hexadecimal integers, to about the precision of a double.
fn ratio(numerator: &str, denominator: &str) -> f64 {
    let (sign, numerator) = match numerator.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, numerator),
    };
    let (above, above_exponent) = leading(numerator);
    let (below, below_exponent) = leading(denominator);
    let exponent = above_exponent - below_exponent;
    // In two steps, so that intermediate results stay within a double's range.
    let half = (exponent / 2).clamp(-2000, 2000) as i32;
    let rest = (exponent - exponent / 2).clamp(-2000, 2000) as i32;
    sign * (above / below) * 2f64.powi(half) * 2f64.powi(rest)
}

/// Returns up to 64 leading bits of an integer, and the power of two by which to scale them.
fn leading(hex: &str) -> (f64, i64) {
    const DIGITS: usize = 16;
    let digits = &hex[..hex.len().min(DIGITS)];
    let value = u64::from_str_radix(digits, 16).unwrap_or(0);
    (value as f64, 4 * (hex.len() - digits.len()) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_types_have_one_form_where_they_are_equal() {
        let value = |text: &str| Value::parse(text).expect("a value");
        let number = |text: &str| value(text).number(Value::ROOT).expect("a number");
        for (a, b) in [
            ("i3;", "f3.0;"),
            ("T", "c1.0,-0.0;"),
            ("i-8000000000000000;", "f-9223372036854775808.0;"),
            ("i8000000000000000;", "f9223372036854775808.0;"),
            ("i-8000000000000800;", "f-9.223372036854778e+18;"),
            ("i000000000000000000001;", "i1;"),
            ("i-0;", "f-0.0;"),
            ("Ms18:fractions.Fractiont2;i1;i2;", "f0.5;"),
            ("Ms15:decimal.Decimalt3;s5:-0.75i-3;i4;", "f-0.75;"),
            ("Ms18:fractions.Fractiont2;i3;i1;", "i3;"),
            (
                "Ms18:fractions.Fractiont2;i3243f6a8885a3;i1000000000000;",
                "f3.141592653589793;",
            ),
            ("Ms15:decimal.Decimalt1;s8:Infinity", "finf;"),
            (
                "f5e-324;",
                &format!("Ms18:fractions.Fractiont2;i1;i4{};", "0".repeat(268)),
            ),
        ] {
            assert!(
                number(a).equals(&number(b)),
                "{a} and {b}: {:?} {:?}",
                number(a),
                number(b)
            );
        }
        assert!(!number("fnan;").equals(&number("fnan;")));
        assert!(!number("Ms15:decimal.Decimalt1;s3:NaN").equals(&number("fnan;")));
        assert_ne!(number("f0.1;"), number("Ms18:fractions.Fractiont2;i1;ia;"));
        assert_eq!(
            value("Ms18:fractions.Fractiont2;i1;i0;").number(Value::ROOT),
            None
        );
        assert_eq!(
            value("Ms18:fractions.Fractiont1;i1;").number(Value::ROOT),
            None
        );
    }

    #[test]
    fn numbers_are_rounded_to_doubles() {
        let number = |text: &str| Value::parse(text).expect("a value").as_f64(Value::ROOT);
        assert_eq!(number("i3;"), Some(3.0));
        assert_eq!(
            number(&format!("i1{};", "0".repeat(250))),
            Some(2f64.powi(1000))
        );
        assert_eq!(
            number(&format!("i-1{};", "0".repeat(900_000))),
            Some(f64::NEG_INFINITY)
        );
        assert_eq!(number("Ms18:fractions.Fractiont2;i1;i3;"), Some(1.0 / 3.0));
        let tiny = format!("Ms18:fractions.Fractiont2;i1;i1{};", "0".repeat(900));
        assert_eq!(number(&tiny), Some(0.0));
        assert_eq!(number("s1:1"), None);
        assert_eq!(number("c1.0,0.0;"), None);
    }
}
