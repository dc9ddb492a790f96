//! Parsing the header of a GGUF file, with nothing in it believed.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use super::dequantize::{self, TensorType};
use super::metadata::{Metadata, MetadataValue};
use super::reader::{GgufError, TensorInfo};
use crate::weight_file::WeightFile;

/// Above this a header is taken for a hostile or broken one: 250,000 tokens with merges need 15 MB.
const MAX_HEADER_BYTES: u64 = 64 << 20;
/// ggml's own limit.
const MAX_DIMENSIONS: u32 = 4;
/// Arrays of arrays occur nowhere in practice; a limit keeps the recursion off the stack's end.
const MAX_ARRAY_DEPTH: usize = 4;
const DEFAULT_ALIGNMENT: u64 = 32;

/// Metadata by key.
pub(super) type Pairs = BTreeMap<String, MetadataValue>;
/// Tensors by name.
pub(super) type Tensors = BTreeMap<String, TensorInfo>;

/// Reads and checks the header of `file`; to be called before any other read. Also tells where the pairs' bytes stand.
pub(super) fn read(file: &WeightFile) -> Result<(Pairs, Tensors, Range<u64>), GgufError> {
    Header {
        path: file.path(),
        file_len: file.len(),
        position: 0,
        stream: file.stream(),
    }
    .read()
}

/// The header while it is read: a stream, the position in it, and the length it cannot exceed.
struct Header<'a, R> {
    path: &'a Path,
    file_len: u64,
    position: u64,
    stream: R,
}

impl<R: Read> Header<'_, R> {
    fn read(&mut self) -> Result<(Pairs, Tensors, Range<u64>), GgufError> {
        self.check_magic()?;
        // Fewest bytes: a tensor has a name's length, a number of dimensions, a type and an offset;
        // a pair has a key's length, a type and a byte.
        let tensor_count = self.count("tensors", 8 + 4 + 4 + 8)?;
        let pair_count = self.count("metadata pairs", 8 + 4 + 1)?;

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

    /// Everything about a tensor; its offset is still the one from the start of the data.
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
            kind: dequantize::type_name(id),
        })?;
        let row = shape[0];
        if !row.is_multiple_of(kind.block_len()) {
            return Err(self.corrupt(format!(
                "tensor `{name}` has rows of {row} values, expected whole blocks of {}",
                kind.block_len()
            )));
        }
        shape.reverse();
        // A block packs at most 8 values a byte, so no honest tensor has more of them.
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

    /// Moves the tensors' offsets to where their bytes lie in the file, and checks that they lie there:
    /// aligned, apart from each other, before the end.
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
                    "tensor `{name}` lies at {}, expected a multiple of {alignment}",
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
        // No capacity is reserved: memory then grows only with bytes that were really there.
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
        String::from_utf8(bytes).map_err(|_| self.corrupt(format!("{what} is no UTF-8 text")))
    }

    /// A count of things that take at least `bytes_each`, held against the bytes that are left.
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
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::fixture::{Fixture, opened};
    use super::super::{layout, vocabulary};
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        opened(bytes)
            .map(|_| ())
            .expect_err("must be refused")
            .to_string()
    }

    /// A header with one key of `kind`, whose value is `value`.
    fn with_key(kind: u32, value: &[u8]) -> Vec<u8> {
        Fixture::new().raw_pair("k", kind, value).bytes()
    }

    /// A header with one tensor of these dimensions (in the file's order), type and offset, and 64 bytes of data.
    fn with_tensor(dimensions: &[u64], kind: u32, offset: u64) -> Vec<u8> {
        Fixture::new()
            .raw_tensor("t", dimensions, kind, offset)
            .data(64)
            .bytes()
    }

    #[test]
    fn every_metadata_type_is_read_in_versions_2_and_3() {
        for version in [2, 3] {
            let bytes = Fixture::of_version(version)
                .raw_pair("u8", 0, &[200])
                .raw_pair("i8", 1, &(-3_i8).to_le_bytes())
                .raw_pair("u16", 2, &60_000_u16.to_le_bytes())
                .raw_pair("i16", 3, &(-300_i16).to_le_bytes())
                .raw_pair("u32", 4, &4_000_000_000_u32.to_le_bytes())
                .raw_pair("i32", 5, &(-70_000_i32).to_le_bytes())
                .raw_pair("f32", 6, &0.5_f32.to_le_bytes())
                .raw_pair("bool", 7, &[1])
                .string("string", "größer")
                .raw_pair("u64", 10, &u64::MAX.to_le_bytes())
                .raw_pair("i64", 11, &i64::MIN.to_le_bytes())
                .raw_pair("f64", 12, &0.1_f64.to_le_bytes())
                .array("i16s", 3, 2, &[1, 0, 0xff, 0xff])
                .array("bools", 7, 2, &[1, 0])
                .array("f32s", 6, 1, &0.5_f32.to_le_bytes())
                .strings("strings", &["a", ""])
                .array("nested", 9, 1, &[0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 9])
                .bytes();
            let (_folder, file) = opened(&bytes).expect("valid");
            let expect = |key: &str, value: MetadataValue| {
                assert_eq!(file.metadata().pairs.get(key), Some(&value), "{key}");
            };
            expect("u8", MetadataValue::Integer(200));
            expect("i8", MetadataValue::Integer(-3));
            expect("u16", MetadataValue::Integer(60_000));
            expect("i16", MetadataValue::Integer(-300));
            expect("u32", MetadataValue::Integer(4_000_000_000));
            expect("i32", MetadataValue::Integer(-70_000));
            expect("f32", MetadataValue::Float(0.5));
            expect("bool", MetadataValue::Bool(true));
            expect("string", MetadataValue::String("größer".to_owned()));
            expect("u64", MetadataValue::Integer(i128::from(u64::MAX)));
            expect("i64", MetadataValue::Integer(i128::from(i64::MIN)));
            expect("f64", MetadataValue::Float(0.1));
            expect("i16s", MetadataValue::Integers(vec![1, -1]));
            expect("bools", MetadataValue::Integers(vec![1, 0]));
            expect("f32s", MetadataValue::Floats(vec![0.5]));
            expect(
                "strings",
                MetadataValue::Strings(vec!["a".to_owned(), String::new()]),
            );
            expect(
                "nested",
                MetadataValue::Arrays(vec![MetadataValue::Integers(vec![7, 9])]),
            );
        }
    }

    #[test]
    fn what_is_no_readable_gguf_file_says_what_it_is_instead() {
        assert!(refusal(b"<!DOCTYPE html>").contains("begins with `<!DO`"));
        assert!(refusal(b"").contains("begins with ``"));
        assert!(refusal(b"GGUF\0\0\0\x03aaaaaaaaaaaaaaaa").contains("big-endian"));
        for version in [0, 1, 4] {
            let message = refusal(&Fixture::of_version(version).bytes());
            assert!(
                message.contains(&format!("version {version}, expected 2 or 3")),
                "{message}"
            );
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_and_not_a_panic() {
        let bytes = Fixture::tiny_model().bytes();
        opened(&bytes).expect("valid as a whole");
        for len in 4..bytes.len() {
            assert!(refusal(&bytes[..len]).contains("truncated"), "cut at {len}");
        }
    }

    #[test]
    fn counts_beyond_the_file_are_refused_before_memory_is_taken() {
        let huge = u64::MAX.to_le_bytes();
        assert!(refusal(&with_key(8, &huge)).contains("truncated"));
        let array_of = |kind: u32| [&kind.to_le_bytes()[..], &huge].concat();
        for kind in 0..=12 {
            assert!(
                refusal(&with_key(9, &array_of(kind))).contains("truncated"),
                "type {kind}"
            );
        }
        let counts = |tensors: u64, pairs: u64| {
            let counts = [tensors.to_le_bytes(), pairs.to_le_bytes()].concat();
            [b"GGUF\x03\0\0\0", counts.as_slice()].concat()
        };
        assert!(refusal(&counts(u64::MAX, 0)).contains("tensors"));
        assert!(refusal(&counts(0, u64::MAX)).contains("metadata pairs"));
    }

    #[test]
    fn impossible_metadata_are_corrupt() {
        for (bytes, expected) in [
            (with_key(13, &[0; 8]), "of unknown type 13"),
            (
                with_key(9, &[13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                "of unknown type 13",
            ),
            (with_key(7, &[2]), "holds the boolean 2"),
            (with_key(8, &[1, 0, 0, 0, 0, 0, 0, 0, 0xff]), "is no UTF-8"),
            (
                Fixture::new().string("k", "").string("k", "").bytes(),
                "`k` occurs twice",
            ),
            (
                Fixture::new().integer("general.alignment", 48).bytes(),
                "a power of two",
            ),
        ] {
            assert!(refusal(&bytes).contains(expected), "{}", refusal(&bytes));
        }
        let mut deep = Vec::new();
        for _ in 0..6 {
            deep.extend([9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        }
        assert!(refusal(&with_key(9, &deep)).contains("nests arrays too deep"));
    }

    #[test]
    fn impossible_tensors_are_refused() {
        for (bytes, expected) in [
            (with_tensor(&[], 0, 0), "0 dimensions"),
            (with_tensor(&[1; 5], 0, 0), "5 dimensions"),
            (with_tensor(&[0], 0, 0), "a dimension of 0"),
            (with_tensor(&[33], 8, 0), "whole blocks of 32"),
            (with_tensor(&[4], 0, 4), "a multiple of 32"),
            (with_tensor(&[17], 0, 0), "truncated: tensor `t` needs"),
            (with_tensor(&[1], 0, u64::MAX - 31), "truncated"),
            (with_tensor(&[1 << 40, 1 << 40], 0, 0), "truncated"),
            (with_tensor(&[u64::MAX; 4], 0, 0), "truncated"),
            (with_tensor(&[256], 10, 0), "`t` is of type Q2_K"),
            (with_tensor(&[256], 77, 0), "of type number 77"),
        ] {
            assert!(
                refusal(&bytes).contains(expected),
                "{expected}: {}",
                refusal(&bytes)
            );
        }
        let two = |offset| {
            Fixture::new()
                .raw_tensor("a", &[8], 0, 0)
                .raw_tensor("b", &[8], 0, offset)
        };
        opened(&two(32).data(64).bytes()).expect("apart");
        assert!(refusal(&two(0).data(64).bytes()).contains("overlap"));
        let twice = Fixture::new()
            .raw_tensor("a", &[8], 0, 0)
            .raw_tensor("a", &[8], 0, 32)
            .data(64);
        assert!(refusal(&twice.bytes()).contains("`a` occurs twice"));
    }

    #[test]
    fn mutated_files_end_in_an_error_or_a_model_but_never_in_a_panic() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let whole = Fixture::tiny_model().bytes();
        let mut accepted = 0;
        for _ in 0..1_500 {
            let mut bytes = whole.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                match rng.random_range(0..4) {
                    0 => bytes[at] = rng.random(),
                    1 => bytes[at] ^= 1 << rng.random_range(0..8),
                    2 => bytes.truncate(at.max(1)),
                    _ => {
                        let end = bytes.len().min(at + 8);
                        bytes[at..end].fill(0xff);
                    }
                }
            }
            let Ok((_folder, file)) = opened(&bytes) else {
                continue;
            };
            accepted += 1;
            for (name, info) in file.tensors() {
                let tensor = file.tensor(name).expect("its place was checked");
                assert_eq!(tensor.values.len(), info.shape.iter().product::<usize>());
            }
            // Both may refuse; neither may panic.
            drop(layout::config_of(&file));
            if let Ok(tokenizer) = vocabulary::tokenizer_of(file.metadata()) {
                drop(tokenizer.encode("ab <s> ab", false));
            }
        }
        assert!(
            accepted > 100,
            "{accepted} mutants were accepted: the test must get past the header"
        );
    }
}
