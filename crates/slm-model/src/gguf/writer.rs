//! Writer of GGUF files: metadata pairs, the header, and the data of tensors.

use std::io::{self, Write};

use super::tensor_type::TensorType;

/// Alignment of every tensor's data in bytes, unless the metadata contain another one.
pub(crate) const ALIGNMENT: usize = 32;

// Types of values in metadata, by their numbers in the format.
const UNSIGNED: u32 = 4;
const SIGNED: u32 = 5;
const FLOAT: u32 = 6;
const BOOLEAN: u32 = 7;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// Encoded metadata pairs.
#[derive(Debug, Default)]
pub(crate) struct NewPairs {
    count: usize,
    bytes: Vec<u8>,
}

impl NewPairs {
    /// Takes over the pairs of a file whose header was checked, except those whose key `is_kept` refuses.
    pub(crate) fn taken_over(pairs: &[u8], is_kept: impl Fn(&str) -> bool) -> Self {
        let (mut kept, mut rest) = (Self::default(), pairs);
        while let Some((key, len)) = first_pair(rest) {
            let (pair, others) = rest.split_at(len);
            if is_kept(key) {
                kept.count += 1;
                kept.bytes.extend(pair);
            }
            rest = others;
        }
        kept
    }

    /// The number of pairs, and their bytes.
    pub(crate) fn encoded(&self) -> (usize, &[u8]) {
        (self.count, &self.bytes)
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.add(key, TEXT, &text(value));
    }

    pub(crate) fn unsigned(&mut self, key: &str, value: u32) {
        self.add(key, UNSIGNED, &value.to_le_bytes());
    }

    /// Adds a number in single precision.
    pub(crate) fn float(&mut self, key: &str, value: f64) {
        self.add(key, FLOAT, &(value as f32).to_le_bytes());
    }

    pub(crate) fn boolean(&mut self, key: &str, value: bool) {
        self.add(key, BOOLEAN, &[u8::from(value)]);
    }

    pub(crate) fn texts(&mut self, key: &str, values: &[String]) {
        let bytes = values.iter().flat_map(|value| text(value));
        self.array(key, TEXT, values.len(), bytes);
    }

    pub(crate) fn integers(&mut self, key: &str, values: &[i32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.array(key, SIGNED, values.len(), bytes);
    }

    pub(crate) fn floats(&mut self, key: &str, values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.array(key, FLOAT, values.len(), bytes);
    }

    fn array(&mut self, key: &str, kind: u32, len: usize, values: impl Iterator<Item = u8>) {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend((len as u64).to_le_bytes());
        bytes.extend(values);
        self.add(key, ARRAY, &bytes);
    }

    fn add(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.count += 1;
        self.bytes.extend(text(key));
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(value);
    }
}

/// Returns the key of the first pair and the pair's length in bytes; `None` at the end.
fn first_pair(pairs: &[u8]) -> Option<(&str, usize)> {
    let number = |at: usize| {
        pairs
            .get(at..)?
            .first_chunk()
            .map(|&b| u32::from_le_bytes(b))
    };
    let len_at = |at: usize| {
        pairs
            .get(at..)?
            .first_chunk()
            .map(|&b| u64::from_le_bytes(b) as usize)
    };
    let key_end = len_at(0)?.saturating_add(8);
    let key = std::str::from_utf8(pairs.get(8..key_end)?).ok()?;
    // Values to be skipped: their type, and how many follow each other.
    let mut open = vec![(number(key_end)?, 1_usize)];
    let mut at = key_end + 4;
    while let Some((kind, left)) = open.pop() {
        match kind {
            _ if left == 0 => {}
            TEXT => {
                at = at.saturating_add(8).saturating_add(len_at(at)?);
                open.push((kind, left - 1));
            }
            ARRAY => {
                open.push((kind, left - 1));
                open.push((number(at)?, len_at(at + 4)?));
                at += 12;
            }
            plain => at = at.saturating_add(left.saturating_mul(width_of(plain)?)),
        }
    }
    (at <= pairs.len()).then_some((key, at))
}

/// Size of a number or boolean in bytes.
fn width_of(kind: u32) -> Option<usize> {
    match kind {
        0 | 1 | BOOLEAN => Some(1),
        2 | 3 => Some(2),
        UNSIGNED | SIGNED | FLOAT => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// A tensor of a file to be written.
#[derive(Debug)]
pub(crate) struct NewTensor {
    /// The tensor's name.
    pub(crate) name: String,
    /// Dimensions, outermost first.
    pub(crate) shape: Vec<usize>,
    /// The packing of its values.
    pub(crate) kind: TensorType,
}

impl NewTensor {
    /// Size of the values in bytes.
    fn len(&self) -> usize {
        self.shape.iter().product::<usize>() / self.kind.block_len() * self.kind.block_bytes()
    }
}

/// Encodes a string as in the header: its length, then its bytes.
pub(crate) fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// Writes everything before the tensors' data, which must follow in the same order, each padded by [`put`].
///
/// `pairs` are the bytes of `n_pairs` metadata pairs.
pub(crate) fn write_header<'a>(
    out: &mut impl Write,
    (n_pairs, pairs): (usize, &[u8]),
    tensors: impl ExactSizeIterator<Item = &'a NewTensor> + Clone,
    alignment: usize,
) -> io::Result<()> {
    let mut header = b"GGUF".to_vec();
    header.extend(3_u32.to_le_bytes());
    header.extend((tensors.len() as u64).to_le_bytes());
    header.extend((n_pairs as u64).to_le_bytes());
    header.extend(pairs);
    let mut offset = 0;
    for tensor in tensors {
        header.extend(text(&tensor.name));
        header.extend((tensor.shape.len() as u32).to_le_bytes());
        // The innermost dimension comes first.
        for &dimension in tensor.shape.iter().rev() {
            header.extend((dimension as u64).to_le_bytes());
        }
        header.extend(tensor.kind.id().to_le_bytes());
        header.extend((offset as u64).to_le_bytes());
        offset += tensor.len().next_multiple_of(alignment);
    }
    header.resize(header.len().next_multiple_of(alignment), 0);
    out.write_all(&header)
}

/// Writes a tensor's data, padded to the alignment.
pub(crate) fn put(out: &mut impl Write, mut bytes: Vec<u8>, alignment: usize) -> io::Result<()> {
    bytes.resize(bytes.len().next_multiple_of(alignment), 0);
    out.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_pairs() -> NewPairs {
        let mut pairs = NewPairs::default();
        pairs.text("a.text", "é");
        pairs.unsigned("a.unsigned", 7);
        pairs.texts("a.texts", &["x".to_owned(), String::new(), "yz".to_owned()]);
        pairs.boolean("b.boolean", true);
        pairs.integers("b.integers", &[-1, 2]);
        pairs.texts("b.texts", &[]);
        pairs.float("a.float", 0.5);
        // An array of two arrays.
        let inner = [
            &5_u32.to_le_bytes()[..],
            &1_u64.to_le_bytes(),
            &9_i32.to_le_bytes(),
        ]
        .concat();
        pairs.array(
            "b.arrays",
            ARRAY,
            2,
            [&inner[..], &inner].concat().into_iter(),
        );
        pairs.unsigned("a.last", 1);
        pairs
    }

    #[test]
    fn pairs_are_taken_over_byte_by_byte_except_those_refused() {
        let (count, bytes) = {
            let pairs = some_pairs();
            (pairs.count, pairs.bytes)
        };
        let all = NewPairs::taken_over(&bytes, |_| true);
        assert_eq!(all.encoded(), (count, &bytes[..]));
        let [of_a, of_b] =
            ["a.", "b."].map(|start| NewPairs::taken_over(&bytes, |key| key.starts_with(start)));
        assert_eq!((of_a.count, of_b.count), (5, 4));
        assert_eq!(of_a.bytes.len() + of_b.bytes.len(), bytes.len());
        let again = NewPairs::taken_over(&of_b.bytes, |key| key == "b.arrays");
        assert_eq!(again.count, 1);
    }

    #[test]
    fn a_walk_over_cut_pairs_ends() {
        let bytes = some_pairs().bytes;
        for len in 0..bytes.len() {
            assert!(NewPairs::taken_over(&bytes[..len], |_| true).count < some_pairs().count);
        }
    }
}
