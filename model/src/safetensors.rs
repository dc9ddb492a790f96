//! Safetensors files, single or sharded with an index, read tensor by tensor.
//!
//! The `safetensors` crate parses the header and checks that the tensors tile the data without gap or
//! overlap; the data are read by offset, so a file is never held in memory as a whole.
//!
//! # Source
//! The format: <https://github.com/huggingface/safetensors#format>

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use ::safetensors::Dtype;
use ::safetensors::tensor::{Metadata, TensorInfo};
use half::{bf16, f16};
use rayon::prelude::*;
use serde::Deserialize;
use thiserror::Error;

use crate::weight_file::{HostTensor, WeightFile, read_bounded};

/// Above this a header is taken for a hostile or broken one: 1,000 tensors need 100 kB. The format allows 100 MB, of
/// which the names alone would take several times that in memory.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// The same for an index, of which 1,000 tensors need as much.
const MAX_INDEX_BYTES: u64 = 16 << 20;
/// Values that one thread reads and widens at a time.
const CHUNK_VALUES: usize = 1 << 16;

/// What to do about weights that another program has quantised.
const QUANTISED_HINT: &str = "\nhint: such weights are quantised; take the repository of the unquantised model, and \
                              hold it as narrow with `model.quantization: q4`";

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// What is wrong with a safetensors file, or with what was asked of it.
#[derive(Debug, Error)]
pub enum SafetensorsError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// The file ends before what its header promises.
    #[error("{}: truncated: {what} needs {expected} bytes, found {found}\nhint: download it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What lies beyond the end.
        what: &'static str,
        /// The length that the file must have.
        expected: u64,
        /// The length that it has.
        found: u64,
    },
    /// The header or the index makes no sense.
    #[error("{}: corrupt: {what}\nhint: download it again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What makes no sense.
        what: String,
    },
    /// A folder without weights in this format.
    #[error("{}: neither {SINGLE} nor {INDEX} is there{hint}", path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
        /// What to do, if weights in another format are there.
        hint: &'static str,
    },
    /// A shard that the index names is not there.
    #[error("{}: shard is missing; {INDEX} says it holds `{tensor}`\nhint: download the folder again", path.display())]
    MissingShard {
        /// Where the shard should be.
        path: PathBuf,
        /// A tensor in it.
        tensor: String,
    },
    /// No tensor of that name.
    #[error("{}: tensor `{tensor}` is missing", path.display())]
    MissingTensor {
        /// The file or folder.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// Values of a type that is no floating-point number of 16 or 32 bits.
    #[error("{}: tensor `{tensor}` is of type {dtype}, expected F32, F16 or BF16{hint}", path.display())]
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
        /// What to do, if the type is one that quantised weights have.
        hint: &'static str,
    },
}

/// One open safetensors file.
#[derive(Debug)]
pub(crate) struct SafetensorsFile {
    file: WeightFile,
    header: Metadata,
    data_start: u64,
}

impl SafetensorsFile {
    /// Reads and checks the header of the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, SafetensorsError> {
        let io_error = |source| SafetensorsError::Io {
            path: path.to_owned(),
            source,
        };
        let truncated = |what, expected, found| SafetensorsError::Truncated {
            path: path.to_owned(),
            what,
            expected,
            found,
        };
        let corrupt = |what: String| SafetensorsError::Corrupt {
            path: path.to_owned(),
            what,
        };
        let file = WeightFile::open(path).map_err(io_error)?;
        if file.len() < 8 {
            return Err(truncated("the length of the header", 8, file.len()));
        }
        let mut length = [0; 8];
        file.read_exact_at(&mut length, 0).map_err(io_error)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER_BYTES {
            let beginning = file.beginning().map_err(io_error)?;
            return Err(corrupt(format!(
                "a header of {length} bytes, expected at most {MAX_HEADER_BYTES}; the file begins with `{beginning}`"
            )));
        }
        let data_start = 8 + length;
        if data_start > file.len() {
            return Err(truncated("the header", data_start, file.len()));
        }
        let mut header = vec![0; length as usize];
        file.read_exact_at(&mut header, 8).map_err(io_error)?;
        let header: Metadata =
            serde_json::from_slice(&header).map_err(|error| corrupt(format!("header: {error}")))?;
        let expected = data_start.saturating_add(header.data_len() as u64);
        if expected > file.len() {
            return Err(truncated("the data", expected, file.len()));
        }
        if expected < file.len() {
            let extra = file.len() - expected;
            return Err(corrupt(format!("{extra} bytes after the last tensor")));
        }
        Ok(Self {
            file,
            header,
            data_start,
        })
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The names of all tensors, in the order of their data.
    pub(crate) fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// The shape of the tensor called `name`.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| info.shape.as_slice())
    }

    /// Checks that the tensor called `name` is there and of a type that can be read, and gives its shape.
    pub(crate) fn readable_shape(&self, name: &str) -> Result<&[usize], SafetensorsError> {
        let (info, _) = self.readable(name)?;
        Ok(&info.shape)
    }

    /// What the header says of a tensor, and how its values are read.
    fn readable(&self, name: &str) -> Result<(&TensorInfo, (usize, Widen)), SafetensorsError> {
        let path = || self.path().to_owned();
        let info = self
            .header
            .info(name)
            .ok_or_else(|| SafetensorsError::MissingTensor {
                path: path(),
                tensor: name.to_owned(),
            })?;
        let widening = widening(info.dtype).ok_or_else(|| SafetensorsError::UnsupportedType {
            path: path(),
            tensor: name.to_owned(),
            dtype: format!("{:?}", info.dtype),
            hint: if matches!(info.dtype, Dtype::F64 | Dtype::I64 | Dtype::BOOL) {
                ""
            } else {
                QUANTISED_HINT
            },
        })?;
        Ok((info, widening))
    }

    /// Reads the tensor called `name` and widens it to single precision.
    pub(crate) fn tensor(&self, name: &str) -> Result<HostTensor, SafetensorsError> {
        let (info, _) = self.readable(name)?;
        let mut values = vec![0.0; info.shape.iter().product()];
        values
            .par_chunks_mut(CHUNK_VALUES)
            .enumerate()
            .try_for_each_init(Vec::new, |packed, (i, values)| {
                self.read_values(name, i * CHUNK_VALUES, packed, values)
            })?;
        Ok(HostTensor {
            shape: info.shape.clone(),
            values,
        })
    }

    /// Reads values of the tensor called `name` from place `first` on; as many as there is room for must follow.
    /// `packed` is for the bytes.
    fn read_values(
        &self,
        name: &str,
        first: usize,
        packed: &mut Vec<u8>,
        values: &mut [f32],
    ) -> Result<(), SafetensorsError> {
        let (info, (width, widen)) = self.readable(name)?;
        let start = self.data_start + (info.data_offsets.0 + first * width) as u64;
        packed.resize(values.len() * width, 0);
        let read = self.file.read_exact_at(packed, start);
        read.map_err(|source| SafetensorsError::Io {
            path: self.path().to_owned(),
            source,
        })?;
        for (value, bytes) in values.iter_mut().zip(packed.chunks_exact(width)) {
            *value = widen(bytes);
        }
        Ok(())
    }
}

/// Makes one stored value a number in single precision.
type Widen = fn(&[u8]) -> f32;

/// Bytes of a value and its conversion to single precision; `None` for what is no supported number.
fn widening(dtype: Dtype) -> Option<(usize, Widen)> {
    fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
        *bytes.first_chunk().expect("a whole value")
    }
    match dtype {
        Dtype::F32 => Some((4, |bytes| f32::from_le_bytes(first(bytes)))),
        Dtype::F16 => Some((2, |bytes| f16::from_le_bytes(first(bytes)).to_f32())),
        Dtype::BF16 => Some((2, |bytes| bf16::from_le_bytes(first(bytes)).to_f32())),
        _ => None,
    }
}

/// The weights of a Hugging Face folder: one file, or shards that an index names.
#[derive(Debug)]
pub(crate) struct SafetensorsFolder {
    path: PathBuf,
    files: Vec<SafetensorsFile>,
    /// Which of `files` holds a tensor.
    homes: BTreeMap<String, usize>,
}

/// `model.safetensors.index.json`, as far as it is read.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl SafetensorsFolder {
    /// Opens every file of the weights in the folder `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, SafetensorsError> {
        if path.join(INDEX).is_file() {
            return Self::open_sharded(path);
        }
        if !path.join(SINGLE).is_file() {
            let pickled = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
            let hint = if pickled.iter().any(|name| path.join(name).is_file()) {
                "\nhint: pytorch_model.bin is a pickle file, which is not read; save the model as safetensors, as \
                 `save_pretrained` of transformers does"
            } else {
                ""
            };
            return Err(SafetensorsError::NoWeights {
                path: path.to_owned(),
                hint,
            });
        }
        let file = SafetensorsFile::open(&path.join(SINGLE))?;
        Ok(Self {
            path: path.to_owned(),
            homes: file.names().into_iter().map(|name| (name, 0)).collect(),
            files: vec![file],
        })
    }

    /// A folder of which no weights are read.
    pub(crate) fn without_weights(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            files: Vec::new(),
            homes: BTreeMap::new(),
        }
    }

    fn open_sharded(path: &Path) -> Result<Self, SafetensorsError> {
        let index_path = path.join(INDEX);
        let corrupt = |what: String| SafetensorsError::Corrupt {
            path: index_path.clone(),
            what,
        };
        let text =
            read_bounded(&index_path, MAX_INDEX_BYTES).map_err(|source| SafetensorsError::Io {
                path: index_path.clone(),
                source,
            })?;
        let index: Index =
            serde_json::from_slice(&text).map_err(|error| corrupt(error.to_string()))?;
        let mut files: Vec<SafetensorsFile> = Vec::new();
        let mut file_ids: BTreeMap<String, usize> = BTreeMap::new();
        let mut homes = BTreeMap::new();
        for (tensor, shard) in index.weight_map {
            let id = if let Some(&id) = file_ids.get(&shard) {
                id
            } else {
                // The index comes from outside: it must not name files elsewhere.
                if Path::new(&shard).file_name() != Some(shard.as_ref()) {
                    return Err(corrupt(format!("`{shard}` is no plain file name")));
                }
                let shard_path = path.join(&shard);
                if !shard_path.is_file() {
                    return Err(SafetensorsError::MissingShard {
                        path: shard_path,
                        tensor,
                    });
                }
                files.push(SafetensorsFile::open(&shard_path)?);
                file_ids.insert(shard, files.len() - 1);
                files.len() - 1
            };
            if files[id].shape(&tensor).is_none() {
                return Err(SafetensorsError::MissingTensor {
                    path: files[id].path().to_owned(),
                    tensor,
                });
            }
            homes.insert(tensor, id);
        }
        Ok(Self {
            path: path.to_owned(),
            files,
            homes,
        })
    }

    /// The names of all tensors, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.homes.keys().map(String::as_str)
    }

    /// The files that hold the weights.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(SafetensorsFile::path)
    }

    /// The shape of the tensor called `name`.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.files[*self.homes.get(name)?].shape(name)
    }

    /// As [`SafetensorsFile::readable_shape`].
    pub(crate) fn readable_shape(&self, name: &str) -> Result<&[usize], SafetensorsError> {
        self.home(name)?.readable_shape(name)
    }

    /// Reads the tensor called `name` and widens it to single precision.
    pub(crate) fn tensor(&self, name: &str) -> Result<HostTensor, SafetensorsError> {
        self.home(name)?.tensor(name)
    }

    /// Whether two tensors hold the same numbers. Stops at the first part that differs.
    pub(crate) fn hold_the_same(&self, a: &str, b: &str) -> Result<bool, SafetensorsError> {
        let (files, names) = ([self.home(a)?, self.home(b)?], [a, b]);
        if files[0].readable_shape(a)? != files[1].readable_shape(b)? {
            return Ok(false);
        }
        let len: usize = files[0].readable_shape(a)?.iter().product();
        let (mut parts, mut packed) = ([Vec::new(), Vec::new()], Vec::new());
        for start in (0..len).step_by(CHUNK_VALUES) {
            let n = CHUNK_VALUES.min(len - start);
            for ((file, name), part) in files.iter().zip(names).zip(&mut parts) {
                part.resize(n, 0.0);
                file.read_values(name, start, &mut packed, part)?;
            }
            if parts[0] != parts[1] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The file that holds a tensor.
    fn home(&self, name: &str) -> Result<&SafetensorsFile, SafetensorsError> {
        match self.homes.get(name) {
            Some(&id) => Ok(&self.files[id]),
            None => Err(SafetensorsError::MissingTensor {
                path: self.path.clone(),
                tensor: name.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::mutants;

    /// A file with one tensor `w` of `dtype` and shape `[2]`, made of `data`.
    fn bytes_of(dtype: &str, data: &[u8]) -> Vec<u8> {
        let header = format!(
            r#"{{"w":{{"dtype":"{dtype}","shape":[2],"data_offsets":[0,{}]}}}}"#,
            data.len()
        );
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    fn open(bytes: &[u8]) -> Result<(tempfile::TempDir, SafetensorsFile), SafetensorsError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(SINGLE);
        std::fs::write(&path, bytes).expect("writable");
        SafetensorsFile::open(&path).map(|file| (folder, file))
    }

    fn message(bytes: &[u8]) -> String {
        open(bytes)
            .map(|_| ())
            .expect_err("must be refused")
            .to_string()
    }

    #[test]
    fn all_three_number_types_widen_to_single_precision() {
        let single: Vec<u8> = [1.5_f32, -2.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let half: Vec<u8> = [1.5, -2.0]
            .iter()
            .flat_map(|&v| f16::from_f32(v).to_le_bytes())
            .collect();
        let brain: Vec<u8> = [1.5, -2.0]
            .iter()
            .flat_map(|&v| bf16::from_f32(v).to_le_bytes())
            .collect();
        for (dtype, data) in [("F32", single), ("F16", half), ("BF16", brain)] {
            let (_folder, file) = open(&bytes_of(dtype, &data)).expect("valid");
            let tensor = file.tensor("w").expect("readable");
            assert_eq!(
                (tensor.shape, tensor.values),
                (vec![2], vec![1.5, -2.0]),
                "{dtype}"
            );
        }
    }

    #[test]
    fn other_number_types_are_named() {
        let (_folder, file) = open(&bytes_of("I64", &[0; 16])).expect("a valid file");
        let error = file.tensor("w").expect_err("unsupported").to_string();
        assert!(error.contains("`w`") && error.contains("I64"), "{error}");
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_that_says_how_long_it_should_be() {
        let bytes = bytes_of("F32", &[0; 8]);
        for len in 0..bytes.len() {
            assert!(message(&bytes[..len]).contains("truncated"), "cut at {len}");
        }
        assert!(message(&bytes[..bytes.len() - 1]).contains(&format!(
            "needs {} bytes, found {}",
            bytes.len(),
            bytes.len() - 1
        )));
    }

    /// A file of a few tensors, of which one is empty.
    fn some_tensors() -> Vec<u8> {
        let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
            "b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"c":{"dtype":"F16","shape":[0,7],"data_offsets":[32,32]},
            "d":{"dtype":"U8","shape":[],"data_offsets":[32,33]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend([0x3c; 33]);
        bytes
    }

    #[test]
    fn mutated_files_end_in_an_error_or_tensors_but_never_in_a_panic() {
        let whole = some_tensors();
        open(&whole).expect("valid as a whole");
        let mut accepted = 0;
        for bytes in mutants(&whole, 11, 1_500) {
            let Ok((_folder, file)) = open(&bytes) else {
                continue;
            };
            accepted += 1;
            for name in file.names() {
                if let Ok(tensor) = file.tensor(&name) {
                    let len: usize = tensor.shape.iter().product();
                    assert_eq!(tensor.values.len(), len);
                    assert!(2 * len <= bytes.len(), "no more values than bytes");
                }
            }
        }
        assert!(accepted > 50, "{accepted} mutants were accepted");
    }

    #[test]
    fn hostile_headers_are_refused_before_memory_is_taken() {
        let with_header = |header: &str, data: usize| {
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend_from_slice(header.as_bytes());
            bytes.resize(bytes.len() + data, 0);
            bytes
        };
        let tensor = |shape: &str, offsets: &str| {
            format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}"#)
        };
        let (max, deep) = (u64::MAX.to_string(), "[".repeat(100_000));
        for (header, data) in [
            (
                format!(r#"{{"w":{}}}"#, tensor(&format!("[{max},{max}]"), "[0,8]")),
                8,
            ),
            (
                format!(r#"{{"w":{}}}"#, tensor("[4611686018427387904,4]", "[0,0]")),
                0,
            ),
            (
                format!(r#"{{"w":{}}}"#, tensor("[2]", &format!("[{max},{max}]"))),
                8,
            ),
            (format!(r#"{{"w":{}}}"#, tensor("[2]", "[8,0]")), 8),
            // Two tensors that overlap, and one that begins after a gap.
            (format!(r#"{{"v":{0},"w":{0}}}"#, tensor("[2]", "[0,8]")), 8),
            (
                format!(
                    r#"{{"v":{},"w":{}}}"#,
                    tensor("[2]", "[0,8]"),
                    tensor("[2]", "[4,12]")
                ),
                12,
            ),
            (format!(r#"{{"w":{}}}"#, tensor("[2]", "[8,16]")), 16),
            (format!(r#"{{"w":{deep}"#), 8),
            (format!(r#"{{"__metadata__":{deep}"#), 8),
        ] {
            let message = message(&with_header(&header, data));
            assert!(
                message.contains("corrupt") && message.len() < 1_000,
                "{message}"
            );
        }
        // A name that comes twice stands for its last entry, as in Python.
        let twice = format!(
            r#"{{"w":{},"w":{}}}"#,
            tensor("[9]", "[0,36]"),
            tensor("[2]", "[0,8]")
        );
        let (_folder, file) = open(&with_header(&twice, 8)).expect("valid");
        assert_eq!(file.shape("w"), Some(&[2][..]));
    }

    #[test]
    fn what_is_no_safetensors_file_says_what_it_is_instead() {
        let pointer =
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n";
        let text = message(pointer.as_bytes());
        assert!(
            text.contains("a git-lfs pointer") && text.contains("hint: run `git lfs pull`"),
            "{text}"
        );
        let page = message(b"<!DOCTYPE html><html><body>404</body></html>");
        assert!(page.contains("begins with `<!DOCTYPE ht`"), "{page}");
    }

    #[test]
    fn corrupt_headers_are_refused() {
        let mut longer = bytes_of("F32", &[0; 8]);
        longer.push(0);
        assert!(message(&longer).contains("1 bytes after the last tensor"));
        assert!(message(&[0xff; 64]).contains("a header of"));
        assert!(message(&bytes_of("F32", &[0; 12])).contains("corrupt"));
        let mut garbled = bytes_of("F32", &[0; 8]);
        garbled[8] = b'?';
        assert!(message(&garbled).contains("corrupt"));
    }

    fn folder_with_index(
        index: &str,
    ) -> (
        tempfile::TempDir,
        Result<SafetensorsFolder, SafetensorsError>,
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(INDEX), index).expect("writable");
        std::fs::write(
            folder.path().join("a.safetensors"),
            bytes_of("F32", &[0; 8]),
        )
        .expect("writable");
        let opened = SafetensorsFolder::open(folder.path());
        (folder, opened)
    }

    #[test]
    fn an_index_leads_to_the_shard_that_holds_a_tensor() {
        let (_folder, opened) = folder_with_index(r#"{"weight_map": {"w": "a.safetensors"}}"#);
        let opened = opened.expect("valid");
        assert_eq!(opened.tensor("w").expect("readable").values, [0.0; 2]);
        let error = opened.tensor("v").expect_err("no such tensor").to_string();
        assert!(error.contains("`v` is missing"), "{error}");
    }

    #[test]
    fn mistakes_in_an_index_are_named() {
        for (index, expected) in [
            (
                r#"{"weight_map": {"w": "b.safetensors"}}"#,
                "shard is missing",
            ),
            (
                r#"{"weight_map": {"v": "a.safetensors"}}"#,
                "tensor `v` is missing",
            ),
            (
                r#"{"weight_map": {"w": "../a.safetensors"}}"#,
                "no plain file name",
            ),
            (r#"{"weights": {}}"#, "weight_map"),
        ] {
            let (_folder, opened) = folder_with_index(index);
            let error = opened.expect_err("must be refused").to_string();
            assert!(error.contains(expected), "{index}: {error}");
        }
    }

    #[test]
    fn a_folder_without_weights_is_an_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = SafetensorsFolder::open(folder.path())
            .expect_err("empty")
            .to_string();
        assert!(error.contains("model.safetensors"), "{error}");
        std::fs::write(folder.path().join("pytorch_model.bin"), "").expect("writable");
        let error = SafetensorsFolder::open(folder.path())
            .expect_err("pickled")
            .to_string();
        assert!(error.contains("hint: pytorch_model.bin"), "{error}");
    }
}
