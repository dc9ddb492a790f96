//! An open GGUF file and its tensors.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::dequantize;
use super::error::GgufError;
use super::header::{self, Pairs, TensorInfo, Tensors};
use super::metadata::Metadata;
use super::packed_tensor::PackedTensor;
use crate::weight_file::{HostTensor, WeightFile};

/// Values that one thread reads and unpacks at a time: a multiple of every block length.
const CHUNK_VALUES: usize = 1 << 16;

/// An open GGUF file; tensors are read on demand.
#[derive(Debug)]
pub(crate) struct GgufFile {
    file: WeightFile,
    metadata: Pairs,
    /// Byte range of the metadata pairs.
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

    /// Returns the entry of the tensor called `name`, without reading it.
    pub(crate) fn tensor_info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// Returns the shape of the tensor called `name`.
    pub(crate) fn shape(&self, name: &str) -> Result<&[usize], GgufError> {
        Ok(&self.required(name)?.shape)
    }

    /// As [`Self::tensor_info`], for a tensor that must exist.
    fn required(&self, name: &str) -> Result<&TensorInfo, GgufError> {
        let info = self.tensors.get(name);
        info.ok_or_else(|| GgufError::MissingTensor {
            path: self.path().to_owned(),
            tensor: name.to_owned(),
        })
    }

    /// Iterates over the entries of all tensors by name.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors
            .iter()
            .map(|(name, info)| (name.as_str(), info))
    }

    /// Reads the matrix called `name` in its packed form; `None` if its values are not packed.
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

    /// Reads the packed bytes of a tensor.
    pub(crate) fn bytes(&self, info: &TensorInfo) -> Result<Vec<u8>, GgufError> {
        self.range(info.offset..info.offset + info.bytes())
    }

    /// Reads the raw metadata: the number of pairs, and their bytes.
    pub(crate) fn pairs(&self) -> Result<(usize, Vec<u8>), GgufError> {
        Ok((self.metadata.len(), self.range(self.pairs_at.clone())?))
    }

    /// Reads a byte range that the header check has validated.
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
    /// Several threads read their own parts of the file, so the packed tensor is never in memory as a whole.
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
