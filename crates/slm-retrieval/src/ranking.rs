//! BM25 scores of chunks. The only module that uses the crate `bm25`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bm25::{Embedder, EmbedderBuilder, Embedding, Scorer, Tokenizer};

use crate::tokens::tokens;

/// Weight of repeated terms, and of a chunk's length.
///
/// # Source
/// Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond".
const K1: f32 = 1.2;
const B: f32 = 0.75;

/// The terms of this crate, for `bm25`.
struct Terms;

impl Tokenizer for Terms {
    fn tokenize(&self, input_text: &str) -> Vec<String> {
        tokens(input_text)
    }
}

/// The terms of all chunks, weighted.
pub(crate) struct Ranking {
    embedder: Embedder<u64, Terms>,
    scorer: Scorer<usize, u64>,
    /// Number of chunks that have each term.
    frequencies: HashMap<String, usize>,
    n_chunks: usize,
}

impl std::fmt::Debug for Ranking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ranking")
            .field("n_chunks", &self.n_chunks)
            .field("n_terms", &self.frequencies.len())
            .finish_non_exhaustive()
    }
}

impl Ranking {
    pub(crate) fn of(texts: &[&str]) -> Self {
        let embedder = EmbedderBuilder::with_tokenizer_and_fit_to_corpus(Terms, texts)
            .k1(K1)
            .b(B)
            .build();
        let mut scorer = Scorer::new();
        let mut frequencies: HashMap<String, usize> = HashMap::new();
        for (place, text) in texts.iter().enumerate() {
            scorer.upsert(&place, distinct(embedder.embed(text)));
            let terms: BTreeSet<String> = tokens(text).into_iter().collect();
            for term in terms {
                *frequencies.entry(term).or_default() += 1;
            }
        }
        Self {
            embedder,
            scorer,
            frequencies,
            n_chunks: texts.len(),
        }
    }

    /// Returns the score of each chunk that has a term of the query, by the chunk's place.
    pub(crate) fn scores(&self, query: &str) -> BTreeMap<usize, f32> {
        let matches = self.scorer.matches(&self.embedder.embed(query));
        matches.into_iter().map(|of| (of.id, of.score)).collect()
    }

    /// Returns the share of the query's idf mass that a text covers: the sum over its distinct terms that the text has,
    /// divided by the sum over all of them. 0 for a query without terms.
    pub(crate) fn coverage(&self, query: &str, text: &str) -> f64 {
        let has: HashSet<String> = tokens(text).into_iter().collect();
        // Sorted: the sum must not depend on the order of a hash table.
        let terms: BTreeSet<String> = tokens(query).into_iter().collect();
        let (mut covered, mut all) = (0.0, 0.0);
        for term in &terms {
            let idf = self.idf(term);
            all += idf;
            if has.contains(term) {
                covered += idf;
            }
        }
        if all > 0.0 { covered / all } else { 0.0 }
    }

    fn idf(&self, term: &str) -> f64 {
        let with = self.frequencies.get(term).copied().unwrap_or(0) as f64;
        (1.0 + (self.n_chunks as f64 - with + 0.5) / (with + 0.5)).ln()
    }
}

/// Removes repeated terms, whose weight already counts the repetitions.
fn distinct(embedding: Embedding<u64>) -> Embedding<u64> {
    let mut seen = HashSet::new();
    let terms = embedding.0.into_iter();
    Embedding(terms.filter(|term| seen.insert(term.index)).collect())
}
