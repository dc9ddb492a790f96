//! Writer of the header of a GGUF file.

use std::io::{self, Write};

use super::tensor_type::TensorType;

/// Alignment of every tensor's data in bytes, unless the metadata contain another one.
pub(crate) const ALIGNMENT: usize = 32;

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
pub(crate) fn write_header(
    out: &mut impl Write,
    (n_pairs, pairs): (usize, &[u8]),
    tensors: &[NewTensor],
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
