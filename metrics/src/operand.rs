//! When two Halstead operands are the same: Python's equality of the values that radon keys them by.

use crate::syntax::ast::{self, Expr, Number};

/// The value of an operand that can equal another's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Operand<'a> {
    /// A name, an attribute's name or a string.
    Text(&'a str),
    Bytes(Vec<u8>),
    /// An integer, `bool`, or float with an integer value.
    Small(u64),
    /// The same above 64 bits, as big-endian hexadecimal digits without leading zeros.
    Big(String),
    /// Any other float, by its bits: literals are never negative or NaN.
    Float(u64),
    /// An imaginary number other than `0j`, by the bits of its imaginary part.
    Imaginary(u64),
    None,
    Ellipsis,
}

impl<'a> Operand<'a> {
    /// The key of an operand, or `None` for a node that equals itself alone.
    pub(crate) fn of(expr: &'a Expr) -> Option<Self> {
        Some(match expr {
            Expr::Name(name) => Self::Text(&name.id),
            Expr::Attribute(attribute) => Self::Text(&attribute.attr),
            Expr::StringLiteral(string) => Self::Text(string.value.to_str()),
            Expr::BytesLiteral(bytes) => Self::Bytes(bytes.value.bytes().collect()),
            Expr::BooleanLiteral(boolean) => Self::Small(u64::from(boolean.value)),
            Expr::NumberLiteral(number) => Self::number(&number.value),
            Expr::NoneLiteral(_) => Self::None,
            Expr::EllipsisLiteral(_) => Self::Ellipsis,
            _ => return None,
        })
    }

    fn number(number: &Number) -> Self {
        match number {
            Number::Int(int) => Self::int(int),
            Number::Float(value) => Self::float(*value),
            Number::Complex { imag, .. } if *imag == 0.0 => Self::Small(0),
            Number::Complex { imag, .. } => Self::Imaginary(imag.to_bits()),
        }
    }

    fn int(int: &ast::Int) -> Self {
        match int.as_u64() {
            Some(small) => Self::Small(small),
            None => Self::Big(hexadecimal(&int.to_string())),
        }
    }

    fn float(value: f64) -> Self {
        // 2^64: below it a float with an integer value fits the small form.
        const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;
        if value.is_infinite() || value.fract() != 0.0 {
            Self::Float(value.to_bits())
        } else if value < TWO_POW_64 {
            Self::Small(value as u64)
        } else {
            let bits = value.to_bits();
            let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
            let exponent = (bits >> 52) as usize - 1075;
            let shifted = mantissa << (exponent % 4);
            Self::Big(format!("{shifted:x}{}", "0".repeat(exponent / 4)))
        }
    }
}

/// An integer literal of more than 64 bits in any of Python's bases, as hexadecimal digits without leading zeros.
fn hexadecimal(literal: &str) -> String {
    let digits = literal.replace('_', "").to_ascii_lowercase();
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits.as_str()),
    };
    let hex = if radix == 10 {
        hexadecimal_of_decimal(digits)
    } else {
        let bits_per_digit = match radix {
            16 => 4,
            8 => 3,
            _ => 1,
        };
        let bits: String = digits
            .chars()
            .filter_map(|digit| digit.to_digit(radix))
            .map(|digit| format!("{digit:0bits_per_digit$b}"))
            .collect();
        hexadecimal_of_binary(&bits)
    };
    hex.trim_start_matches('0').to_owned()
}

fn hexadecimal_of_binary(bits: &str) -> String {
    let padding = (4 - bits.len() % 4) % 4;
    let padded: Vec<u8> = std::iter::repeat_n(b'0', padding)
        .chain(bits.bytes())
        .collect();
    padded
        .chunks(4)
        .map(|nibble| {
            let value = nibble
                .iter()
                .fold(0, |value, bit| value * 2 + u32::from(bit - b'0'));
            char::from_digit(value, 16).unwrap_or('0')
        })
        .collect()
}

/// Schoolbook conversion; decimal literals have at most 4,300 digits.
fn hexadecimal_of_decimal(digits: &str) -> String {
    // Little-endian limbs.
    let mut limbs: Vec<u32> = Vec::new();
    for digit in digits.bytes() {
        let mut carry = u64::from(digit - b'0');
        for limb in &mut limbs {
            let value = u64::from(*limb) * 10 + carry;
            *limb = value as u32;
            carry = value >> 32;
        }
        if carry > 0 {
            limbs.push(carry as u32);
        }
    }
    limbs
        .iter()
        .rev()
        .map(|limb| format!("{limb:08x}"))
        .collect()
}
