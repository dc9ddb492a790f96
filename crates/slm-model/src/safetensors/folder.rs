//! The weights of a folder: one file, or shards with an index.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{CHUNK_VALUES, INDEX, SINGLE, SafetensorsError, SafetensorsFile};
use crate::config::Fp8;
use crate::weight_file::{HostTensor, read_bounded};

/// Maximum index size; a larger one is hostile or broken: 1,000 tensors need 100 kB.
const MAX_INDEX_BYTES: u64 = 4 << 20;

/// The weights of a Hugging Face folder: one file, or shards listed in an index.
#[derive(Debug)]
pub(crate) struct SafetensorsFolder {
    path: PathBuf,
    files: Vec<SafetensorsFile>,
    /// Index in `files` of each tensor.
    homes: BTreeMap<String, usize>,
    /// Settings of FP8 weights, if the folder's configuration has any.
    pub(super) fp8: Option<Fp8>,
}

/// The part of `model.safetensors.index.json` that is read.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl SafetensorsFolder {
    /// Opens all weight files in the folder `path`.
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
            fp8: None,
        })
    }

    /// Creates a folder without weights.
    pub(crate) fn without_weights(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            files: Vec::new(),
            homes: BTreeMap::new(),
            fp8: None,
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
                // The index is untrusted: it must not name files in other folders.
                if Path::new(&shard).file_name() != Some(shard.as_ref()) {
                    return Err(corrupt(format!("`{shard}` is not a plain file name")));
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
            fp8: None,
        })
    }

    /// Returns the names of all tensors, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.homes.keys().map(String::as_str)
    }

    /// Returns the paths of the weight files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(SafetensorsFile::path)
    }

    /// Returns the shape of the tensor called `name`.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.files[*self.homes.get(name)?].shape(name)
    }

    /// As [`SafetensorsFile::readable_shape`]; FP8 weights must have scales.
    pub(crate) fn readable_shape(&self, name: &str) -> Result<&[usize], SafetensorsError> {
        if let Some(fp8) = self.fp8_of(name)? {
            return self.fp8_shape(name, fp8);
        }
        self.home(name)?.readable_shape(name)
    }

    /// Reads the tensor called `name` and converts it to single precision.
    pub(crate) fn tensor(&self, name: &str) -> Result<HostTensor, SafetensorsError> {
        if let Some(fp8) = self.fp8_of(name)? {
            return self.fp8_tensor(name, fp8);
        }
        self.home(name)?.tensor(name)
    }

    /// Whether two tensors have the same values. Stops at the first different chunk.
    pub(crate) fn hold_the_same(&self, a: &str, b: &str) -> Result<bool, SafetensorsError> {
        if self.fp8_of(a)?.is_some() || self.fp8_of(b)?.is_some() {
            return Ok(self.tensor(a)? == self.tensor(b)?);
        }
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

    /// Returns the file that contains a tensor.
    pub(super) fn home(&self, name: &str) -> Result<&SafetensorsFile, SafetensorsError> {
        match self.homes.get(name) {
            Some(&id) => Ok(&self.files[id]),
            None => Err(SafetensorsError::MissingTensor {
                path: self.path.clone(),
                tensor: name.to_owned(),
            }),
        }
    }
}
