//! Similarity of two texts by their tokens.

use serde_json::Value;
use slm_metrics::syntax::{MAX_TOKENS, similarity};

#[test]
fn similarities_are_those_of_the_independent_script() {
    let mut n_pairs = 0;
    for line in include_str!("golden/similarity/pairs.jsonl").lines() {
        let case: Value = serde_json::from_str(line).expect("a line of JSON");
        let [a, b] = ["a", "b"].map(|key| case[key].as_str().expect("a source"));
        let expected = case["similarity"].as_f64().expect("a number");
        for found in [similarity(a, b), similarity(b, a)] {
            let found = found.expect("Python");
            assert!(
                (found - expected).abs() < 1e-12,
                "{found} instead of {expected}:\n{a}\n{b}"
            );
        }
        n_pairs += 1;
    }
    assert!(n_pairs >= 30);
}

#[test]
fn layout_comments_docstrings_and_the_signature_do_not_matter() {
    let found = similarity(
        "def f(x):\n    '''Doc.'''\n    return (x +  # c\n        1)\n",
        "def g(y: int) -> int: return (x+1)\n",
    );
    assert_eq!(found, Ok(1.0));
    assert_eq!(similarity("", "# c\n"), Ok(1.0));
    assert_eq!(similarity("", "x\n"), Ok(0.0));
    // One token of three and one of one.
    assert_eq!(similarity("x = 1\n", "x\n"), Ok(0.5));
}

#[test]
fn what_does_not_parse_or_is_too_long_is_an_error() {
    assert!(similarity("def f(", "x\n").is_err());
    let longest = "x\n".repeat(MAX_TOKENS);
    assert_eq!(similarity(&longest, &longest), Ok(1.0));
    let error = similarity("x\n", &format!("{longest}x\n")).expect_err("too long");
    assert!(error.message.contains("20001 tokens"), "{error}");
}
