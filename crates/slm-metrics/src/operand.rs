//! Equality of Halstead operands: Python's equality of the values that radon uses as keys.

use crate::ast::Ranged;
use crate::ast::{self, Expr, Number};

/// The value of an operand that can equal another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Operand<'a> {
    /// A name, an attribute's name or a string.
    Text(&'a str),
    /// A string with lone surrogates: the parser's value, which has U+FFFD in their place, and the original
    /// code points.
    Surrogates(&'a str, Vec<u32>),
    Bytes(Vec<u8>),
    /// An integer, `bool`, or float with an integer value.
    Small(u64),
    /// An integer of more than 64 bits, as big-endian hexadecimal digits without leading zeros.
    Big(String),
    /// Any other float, by its bits: literals are never negative or NaN.
    Float(u64),
    /// An imaginary number other than `0j`, by the bits of its imaginary part.
    Imaginary(u64),
    None,
    Ellipsis,
}

impl<'a> Operand<'a> {
    /// Returns the key of an operand in the source `text`; `None` for a node that equals only itself.
    pub(crate) fn of(expr: &'a Expr, text: &str) -> Option<Self> {
        Some(match expr {
            Expr::Name(name) => Self::Text(&name.id),
            Expr::Attribute(attribute) => Self::Text(&attribute.attr),
            Expr::StringLiteral(string) => Self::string(string, text),
            Expr::BytesLiteral(bytes) => Self::Bytes(bytes.value.bytes().collect()),
            Expr::BooleanLiteral(boolean) => Self::Small(u64::from(boolean.value)),
            Expr::NumberLiteral(number) => Self::number(&number.value),
            Expr::NoneLiteral(_) => Self::None,
            Expr::EllipsisLiteral(_) => Self::Ellipsis,
            _ => return None,
        })
    }

    fn string(string: &'a ast::ExprStringLiteral, text: &str) -> Self {
        let value = string.value.to_str();
        if value.contains(char::REPLACEMENT_CHARACTER) {
            let replaced: Vec<u32> = string
                .value
                .iter()
                .flat_map(|part| replaced_characters(part, text))
                .collect();
            if replaced.iter().any(|code| SURROGATES.contains(code)) {
                return Self::Surrogates(value, replaced);
            }
        }
        Self::Text(value)
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
        // 2^64: a float below it with an integer value fits the small form.
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

/// The code points that a Rust string cannot contain.
const SURROGATES: std::ops::Range<u32> = 0xd800..0xe000;

/// Returns the source's code point for each U+FFFD of a literal's value: U+FFFD itself or a lone surrogate.
fn replaced_characters(literal: &ast::StringLiteral, text: &str) -> Vec<u32> {
    let replacement = u32::from(char::REPLACEMENT_CHARACTER);
    let mut found = Vec::new();
    let mut rest = &text[literal.range()];
    while let Some(at) = rest.find(['\\', char::REPLACEMENT_CHARACTER]) {
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix(char::REPLACEMENT_CHARACTER) {
            found.push(replacement);
            rest = after;
            continue;
        }
        rest = &rest[1..];
        if literal.flags.prefix().is_raw() {
            continue;
        }
        let mut characters = rest.chars();
        let kind = characters.next();
        rest = characters.as_str();
        let code = match kind {
            Some('u') => rest
                .get(..4)
                .and_then(|hex| u32::from_str_radix(hex, 16).ok()),
            Some('U') => rest
                .get(..8)
                .and_then(|hex| u32::from_str_radix(hex, 16).ok()),
            Some('N') => rest
                .strip_prefix('{')
                .and_then(|name| name.split('}').next())
                .filter(|name| name.eq_ignore_ascii_case("replacement character"))
                .map(|_| replacement),
            _ => None,
        };
        found.extend(code.filter(|code| *code == replacement || SURROGATES.contains(code)));
    }
    found
}

/// Converts an integer literal of more than 64 bits in any of Python's bases to hexadecimal digits without
/// leading zeros.
fn hexadecimal(literal: &str) -> String {
    let digits = literal.replace('_', "").to_ascii_lowercase();
    let hexadecimal = match digits.get(..2) {
        Some("0x") => digits[2..].to_owned(),
        Some("0o") => hexadecimal_of_bits(&digits[2..], 3),
        Some("0b") => hexadecimal_of_bits(&digits[2..], 1),
        _ => hexadecimal_of_decimal(&digits),
    };
    hexadecimal.trim_start_matches('0').to_owned()
}

/// Converts digits of `bits_per_digit` bits each, regrouped by four from the right.
fn hexadecimal_of_bits(digits: &str, bits_per_digit: u32) -> String {
    let mut reversed = Vec::new();
    let (mut pending, mut n_pending) = (0, 0);
    for digit in digits.bytes().rev() {
        pending |= u32::from(digit - b'0') << n_pending;
        n_pending += bits_per_digit;
        while n_pending >= 4 {
            reversed.push(pending & 15);
            pending >>= 4;
            n_pending -= 4;
        }
    }
    reversed.push(pending);
    let nibbles = reversed.into_iter().rev();
    nibbles
        .filter_map(|nibble| char::from_digit(nibble, 16))
        .collect()
}

/// Converts decimal digits by the schoolbook method; decimal literals have at most 4,300 digits.
fn hexadecimal_of_decimal(digits: &str) -> String {
    // Hexadecimal digits, least significant first.
    let mut reversed: Vec<u32> = Vec::new();
    for digit in digits.bytes() {
        let mut carry = u32::from(digit - b'0');
        for nibble in &mut reversed {
            let value = *nibble * 10 + carry;
            *nibble = value & 15;
            carry = value >> 4;
        }
        while carry > 0 {
            reversed.push(carry & 15);
            carry >>= 4;
        }
    }
    let nibbles = reversed.into_iter().rev();
    nibbles
        .filter_map(|nibble| char::from_digit(nibble, 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(literal: &str, expected: &str) {
        assert_eq!(hexadecimal(literal), expected, "{literal}");
    }

    #[test]
    fn the_base_of_an_integer_does_not_matter() {
        check("0xFFFF_0000_0000_0000_0001", "ffff0000000000000001");
        check("0X00ff", "ff");
        check("0o777_777", "3ffff");
        check("0b1_0000_0001", "101");
        check("18446744073709551616", "10000000000000000");
        check(
            "340_282_366_920_938_463_463_374_607_431_768_211_455",
            &"f".repeat(32),
        );
    }

    #[test]
    fn a_float_with_an_integer_value_is_that_integer() {
        assert_eq!(Operand::float(16.0), Operand::Small(16));
        assert_eq!(
            Operand::float(2.0_f64.powi(64)),
            Operand::Big("10000000000000000".to_owned())
        );
        // 10^22 is the greatest power of ten that a float holds exactly.
        assert_eq!(
            Operand::float(1e22),
            Operand::Big(hexadecimal("10000000000000000000000"))
        );
        assert_ne!(
            Operand::float(1e23),
            Operand::Big(hexadecimal("100000000000000000000000"))
        );
        assert_eq!(Operand::float(0.5), Operand::Float(0.5_f64.to_bits()));
        assert_eq!(
            Operand::float(f64::INFINITY),
            Operand::Float(f64::INFINITY.to_bits())
        );
    }
}
