//! Values that are written as one word or as a list.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess};

/// Reads a text with `word`, or the items of a list with `list`; `expected` describes both in an error.
///
/// # Errors
/// It is neither, an item is none, or the word is not one of those that `word` gives back.
pub(crate) fn word_or_list<'de, D, T, I>(
    deserializer: D,
    expected: &'static str,
    word: fn(&str) -> Result<T, &'static [&'static str]>,
    list: fn(Vec<I>) -> T,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    I: Deserialize<'de>,
{
    deserializer.deserialize_any(WordOrList {
        expected,
        word,
        list,
    })
}

struct WordOrList<T, I> {
    expected: &'static str,
    word: fn(&str) -> Result<T, &'static [&'static str]>,
    list: fn(Vec<I>) -> T,
}

impl<'de, T, I: Deserialize<'de>> de::Visitor<'de> for WordOrList<T, I> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.expected)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.word)(text).map_err(|words| E::unknown_variant(text, words))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element()? {
            read.push(item);
        }
        Ok((self.list)(read))
    }
}
