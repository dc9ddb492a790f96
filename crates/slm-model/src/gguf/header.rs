//! Parser of the header of an untrusted GGUF file.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use super::error::GgufError;
use super::metadata::{Metadata, MetadataValue};
use super::tensor_type::{TensorType, type_name};
use crate::weight_file::WeightFile;

/// Maximum header size; a larger one is hostile or broken: 250,000 tokens with merges need 15 MB.
const MAX_HEADER_BYTES: u64 = 64 << 20;
/// Maximum number of elements of all arrays together: 260,000 tokens with their types, scores and merges have 1.3
/// million. A short string takes 56 bytes of memory, so a header's arrays take at most 120 MB more than its length.
const MAX_ELEMENTS: usize = 1 << 21;
/// Maximum number of tensors, and of metadata pairs: large models have 1,000 tensors and 100 pairs.
const MAX_ENTRIES: usize = 1 << 16;
/// ggml's own limit.
const MAX_DIMENSIONS: u32 = 4;
/// Arrays of arrays do not occur in practice; the limit prevents a stack overflow by recursion.
const MAX_ARRAY_DEPTH: usize = 4;
const DEFAULT_ALIGNMENT: u64 = 32;

/// Position of a tensor in its file, and its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorInfo {
    /// Dimensions, outermost first: the reverse of their order in the file.
    pub shape: Vec<usize>,
    /// The type of the packed values.
    pub kind: TensorType,
    /// Position of the first byte, from the start of the file.
    pub(super) offset: u64,
}

impl TensorInfo {
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Size of the packed values in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.len() / self.kind.block_len()) as u64 * self.kind.block_bytes() as u64
    }
}

/// Metadata by key.
pub(super) type Pairs = BTreeMap<String, MetadataValue>;
/// Tensors by name.
pub(super) type Tensors = BTreeMap<String, TensorInfo>;

/// Reads and checks the header of `file` before any other read. Also returns the byte range of the pairs.
pub(super) fn read(file: &WeightFile) -> Result<(Pairs, Tensors, Range<u64>), GgufError> {
    Header {
        path: file.path(),
        file_len: file.len(),
        position: 0,
        elements_left: MAX_ELEMENTS,
        stream: file.stream(),
    }
    .read()
}

/// Parser state: a stream, the position in it, and the length it cannot exceed.
struct Header<'a, R> {
    path: &'a Path,
    file_len: u64,
    position: u64,
    /// Remaining elements out of [`MAX_ELEMENTS`].
    elements_left: usize,
    stream: R,
}

impl<R: Read> Header<'_, R> {
    fn read(&mut self) -> Result<(Pairs, Tensors, Range<u64>), GgufError> {
        self.check_magic()?;
        // Minimum sizes: a tensor has a name length, a number of dimensions, a type and an offset; a pair has a key
        // length, a type and a byte.
        let tensor_count = self.count("tensors", 8 + 4 + 4 + 8)?;
        let pair_count = self.count("metadata pairs", 8 + 4 + 1)?;
        for (what, count) in [("tensors", tensor_count), ("metadata pairs", pair_count)] {
            if count > MAX_ENTRIES {
                let what = format!("{count} {what}, expected at most {MAX_ENTRIES}");
                return Err(self.corrupt(what));
            }
        }

        let pairs_start = self.position;
        let mut pairs = Pairs::new();
        for _ in 0..pair_count {
            let key = self.string("a metadata key")?;
            let kind = self.u32("a metadata type")?;
            let value = self.value(kind, &key, 0)?;
            if pairs.contains_key(&key) {
                return Err(self.corrupt(format!("metadata key `{key}` occurs twice")));
            }
            pairs.insert(key, value);
        }

        let pairs_at = pairs_start..self.position;
        let mut tensors = Tensors::new();
        for _ in 0..tensor_count {
            let name = self.string("a tensor's name")?;
            let info = self.tensor_info(&name)?;
            if tensors.contains_key(&name) {
                return Err(self.corrupt(format!("tensor `{name}` occurs twice")));
            }
            tensors.insert(name, info);
        }
        self.place_tensors(&pairs, &mut tensors)?;
        Ok((pairs, tensors, pairs_at))
    }

    fn check_magic(&mut self) -> Result<(), GgufError> {
        let mut magic = Vec::new();
        self.stream
            .by_ref()
            .take(4)
            .read_to_end(&mut magic)
            .map_err(|source| self.io_error(source))?;
        self.position = magic.len() as u64;
        if magic != b"GGUF" {
            return Err(GgufError::NotGguf {
                path: self.path.to_owned(),
                found: format!("`{}`", magic.escape_ascii()),
            });
        }
        let version = self.u32("the version")?;
        if version != 0 && version.trailing_zeros() >= 16 {
            return Err(GgufError::BigEndian {
                path: self.path.to_owned(),
            });
        }
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version {
                path: self.path.to_owned(),
                found: version,
            });
        }
        Ok(())
    }

    /// Reads a tensor's entry; its offset is still relative to the start of the data.
    fn tensor_info(&mut self, name: &str) -> Result<TensorInfo, GgufError> {
        let dimensions = self.u32("a number of dimensions")?;
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            let what = format!("tensor `{name}` has {dimensions} dimensions, expected 1 to 4");
            return Err(self.corrupt(what));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let dimension = self.u64("a dimension")?;
            shape.push(
                usize::try_from(dimension)
                    .ok()
                    .filter(|&d| d > 0)
                    .ok_or_else(|| {
                        self.corrupt(format!("tensor `{name}` has a dimension of {dimension}"))
                    })?,
            );
        }
        let id = self.u32("a tensor's type")?;
        let kind = TensorType::from_id(id).ok_or_else(|| GgufError::UnsupportedType {
            path: self.path.to_owned(),
            tensor: name.to_owned(),
            kind: type_name(id),
        })?;
        let row = shape[0];
        if !row.is_multiple_of(kind.block_len()) {
            return Err(self.corrupt(format!(
                "tensor `{name}` has rows of {row} values, expected whole blocks of {}",
                kind.block_len()
            )));
        }
        shape.reverse();
        // A block packs at most 8 values per byte, so no valid tensor has more of them.
        let len = shape
            .iter()
            .try_fold(1_u64, |n, &d| n.checked_mul(d as u64));
        if len.is_none_or(|len| len / 8 > self.file_len) {
            return Err(GgufError::Truncated {
                path: self.path.to_owned(),
                what: format!("tensor `{name}` of shape {shape:?}"),
                expected: (shape.iter())
                    .fold(1_u128, |n, &d| n.saturating_mul(d as u128))
                    .saturating_mul(kind.block_bytes() as u128)
                    / kind.block_len() as u128,
                found: self.file_len,
            });
        }
        Ok(TensorInfo {
            shape,
            kind,
            offset: self.u64("a tensor's offset")?,
        })
    }

    /// Converts the tensors' offsets to positions in the file, and checks that they are aligned, do not overlap, and
    /// end before the end of the file.
    fn place_tensors(&self, pairs: &Pairs, tensors: &mut Tensors) -> Result<(), GgufError> {
        let metadata = Metadata {
            path: self.path,
            pairs,
        };
        let alignment = metadata
            .unsigned::<u32>("general.alignment")?
            .map_or(DEFAULT_ALIGNMENT, u64::from);
        if !alignment.is_power_of_two() {
            let what = format!("general.alignment is {alignment}, expected a power of two");
            return Err(self.corrupt(what));
        }
        let data_start = self.position.next_multiple_of(alignment);
        for (name, info) in &mut *tensors {
            if !info.offset.is_multiple_of(alignment) {
                return Err(self.corrupt(format!(
                    "tensor `{name}` is at offset {}, expected a multiple of {alignment}",
                    info.offset
                )));
            }
            let end = u128::from(data_start) + u128::from(info.offset) + u128::from(info.bytes());
            if end > u128::from(self.file_len) {
                return Err(GgufError::Truncated {
                    path: self.path.to_owned(),
                    what: format!("tensor `{name}`"),
                    expected: end,
                    found: self.file_len,
                });
            }
            info.offset += data_start;
        }
        let mut by_offset: Vec<_> = tensors.iter().collect();
        by_offset.sort_by_key(|(_, info)| info.offset);
        for pair in by_offset.windows(2) {
            let ((first, a), (second, b)) = (pair[0], pair[1]);
            if a.offset + a.bytes() > b.offset {
                return Err(self.corrupt(format!("tensors `{first}` and `{second}` overlap")));
            }
        }
        Ok(())
    }

    fn value(&mut self, kind: u32, key: &str, depth: usize) -> Result<MetadataValue, GgufError> {
        const STRING: u32 = 8;
        const ARRAY: u32 = 9;
        match kind {
            STRING => Ok(MetadataValue::String(self.string(key)?)),
            ARRAY if depth < MAX_ARRAY_DEPTH => self.array(key, depth),
            ARRAY => Err(self.corrupt(format!("metadata key `{key}` nests arrays too deep"))),
            _ => Ok(match self.scalar(kind, key)? {
                Scalar::Integer(number) => MetadataValue::Integer(number),
                Scalar::Float(number) => MetadataValue::Float(number),
                Scalar::Bool(flag) => MetadataValue::Bool(flag),
            }),
        }
    }

    fn array(&mut self, key: &str, depth: usize) -> Result<MetadataValue, GgufError> {
        let kind = self.u32(key)?;
        let bytes = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => 4 + 8,
            _ => return Err(self.unknown_type(kind, key)),
        };
        let count = self.count(key, bytes)?;
        let Some(left) = self.elements_left.checked_sub(count) else {
            let what = format!("metadata key `{key}`: arrays of more than {MAX_ELEMENTS} elements");
            return Err(self.corrupt(what));
        };
        self.elements_left = left;
        // Without reserved capacity, memory grows only with bytes that are really in the file.
        match kind {
            6 | 12 => (0..count)
                .map(|_| match self.scalar(kind, key)? {
                    Scalar::Float(number) => Ok(number),
                    _ => Err(self.unknown_type(kind, key)),
                })
                .collect::<Result<_, _>>()
                .map(MetadataValue::Floats),
            8 => (0..count)
                .map(|_| self.string(key))
                .collect::<Result<_, _>>()
                .map(MetadataValue::Strings),
            9 => (0..count)
                .map(|_| self.value(kind, key, depth + 1))
                .collect::<Result<_, _>>()
                .map(MetadataValue::Arrays),
            _ => (0..count)
                .map(|_| match self.scalar(kind, key)? {
                    Scalar::Integer(number) => i64::try_from(number)
                        .map_err(|_| self.corrupt(format!("metadata key `{key}` holds {number}"))),
                    Scalar::Bool(flag) => Ok(i64::from(flag)),
                    Scalar::Float(_) => Err(self.unknown_type(kind, key)),
                })
                .collect::<Result<_, _>>()
                .map(MetadataValue::Integers),
        }
    }

    fn scalar(&mut self, kind: u32, key: &str) -> Result<Scalar, GgufError> {
        Ok(match kind {
            0 => Scalar::Integer(u8::from_le_bytes(self.array_of(key)?).into()),
            1 => Scalar::Integer(i8::from_le_bytes(self.array_of(key)?).into()),
            2 => Scalar::Integer(u16::from_le_bytes(self.array_of(key)?).into()),
            3 => Scalar::Integer(i16::from_le_bytes(self.array_of(key)?).into()),
            4 => Scalar::Integer(u32::from_le_bytes(self.array_of(key)?).into()),
            5 => Scalar::Integer(i32::from_le_bytes(self.array_of(key)?).into()),
            6 => Scalar::Float(f32::from_le_bytes(self.array_of(key)?).into()),
            7 => match self.array_of::<1>(key)? {
                [0] => Scalar::Bool(false),
                [1] => Scalar::Bool(true),
                [byte] => {
                    let what = format!("metadata key `{key}` holds the boolean {byte}");
                    return Err(self.corrupt(what));
                }
            },
            10 => Scalar::Integer(u64::from_le_bytes(self.array_of(key)?).into()),
            11 => Scalar::Integer(i64::from_le_bytes(self.array_of(key)?).into()),
            12 => Scalar::Float(f64::from_le_bytes(self.array_of(key)?)),
            _ => return Err(self.unknown_type(kind, key)),
        })
    }

    fn string(&mut self, what: &str) -> Result<String, GgufError> {
        let len = self.count(what, 1)?;
        let mut bytes = vec![0; len];
        self.fill(&mut bytes, what)?;
        String::from_utf8(bytes).map_err(|_| self.corrupt(format!("{what} is not UTF-8 text")))
    }

    /// Reads a count of items of at least `bytes_each` bytes, and checks it against the remaining bytes.
    fn count(&mut self, what: &str, bytes_each: u64) -> Result<usize, GgufError> {
        let count = self.u64(what)?;
        let expected = u128::from(self.position) + u128::from(count) * u128::from(bytes_each);
        if expected > u128::from(self.file_len) {
            return Err(GgufError::Truncated {
                path: self.path.to_owned(),
                what: format!("{what} ({count} of them)"),
                expected,
                found: self.file_len,
            });
        }
        if expected > u128::from(MAX_HEADER_BYTES) {
            let what = format!("{what}: a header of more than {MAX_HEADER_BYTES} bytes");
            return Err(self.corrupt(what));
        }
        Ok(count as usize)
    }

    fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array_of(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array_of(what)?))
    }

    fn array_of<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8], what: &str) -> Result<(), GgufError> {
        let end = self.position + bytes.len() as u64;
        match self.stream.read_exact(bytes) {
            Ok(()) => {
                self.position = end;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(GgufError::Truncated {
                    path: self.path.to_owned(),
                    what: format!("the header ({what})"),
                    expected: u128::from(end),
                    found: self.file_len,
                })
            }
            Err(source) => Err(self.io_error(source)),
        }
    }

    fn unknown_type(&self, kind: u32, key: &str) -> GgufError {
        self.corrupt(format!("metadata key `{key}` is of unknown type {kind}"))
    }

    fn corrupt(&self, what: String) -> GgufError {
        GgufError::Corrupt {
            path: self.path.to_owned(),
            what,
        }
    }

    fn io_error(&self, source: io::Error) -> GgufError {
        GgufError::Io {
            path: self.path.to_owned(),
            source,
        }
    }
}

enum Scalar {
    Integer(i128),
    Float(f64),
    Bool(bool),
}

#[cfg(test)]
mod tests;
