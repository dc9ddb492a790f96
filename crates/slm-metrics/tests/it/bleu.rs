//! BLEU of bodies by their tokens.

use serde::Deserialize;
use slm_metrics::syntax::{BleuCounts, body_tokens};

#[derive(Deserialize)]
struct Corpus {
    bleu: f64,
    pairs: Vec<[Vec<String>; 2]>,
}

#[test]
fn bleu_of_a_corpus_is_that_of_sacrebleu() {
    let mut n_corpora = 0;
    for line in include_str!("golden/bleu/corpora.jsonl").lines() {
        let corpus: Corpus = serde_json::from_str(line).expect("a corpus");
        let mut counts = BleuCounts::default();
        for [text, reference] in &corpus.pairs {
            counts.add(&BleuCounts::new(text, reference));
        }
        let found = counts.bleu();
        assert!((found - corpus.bleu).abs() < 1e-6, "{found}: {line}");
        n_corpora += 1;
    }
    assert_eq!(n_corpora, 25);
}

#[test]
fn a_body_has_the_tokens_after_the_docstring_and_whole_comments() {
    let program = "import a\n\ndef f(x):\n    \"\"\"Doc.\"\"\"\n    # Why so.\n    if x:\n        return 'a b'\n    return -1\n";
    let tokens = body_tokens(program, "f").expect("a body");
    assert_eq!(
        tokens,
        [
            "# Why so.",
            "if",
            "x",
            ":",
            "return",
            "'a b'",
            "return",
            "-",
            "1"
        ]
    );
    assert_eq!(body_tokens(program, "g"), None);
    assert_eq!(body_tokens("def f(:\n", "f"), None);
    assert_eq!(body_tokens("def f():\n    \"\"\"Doc.\"\"\"\n", "f"), None);
}

#[test]
fn a_program_without_the_function_has_an_empty_body_and_lowers_the_corpus() {
    let reference = "def f(x):\n    y = x + 1\n    return y * y\n";
    let same = BleuCounts::of_bodies(reference, reference, "f").expect("a body");
    assert!((same.bleu() - 100.0).abs() < 1e-9);
    for program in ["", "def g(x):\n    y = x + 1\n", "def f(:\n"] {
        let none = BleuCounts::of_bodies(program, reference, "f").expect("a body");
        assert_eq!(none.ngrams, [0; 4]);
        let mut both = same;
        both.add(&none);
        // Half as long as its references: exp(1 - 2).
        assert!((both.bleu() - 100.0 * (-1.0_f64).exp()).abs() < 1e-9);
    }
    assert_eq!(BleuCounts::of_bodies(reference, "x = 1\n", "f"), None);
}
