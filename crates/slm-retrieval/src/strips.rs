//! The parts of a chunk that are kept or removed one by one.

use crate::chunk::Chunk;

/// Returns the strips of a chunk, in order: statements of code, sentences of prose.
pub fn strips(chunk: &Chunk) -> Vec<String> {
    vec![chunk.text.clone()]
}
