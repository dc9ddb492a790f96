//! Word n-grams: runs of words that two texts hardly share by chance.

use std::ops::Range;

/// Length of a word n-gram that two texts hardly share by chance.
///
/// # Source
/// Brown et al. 2020, arXiv:2005.14165, appendix C.
pub const GRAM_WORDS: usize = 13;

/// An n-gram of [`GRAM_WORDS`] words in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordGram {
    /// The hash of its words in lower case, the same on every machine.
    pub hash: u64,
    /// The bytes of the text from its first to its last word.
    pub range: Range<usize>,
}

/// Returns all n-grams of a text in order.
///
/// Words are runs of letters and digits in lower case, so that line breaks, indentation, comment marks and punctuation
/// do not matter.
pub fn word_grams(text: &str) -> Vec<WordGram> {
    let mut rolling = Rolling::default();
    let mut starts = [0; GRAM_WORDS];
    let mut grams = Vec::new();
    for (place, (start, word)) in words(text).enumerate() {
        starts[place % GRAM_WORDS] = start;
        let lower: String = word.chars().flat_map(char::to_lowercase).collect();
        if let Some(hash) = rolling.push(hash_of(&lower)) {
            let first = starts[(place + 1) % GRAM_WORDS];
            let range = first..start + word.len();
            grams.push(WordGram { hash, range });
        }
    }
    grams
}

/// Normalises a text to its words in lower case, each followed by one space.
pub(crate) fn normal_form(text: &str) -> String {
    let mut normal = String::with_capacity(text.len() + 1);
    for (_, word) in words(text) {
        normal.extend(word.chars().flat_map(char::to_lowercase));
        normal.push(' ');
    }
    normal
}

/// Returns the words of a text with the bytes at which they start.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let separator = |c: char| !c.is_alphanumeric();
    let start = text.as_ptr() as usize;
    let words = text.split(separator).filter(|word| !word.is_empty());
    words.map(move |word| (word.as_ptr() as usize - start, word))
}

/// Returns the hashes of all n-grams of a normalised text.
pub(crate) fn hashes(normal: &str) -> impl Iterator<Item = u64> {
    let mut rolling = Rolling::default();
    let words = normal.split_terminator(' ');
    words.filter_map(move |word| rolling.push(hash_of(word)))
}

/// A polynomial rolling hash of the words' hashes (Karp and Rabin 1987). It has 64 bits: among millions of texts and
/// tasks, no two different n-grams share a hash in practice.
#[derive(Debug, Default)]
struct Rolling {
    window: [u64; GRAM_WORDS],
    n_read: usize,
    hash: u64,
}

impl Rolling {
    /// An odd number with well distributed bits.
    const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
    /// `BASE` to the power of [`GRAM_WORDS`].
    const LEAVING: u64 = Self::BASE.wrapping_pow(GRAM_WORDS as u32);

    /// Adds a word; returns the hash of the last n-gram once there is one.
    fn push(&mut self, word: u64) -> Option<u64> {
        let place = self.n_read % GRAM_WORDS;
        let left = std::mem::replace(&mut self.window[place], word);
        self.hash = self
            .hash
            .wrapping_mul(Self::BASE)
            .wrapping_add(word)
            .wrapping_sub(left.wrapping_mul(Self::LEAVING));
        self.n_read += 1;
        (self.n_read >= GRAM_WORDS).then_some(self.hash)
    }
}

/// FNV-1a with a final mix: the same on every machine, and fast for short words.
fn hash_of(word: &str) -> u64 {
    let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_grams_have_their_places_and_ignore_marks_and_case() {
        let text = "A b-c\n d e f g h i j k (l) M; n";
        let grams = word_grams(text);
        let texts: Vec<&str> = grams.iter().map(|gram| &text[gram.range.clone()]).collect();
        assert_eq!(
            texts,
            [
                "A b-c\n d e f g h i j k (l) M",
                "b-c\n d e f g h i j k (l) M; n"
            ]
        );
        let same = word_grams("# a b c d, e f g h i j k l m");
        assert_eq!(same.len(), 1);
        assert_eq!(same[0].hash, grams[0].hash);
        assert_ne!(grams[0].hash, grams[1].hash);
        let normal = normal_form(text);
        assert!(hashes(&normal).eq(grams.iter().map(|gram| gram.hash)));
        assert_eq!(word_grams("a b c d e f g h i j k l"), []);
    }
}
