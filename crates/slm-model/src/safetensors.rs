//! Safetensors files, single or sharded with an index, read tensor by tensor.
//!
//! The `safetensors` crate parses the header and checks that the tensors cover the data without gap or
//! overlap; the data are read by offset, so a file is never in memory as a whole.
//!
//! # Source
//! The format: <https://github.com/huggingface/safetensors#format>

mod folder;
mod fp8;

use std::io;
use std::path::{Path, PathBuf};

use ::safetensors::Dtype;
use ::safetensors::tensor::{Metadata, TensorInfo};
use half::{bf16, f16};
use rayon::prelude::*;
use thiserror::Error;

use crate::weight_file::{HostTensor, WeightFile};
pub(crate) use folder::SafetensorsFolder;

/// Maximum header size; a larger one is hostile or broken: 1,000 tensors need 100 kB. The format allows 100 MB, which
/// may take fifteen times as much memory.
const MAX_HEADER_BYTES: u64 = 4 << 20;
/// Values that one thread reads and converts at a time.
const CHUNK_VALUES: usize = 1 << 16;

/// Hint for weights that were quantised by another program.
const QUANTISED_HINT: &str = "\nhint: such weights are quantised; use the repository of the unquantised model, and \
                              quantise it on load with `model.quantization: q4`";

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// An invalid safetensors file, or an impossible request to one.
#[derive(Debug, Error)]
pub enum SafetensorsError {
    /// A system call failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is shorter than its header requires.
    #[error("{}: truncated: {what} needs {expected} bytes, found {found}\nhint: download it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The part beyond the end of the file.
        what: &'static str,
        /// The required length of the file in bytes.
        expected: u64,
        /// The actual length in bytes.
        found: u64,
    },
    /// The header or the index is inconsistent.
    #[error("{}: corrupt: {what}\nhint: download it again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The inconsistency.
        what: String,
    },
    /// A folder without weights in this format.
    #[error("{}: neither {SINGLE} nor {INDEX} exists{hint}", path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
        /// The hint, if there are weights in another format.
        hint: &'static str,
    },
    /// A shard in the index is missing.
    #[error("{}: shard is missing; {INDEX} lists it for `{tensor}`\nhint: download the folder again", path.display())]
    MissingShard {
        /// The expected path of the shard.
        path: PathBuf,
        /// A tensor listed for it.
        tensor: String,
    },
    /// There is no tensor of that name.
    #[error("{}: tensor `{tensor}` is missing", path.display())]
    MissingTensor {
        /// The file or folder.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// The tensor's type is not a floating-point type of 16 or 32 bits.
    #[error("{}: tensor `{tensor}` is of type {dtype}, expected F32, F16 or BF16{hint}", path.display())]
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
        /// The hint, if the type is one of quantised weights.
        hint: &'static str,
    },
}

/// An open safetensors file.
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

    /// Returns the names of all tensors, in the order of their data.
    pub(crate) fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// Returns the shape of the tensor called `name`.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| info.shape.as_slice())
    }

    /// Checks that the tensor called `name` exists and has a supported type, and returns its shape.
    pub(crate) fn readable_shape(&self, name: &str) -> Result<&[usize], SafetensorsError> {
        let (info, _) = self.readable(name)?;
        Ok(&info.shape)
    }

    /// Returns a tensor's header entry, and the width and conversion of its values.
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

    /// Reads the tensor called `name` and converts it to single precision.
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

    /// Fills `values` with those of the tensor called `name` starting at index `first`; `packed` is a buffer for their
    /// bytes.
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

/// Converts one stored value to single precision.
type Widen = fn(&[u8]) -> f32;

/// Size of a value in bytes and its conversion to single precision; `None` for unsupported types.
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

#[cfg(test)]
mod tests;
