//! An open GGUF file, and reading tensors out of it.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use thiserror::Error;

use super::codes::PackedTensor;
use super::dequantize::{self, TensorType};
use super::header::{self, Pairs, Tensors};
use super::metadata::Metadata;
use crate::weight_file::{HostTensor, WeightFile};

/// Values that one thread reads and unpacks at a time: a multiple of every block length.
const CHUNK_VALUES: usize = 1 << 16;

/// What is wrong with a GGUF file, or with what was asked of it.
#[derive(Debug, Error)]
pub enum GgufError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// Another kind of file.
    #[error("{}: no GGUF file: begins with {found}, expected `GGUF`\nhint: a download that failed often leaves a web page behind; look into the file", path.display())]
    NotGguf {
        /// The file.
        path: PathBuf,
        /// Its first bytes, as far as they print.
        found: String,
    },
    /// Written for machines of the other byte order.
    #[error("{}: a big-endian GGUF file, expected little-endian\nhint: download the ordinary file", path.display())]
    BigEndian {
        /// The file.
        path: PathBuf,
    },
    /// A version of the format from before 2023, or from the future.
    #[error("{}: GGUF version {found}, expected 2 or 3", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The file ends before what its header promises.
    #[error("{}: truncated: {what} needs {expected} bytes, found {found}\nhint: download it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What lies beyond the end.
        what: String,
        /// The least length that the file must have.
        expected: u128,
        /// The length that it has.
        found: u64,
    },
    /// The header contradicts itself.
    #[error("{}: corrupt: {what}\nhint: download it again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The contradiction.
        what: String,
    },
    /// A packing that cannot be unpacked.
    #[error("{}: tensor `{tensor}` is of type {kind}, which is not supported\nhint: supported are {}; take another quantisation of the model", path.display(), supported_types())]
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The name of its type.
        kind: String,
    },
    /// A key without which the model cannot be built.
    #[error("{}: metadata key `{key}` is missing", path.display())]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A key with a value of another type.
    #[error("{}: metadata key `{key}` holds {found}, expected {expected}", path.display())]
    WrongType {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// No tensor of that name.
    #[error("{}: tensor `{tensor}` is missing", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
}

fn supported_types() -> String {
    let names: Vec<_> = TensorType::ALL.iter().map(|kind| kind.name()).collect();
    names.join(", ")
}

/// Where a tensor lies in its file and how it is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorInfo {
    /// Dimensions, outermost first: the reverse of their order in the file.
    pub shape: Vec<usize>,
    /// How the values are packed.
    pub kind: TensorType,
    /// First byte, from the start of the file.
    pub(super) offset: u64,
}

impl TensorInfo {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes that the packed values take.
    pub(crate) fn bytes(&self) -> u64 {
        (self.len() / self.kind.block_len()) as u64 * self.kind.block_bytes() as u64
    }
}

/// An open GGUF file: its header is read, its tensors are read on demand.
#[derive(Debug)]
pub(crate) struct GgufFile {
    file: WeightFile,
    metadata: Pairs,
    /// Where the bytes of the metadata stand.
    pairs_at: Range<u64>,
    tensors: Tensors,
}

impl GgufFile {
    /// Reads and checks the header of the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, GgufError> {
        let file = WeightFile::open(path).map_err(|source| GgufError::Io {
            path: path.to_owned(),
            source,
        })?;
        let (metadata, tensors, pairs_at) = header::read(&file)?;
        Ok(Self {
            file,
            metadata,
            pairs_at,
            tensors,
        })
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The key-value pairs.
    pub(crate) fn metadata(&self) -> Metadata<'_> {
        Metadata {
            path: self.path(),
            pairs: &self.metadata,
        }
    }

    /// The tensor called `name`, unread.
    pub(crate) fn tensor_info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// The shape of the tensor called `name`.
    pub(crate) fn shape(&self, name: &str) -> Result<&[usize], GgufError> {
        Ok(&self.required(name)?.shape)
    }

    /// As [`Self::tensor_info`], of a tensor that must be there.
    fn required(&self, name: &str) -> Result<&TensorInfo, GgufError> {
        let info = self.tensors.get(name);
        info.ok_or_else(|| GgufError::MissingTensor {
            path: self.path().to_owned(),
            tensor: name.to_owned(),
        })
    }

    /// All tensors by name, unread.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors
            .iter()
            .map(|(name, info)| (name.as_str(), info))
    }

    /// Reads the matrix called `name` as it lies in the file; `None` if its values are not packed.
    pub(crate) fn packed(&self, name: &str) -> Result<Option<PackedTensor>, GgufError> {
        let Some(info) = self.tensors.get(name) else {
            return Ok(None);
        };
        let &[_, columns] = &info.shape[..] else {
            return Ok(None);
        };
        if !info.kind.is_packed() {
            return Ok(None);
        }
        let bytes = self.bytes(info)?;
        Ok(PackedTensor::new(info.kind, columns, bytes))
    }

    /// A tensor's bytes as they stand in the file.
    pub(super) fn bytes(&self, info: &TensorInfo) -> Result<Vec<u8>, GgufError> {
        self.range(info.offset..info.offset + info.bytes())
    }

    /// The metadata as they stand in the file: how many pairs, and their bytes.
    pub(super) fn pairs(&self) -> Result<(usize, Vec<u8>), GgufError> {
        Ok((self.metadata.len(), self.range(self.pairs_at.clone())?))
    }

    /// Some bytes of the file, whose place the header's check has seen.
    fn range(&self, at: Range<u64>) -> Result<Vec<u8>, GgufError> {
        let mut bytes = vec![0; (at.end - at.start) as usize];
        let read = self.file.read_exact_at(&mut bytes, at.start);
        read.map_err(|source| GgufError::Io {
            path: self.path().to_owned(),
            source,
        })?;
        Ok(bytes)
    }

    /// Reads and unpacks the tensor called `name`.
    ///
    /// Many threads read their own part of the file, so the packed tensor is never held as a whole.
    pub(crate) fn tensor(&self, name: &str) -> Result<HostTensor, GgufError> {
        let info = self.required(name)?;
        let chunk_bytes = CHUNK_VALUES / info.kind.block_len() * info.kind.block_bytes();
        let mut values = vec![0.0; info.len()];
        values
            .par_chunks_mut(CHUNK_VALUES)
            .enumerate()
            .try_for_each_init(Vec::new, |packed, (i, values)| {
                packed.resize(
                    values.len() / info.kind.block_len() * info.kind.block_bytes(),
                    0,
                );
                let offset = info.offset + (i * chunk_bytes) as u64;
                self.file.read_exact_at(packed, offset)?;
                dequantize::dequantize(info.kind, packed, values);
                Ok(())
            })
            .map_err(|source| GgufError::Io {
                path: self.path().to_owned(),
                source,
            })?;
        Ok(HostTensor {
            shape: info.shape.clone(),
            values,
        })
    }
}
