//! Instructions on registers alone.

use half::bf16;

/// Computes the result of an instruction, whose name is in parts, in the low bits.
pub(super) fn compute(parts: &[&str], x: &[u64], lanes: &[usize]) -> u64 {
    let kind = parts[parts.len() - 1];
    match parts[0] {
        "mov" | "cvta" => x[0],
        "activemask" => lanes.iter().fold(0, |mask, unit| mask | 1 << (unit % 32)),
        "setp" => u64::from(compares(parts[1], kind, x[0], x[1])),
        "selp" => x[usize::from(x[2] == 0)],
        "cvt" => converted(parts, x),
        "bfe" => (x[0] as u32 >> x[1] & ((1u64 << x[2]) - 1) as u32).into(),
        _ if kind.starts_with("bf16") => in_halves(parts[0], kind, x),
        _ if kind.starts_with('f') => floating(parts, x),
        "mul" | "mad" => product(parts, kind, x),
        _ => integer(parts[0], kind, x),
    }
}

fn width(kind: &str) -> u32 {
    if kind == "pred" {
        1
    } else {
        kind[1..].parse().expect("a width in bits")
    }
}

fn masked(value: u64, bits: u32) -> u64 {
    if bits == 64 {
        value
    } else {
        value & ((1 << bits) - 1)
    }
}

fn signed(value: u64, bits: u32) -> i64 {
    (value << (64 - bits)) as i64 >> (64 - bits)
}

fn single(value: u64) -> f32 {
    f32::from_bits(value as u32)
}

fn half(value: u64) -> bf16 {
    bf16::from_bits(value as u16)
}

fn bits(value: f32) -> u64 {
    value.to_bits().into()
}

fn compares(how: &str, kind: &str, a: u64, b: u64) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = match kind {
        "f32" => single(a).partial_cmp(&single(b)),
        "bf16" => half(a).partial_cmp(&half(b)),
        _ if kind.starts_with('s') => Some(signed(a, width(kind)).cmp(&signed(b, width(kind)))),
        _ => Some(masked(a, width(kind)).cmp(&masked(b, width(kind)))),
    };
    match how {
        "eq" => order == Some(Equal),
        "ne" if kind.contains('f') => matches!(order, Some(Less | Greater)),
        "ne" | "neu" => order != Some(Equal),
        "lt" | "lo" => order == Some(Less),
        "le" | "ls" => matches!(order, Some(Less | Equal)),
        "gt" | "hi" => order == Some(Greater),
        "ge" | "hs" => matches!(order, Some(Greater | Equal)),
        "nan" => order.is_none(),
        "num" => order.is_some(),
        _ => panic!("comparison {how}"),
    }
}

fn converted(parts: &[&str], x: &[u64]) -> u64 {
    let rest = parts[1..].join(".");
    match rest.as_str() {
        "u64.u32" | "u32.u64" => masked(x[0], 32),
        "u16.u32" | "u32.u16" => masked(x[0], 16),
        "f32.bf16" => bits(half(x[0]).to_f32()),
        "rn.bf16.f32" => bf16::from_f32(single(x[0])).to_bits().into(),
        "rn.bf16x2.f32" => {
            let [high, low] = [x[0], x[1]].map(|v| u64::from(bf16::from_f32(single(v)).to_bits()));
            high << 16 | low
        }
        "sat.f32.f32" if single(x[0]).is_nan() => bits(0.0),
        "sat.f32.f32" => bits(single(x[0]).clamp(0.0, 1.0)),
        "rn.f32.s32" => bits(signed(x[0], 32) as f32),
        _ => panic!("cvt.{rest}"),
    }
}

fn in_halves(name: &str, kind: &str, x: &[u64]) -> u64 {
    let one = |at: u32| {
        let [a, b] = [x[0], x[1]].map(|value| half(value >> at).to_f64());
        let value = match name {
            "add" => a + b,
            "mul" => a * b,
            "fma" => a * b + half(x[2] >> at).to_f64(),
            _ => panic!("{name}.{kind}"),
        };
        u64::from(bf16::from_f64(value).to_bits())
    };
    if kind == "bf16x2" {
        one(16) << 16 | one(0)
    } else {
        one(0)
    }
}

fn floating(parts: &[&str], x: &[u64]) -> u64 {
    let [a, b] = [0, 1].map(|i| x.get(i).map_or(0.0, |&value| single(value)));
    let value = match parts[0] {
        "add" => a + b,
        "sub" => a - b,
        "mul" => a * b,
        "div" => a / b,
        "neg" => -a,
        "abs" => a.abs(),
        "max" => a.max(b),
        "min" => a.min(b),
        "rcp" => 1.0 / a,
        "ex2" => a.exp2(),
        "fma" if parts[1] == "rm" => {
            let exact = f64::from(a) * f64::from(b) + f64::from(single(x[2]));
            let rounded = exact as f32;
            if f64::from(rounded) > exact {
                rounded.next_down()
            } else {
                rounded
            }
        }
        "fma" => a.mul_add(b, single(x[2])),
        _ => panic!("{}", parts.join(".")),
    };
    bits(value)
}

fn product(parts: &[&str], kind: &str, x: &[u64]) -> u64 {
    let bits = width(kind);
    let both = [x[0], x[1]];
    let exact = if kind.starts_with('s') {
        let [a, b] = both.map(|value| i128::from(signed(value, bits)));
        a * b
    } else {
        let [a, b] = both.map(|value| i128::from(masked(value, bits)));
        a * b
    };
    let value = match parts[1] {
        "wide" => masked(exact as u64, 2 * bits),
        "hi" => masked((exact >> bits) as u64, bits),
        "lo" => masked(exact as u64, bits),
        _ => panic!("{}", parts.join(".")),
    };
    if parts[0] == "mad" {
        masked(value.wrapping_add(x[2]), bits)
    } else {
        value
    }
}

fn integer(name: &str, kind: &str, x: &[u64]) -> u64 {
    let bits = width(kind);
    let a = masked(x[0], bits);
    let b = x.get(1).map_or(0, |&value| masked(value, bits.max(32)));
    let value = match name {
        "add" => a.wrapping_add(b),
        "sub" => a.wrapping_sub(b),
        "and" => a & b,
        "or" => a | b,
        "xor" => a ^ b,
        "not" => !a,
        "min" if kind.starts_with('u') => a.min(masked(b, bits)),
        "max" if kind.starts_with('u') => a.max(masked(b, bits)),
        "shl" => a.checked_shl(b as u32).unwrap_or(0),
        "shr" if kind.starts_with('s') => (signed(a, bits) >> b.min(63)) as u64,
        "shr" => a.checked_shr(b as u32).unwrap_or(0),
        _ => panic!("{name}.{kind}"),
    };
    masked(value, bits)
}
