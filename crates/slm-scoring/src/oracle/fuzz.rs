//! Fuzzes every comparison rule with results as a hostile program may return them.
//!
//! `FUZZ_SECONDS=60 cargo test -p slm-scoring fuzz`

#[path = "../../../slm-sandbox/tests/support/values.rs"]
mod values;

use slm_benchmarks::{Oracle, Puzzle};
use slm_sandbox::Value;

use super::OutputChecker;

#[test]
fn results_are_compared_without_harm() {
    let text = String::new;
    let puzzle = |puzzle| Oracle::Puzzle {
        puzzle,
        arguments: String::new(),
    };
    let oracles = [
        Oracle::Equal,
        Oracle::SetEqual,
        Oracle::NotNone,
        Oracle::Anything,
        Oracle::OrZero,
        Oracle::OrWithin(text()),
        Oracle::OrEqualTo(text()),
        Oracle::ZeroOf(text()),
        Oracle::Typed,
        puzzle(Puzzle::Palindrome),
        puzzle(Puzzle::ZeroInInterval),
        puzzle(Puzzle::Moves),
        puzzle(Puzzle::Cells),
        puzzle(Puzzle::Factors),
        Oracle::Json { or_first: false },
        Oracle::Json { or_first: true },
    ];
    let none = || Value::try_from("N".to_owned()).expect("None");
    let mut last = [none(), none()];
    values::fuzz("judge", |random| {
        let mut text = values::text(random);
        if random.below(2) == 0 {
            text = values::broken(random, &text);
        }
        let Ok(value) = Value::try_from(text) else {
            return;
        };
        let oracle = &oracles[random.below(oracles.len())];
        let atol = [0.0, 1e-4][random.below(2)];
        let [expected, aid] = &last;
        let _ = OutputChecker::new(oracle, atol).accepts(&value, expected, Some(aid));
        let _ = OutputChecker::new(oracle, atol).accepts(expected, &value, Some(aid));
        let _ = OutputChecker::new(oracle, atol).accepts(&value, &value, Some(&value));
        last.rotate_right(1);
        last[0] = value;
    });
}
