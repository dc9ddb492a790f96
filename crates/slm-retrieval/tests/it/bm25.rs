//! Scores equal those of the package bm25s.

use serde_json::Value;
use slm_retrieval::{Corpus, Mask, Secret, tokens};

use crate::{index_of, index_of_chunks, section};

const GOLDEN: &str = include_str!("golden/bm25/golden.json");

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn terms_scores_and_order_equal_those_of_bm25s() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let documents = golden["documents"].as_array().unwrap();
    for of in documents {
        let own = tokens(&format!("{}\n{}", text(&of["name"]), text(&of["text"])));
        let terms: Vec<&str> = of["terms"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(own, terms);
    }
    let chunks = documents
        .iter()
        .map(|of| section(text(&of["name"]), text(&of["text"])));
    let index = index_of_chunks(chunks.collect());
    let results = golden["results"].as_array().unwrap();
    assert_eq!(results.len(), 12);
    for result in results {
        let query = text(&result["query"]);
        let expected: Vec<f64> = result["scores"]
            .as_array()
            .unwrap()
            .iter()
            .map(|score| score.as_f64().unwrap())
            .collect();
        let scores = index.scores(query, Corpus::All, &Mask::none());
        assert_eq!(scores.len(), expected.len());
        for (place, (own, expected)) in scores.iter().zip(&expected).enumerate() {
            let own = f64::from(own.score);
            let error = (own - expected).abs() / expected.abs().max(1.0);
            assert!(error < 1e-5, "{query}: chunk {place}: {own} {expected}");
        }
        // Scores that differ by rounding only are ties.
        let rounded = |place: usize| (expected[place] * 1e5).round();
        let mut order: Vec<usize> = (0..expected.len()).filter(|p| expected[*p] > 0.0).collect();
        order.sort_by(|a, b| rounded(*b).total_cmp(&rounded(*a)).then(a.cmp(b)));
        let hits = index.search(query, Corpus::All, &Mask::none(), usize::MAX);
        let found: Vec<usize> = hits.iter().map(|hit| hit.chunk).collect();
        assert_eq!(found, order, "{query}");
    }
}

#[test]
fn equal_scores_are_in_the_order_of_the_chunks() {
    let chunks = (0..50).map(|i| section("n", if i % 2 == 0 { "red apple" } else { "green" }));
    let index = index_of_chunks(chunks.collect());
    let hits = index.search("apple", Corpus::All, &Mask::none(), 5);
    let found: Vec<usize> = hits.iter().map(|hit| hit.chunk).collect();
    assert_eq!(found, [0, 2, 4, 6, 8]);
}

#[test]
fn a_search_is_limited_to_its_corpus_and_to_visible_chunks() {
    let solution = "def merge(left, right):\n    out = []\n    while left and right:\n        out.append((left if left[0] <= right[0] else right).pop(0))\n    return out + left + right\n";
    let index = index_of(&[
        ("docs/a.md", "# Merge\n\nHow to merge lists.\n"),
        (
            "src/a.py",
            &format!("class Merge:\n    merge = 1\n\n{solution}"),
        ),
    ]);
    let names = |corpus, mask: &Mask| -> Vec<String> {
        let hits = index.search("merge", corpus, mask, 10);
        let mut names: Vec<String> = hits
            .iter()
            .map(|hit| index.chunks()[hit.chunk].name.clone())
            .collect();
        names.sort();
        names
    };
    let none = Mask::none();
    assert_eq!(names(Corpus::All, &none), ["Merge", "Merge", "merge"]);
    assert_eq!(names(Corpus::Docs, &none), ["Merge"]);
    assert_eq!(names(Corpus::Code, &none), ["Merge", "merge"]);
    assert_eq!(names(Corpus::Functions, &none), ["merge"]);
    let mask = index.mask(&Secret {
        solutions: &[solution],
        ..Secret::default()
    });
    assert_eq!(mask.n_hidden(), 1);
    assert_eq!(names(Corpus::Functions, &mask), [] as [&str; 0]);
    assert_eq!(names(Corpus::All, &mask), ["Merge", "Merge"]);
    assert_eq!(index.scores("merge", Corpus::All, &mask).len(), 2);
}

#[test]
fn coverage_is_the_share_of_the_querys_idf_mass() {
    let index = index_of_chunks(vec![
        section("a", "apple pear"),
        section("b", "apple"),
        section("c", "plum"),
    ]);
    let idf = |with: f64| (1.0 + (3.0 - with + 0.5) / (with + 0.5)).ln();
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
    // A repeated term counts once; a term that no chunk has counts.
    let query = "apple apple pear cherry";
    let all = idf(2.0) + idf(1.0) + idf(0.0);
    close(index.coverage(query, 0), (idf(2.0) + idf(1.0)) / all);
    close(index.coverage(query, 1), idf(2.0) / all);
    close(index.coverage(query, 2), 0.0);
    close(index.covers(query, "A cherry, pear and apple!"), 1.0);
    close(index.covers("", "apple"), 0.0);
    close(index.coverage(query, 99), 0.0);
}

#[test]
fn the_identity_depends_on_chunks_and_files_but_not_on_their_order() {
    let of = |files: &[(&str, &str)]| index_of(files).sha256().to_owned();
    let a = ("a.md", "# A\n\nText.\n");
    let b = ("b.py", "x = 1\n");
    assert_eq!(of(&[a, b]), of(&[b, a]));
    assert_ne!(of(&[a, b]), of(&[a]));
    // No chunk has this line, but it can be read.
    assert_ne!(of(&[a, b]), of(&[a, ("b.py", "x = 2\n")]));
}
