//! Text that has nothing to do with a task, as long as the text that a lookup shows.
//!
//! The control of retrieval: what a prompt gains by its mere length, by a library's style and by the form of a reference
//! is in both, what it gains by the content of the right chunks is in one.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use slm_retrieval::{Corpus, Index, Mask};

use super::Knowledge;
use super::compose::head;

/// Drawn text.
pub(super) struct Placebo {
    pub(super) text: String,
    /// The chunks that the text is made of, and their scores.
    pub(super) chunks: Vec<(usize, f32)>,
}

/// Draws chunks until they have as many tokens as `as_long_as`, and cuts the last one.
///
/// Chunks that share no word with the query come first, in an order that the seed draws; then, if these do not suffice,
/// the others from the lowest score on. None of the `excluded` is drawn.
pub(super) fn draw(
    index: &Index,
    mask: &Mask,
    query: &str,
    excluded: &[usize],
    as_long_as: &str,
    seed: u64,
    knowledge: &Knowledge,
) -> Placebo {
    let count_tokens = &*knowledge.count_tokens;
    let wanted = count_tokens(as_long_as);
    let mut all: Vec<(usize, f32)> = index
        .scores(query, Corpus::All, mask)
        .into_iter()
        .map(|hit| (hit.chunk, hit.score))
        .filter(|(chunk, _)| !excluded.contains(chunk))
        .collect();
    all.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    // Stable: chunks of equal score keep the drawn order.
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut placebo = Placebo {
        text: String::new(),
        chunks: Vec::new(),
    };
    for (chunk, score) in all {
        if count_tokens(&placebo.text) >= wanted {
            break;
        }
        let gap = if placebo.text.is_empty() { "" } else { "\n" };
        let shown = knowledge.presented(index, chunk);
        let longer = format!("{}{gap}{shown}", placebo.text);
        if mask.permits(&longer) {
            placebo.text = longer;
            placebo.chunks.push((chunk, score));
        }
    }
    placebo.text = head(&placebo.text, wanted, count_tokens);
    placebo
}
