//! Weak hash functions and short keys.

use super::super::finding::{Rule, Severity};
use super::super::report::Report;
use super::call::{Call, Value};
use super::rule::rule;
use crate::ast::Number;

static WEAK_HASH: Rule = rule(
    "weak-hash",
    "bandit B324",
    "A weak hash function is used where it may serve security",
    15.0,
);
static SHORT_KEY: Rule = rule(
    "short-key",
    "bandit B505",
    "A key for asymmetric encryption is too short",
    15.0,
);

pub(super) static RULES: [&Rule; 2] = [&WEAK_HASH, &SHORT_KEY];

const WEAK_HASHES: [&str; 4] = ["md4", "md5", "sha", "sha1"];
const WEAK_CRYPT: [&str; 3] = ["METHOD_CRYPT", "METHOD_MD5", "METHOD_BLOWFISH"];

/// Reports a weak hash function, and a short key.
pub(super) fn check(call: &Call<'_, '_>, report: &mut Report<'_>) {
    if call.name.has_part("hashlib") {
        check_hashlib(call, report);
    } else if call.name.has_part("crypt") {
        check_crypt(call, report);
    }
    if let Some(severity) = key_severity(call) {
        let message = "the key is too short";
        report.add(&SHORT_KEY, severity, call.range(), message);
    }
}

fn check_hashlib(call: &Call<'_, '_>, report: &mut Report<'_>) {
    let is_weak = match call.name.last() {
        "new" => {
            let name = argument(call, 0, "name").word();
            name.is_some_and(|name| WEAK_HASHES.contains(&name.to_lowercase().as_str()))
        }
        function => WEAK_HASHES.contains(&function),
    };
    let for_security = call
        .keyword("usedforsecurity")
        .is_none_or(|value| Value::of(value).is("True"));
    if is_weak && for_security {
        let message =
            "the hash function is weak; pass `usedforsecurity=False` if that does not matter";
        report.add(&WEAK_HASH, Severity::High, call.range(), message);
    }
}

fn check_crypt(call: &Call<'_, '_>, report: &mut Report<'_>) {
    let method = match call.name.last() {
        "crypt" => argument(call, 1, "salt"),
        "mksalt" => argument(call, 0, "method"),
        _ => return,
    };
    if method
        .word()
        .is_some_and(|method| WEAK_CRYPT.contains(&method))
    {
        let message = "the hash function of `crypt` is weak";
        report.add(&WEAK_HASH, Severity::Medium, call.range(), message);
    }
}

/// Returns the positional argument `index`, or the keyword argument `name` without it.
fn argument<'a>(call: &Call<'a, '_>, index: usize, name: &str) -> Value<'a> {
    match call.args().get(index) {
        Some(arg) => Value::of(arg),
        None => call.value(name),
    }
}

/// Returns how serious the length of a generated key is.
fn key_severity(call: &Call<'_, '_>) -> Option<Severity> {
    let size = |keyword, index| call.value(keyword).or(call.value_at(index));
    match call.name.text()? {
        "cryptography.hazmat.primitives.asymmetric.dsa.generate_private_key" => {
            below(size("key_size", 0), 1024, 2048)
        }
        "cryptography.hazmat.primitives.asymmetric.rsa.generate_private_key" => {
            below(size("key_size", 1), 1024, 2048)
        }
        "Crypto.PublicKey.DSA.generate"
        | "Crypto.PublicKey.RSA.generate"
        | "Cryptodome.PublicKey.DSA.generate"
        | "Cryptodome.PublicKey.RSA.generate" => below(size("bits", 0), 1024, 2048),
        // Of the curves that bandit knows, only these three have fewer than 224 bits.
        "cryptography.hazmat.primitives.asymmetric.ec.generate_private_key" => {
            let short = ["SECP192R1", "SECT163K1", "SECT163R2"];
            let curve = size("curve", 0).word()?;
            short.contains(&curve).then_some(Severity::Medium)
        }
        _ => None,
    }
}

/// Returns how serious a key of `size` bits is; an unknown size, or zero, counts as long enough.
fn below(size: Value<'_>, high: u16, medium: u16) -> Option<Severity> {
    let is_below = |limit: u16| match size {
        Value::Number(_) if !size.is_true() => false,
        Value::Number(Number::Int(size)) => size.as_u64().is_some_and(|size| size < limit.into()),
        Value::Number(Number::Float(size)) => *size < limit.into(),
        _ => false,
    };
    match (is_below(high), is_below(medium)) {
        (true, _) => Some(Severity::High),
        (false, true) => Some(Severity::Medium),
        (false, false) => None,
    }
}
