//! The tensors of an adapter file, keyed by module path.

use std::collections::BTreeMap;
use std::path::Path;

use super::{AdapterError, BIAS, MAGNITUDE, PREFIX, WEIGHTS_FILE, WRAPPER, io_error};
use crate::safetensors::{SafetensorsError, SafetensorsFile};

/// Parts of tensor names that model wrappers leave behind, with the wrapper's name.
const WRAPPERS: [(&str, &str); 4] = [
    ("_orig_mod", "torch.compile"),
    ("_fsdp_wrapped_module", "FSDP"),
    ("_checkpoint_wrapped_module", "activation checkpointing"),
    ("module", "DistributedDataParallel"),
];

/// An open adapter file whose tensor values have not been read.
pub(super) struct AdapterFile {
    file: SafetensorsFile,
    /// Names in the file by module path and part, such as `layers.0.mlp.up_proj.lora_A`, of tensors not yet taken.
    names: BTreeMap<String, String>,
    /// A warning about names that a wrapper has changed.
    pub(super) warning: Option<String>,
}

impl AdapterFile {
    /// Opens the tensor file of an adapter's folder and reads its header.
    pub(super) fn open(folder: &Path) -> Result<Self, AdapterError> {
        let path = folder.join(WEIGHTS_FILE);
        let file = SafetensorsFile::open(&path).map_err(adapter_error)?;
        let mut names = BTreeMap::new();
        let mut warning = None;
        for name in file.names() {
            let (unwrapped, wrapper) = unwrapped(&name);
            if let Some((part, wrapper)) = wrapper {
                warning.get_or_insert_with(|| {
                    format!(
                        "{}: the tensor names contain `{part}.`, as in `{name}`, since the adapter was saved from a model \
                         wrapped by {wrapper}; they are read without it, and PEFT would not load them",
                        path.display()
                    )
                });
            }
            let place = place_of_tensor(&unwrapped);
            if let Some(other) = names.insert(place.clone(), name.clone()) {
                return Err(AdapterError::Corrupt {
                    path: path.display().to_string(),
                    problem: format!("`{other}` and `{name}` are both for {place}"),
                });
            }
        }
        Ok(Self {
            file,
            names,
            warning,
        })
    }

    /// The file's path.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The places (module path and part) of the tensors that have not been taken, with their names in the file.
    pub(super) fn places(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.names.iter();
        names.map(|(place, name)| (place.as_str(), name.as_str()))
    }

    /// Returns the shape of the tensor at a place.
    pub(super) fn shape(&self, place: &str) -> Option<&[usize]> {
        self.file.shape(self.names.get(place)?)
    }

    /// Removes the tensor at a place without reading it.
    pub(super) fn discard(&mut self, place: &str) {
        self.names.remove(place);
    }

    /// Reads the tensor at a place and removes it.
    ///
    /// # Errors
    /// Its values are not finite, or have a type that cannot be read.
    pub(super) fn take(&mut self, place: &str) -> Result<Option<Vec<f32>>, AdapterError> {
        let Some(name) = self.names.remove(place) else {
            return Ok(None);
        };
        let values = self.file.tensor(&name).map_err(adapter_error)?.values;
        if values.iter().all(|value| value.is_finite()) {
            return Ok(Some(values));
        }
        Err(AdapterError::Corrupt {
            path: self.path().display().to_string(),
            problem: format!("`{name}` contains non-finite values"),
        })
    }
}

/// Converts a safetensors error to one with an adapter's hint: copy or retrain it, instead of downloading it again.
fn adapter_error(error: SafetensorsError) -> AdapterError {
    let corrupt = |path: &Path, problem: String| AdapterError::Corrupt {
        path: path.display().to_string(),
        problem,
    };
    match error {
        SafetensorsError::Io { path, source } => io_error(&path)(source),
        SafetensorsError::Truncated {
            path,
            what,
            expected,
            found,
        } => corrupt(
            &path,
            format!("truncated: {what} needs {expected} bytes, found {found}"),
        ),
        SafetensorsError::Corrupt { path, what } => corrupt(&path, what),
        SafetensorsError::UnsupportedType {
            path,
            tensor,
            dtype,
            hint: _,
        } => corrupt(
            &path,
            format!("`{tensor}` has type {dtype}, expected F32, F16 or BF16"),
        ),
        SafetensorsError::NoWeights { path, .. }
        | SafetensorsError::MissingShard { path, .. }
        | SafetensorsError::MissingTensor { path, .. } => {
            corrupt(&path, "a tensor is missing".to_owned())
        }
    }
}

/// Removes the parts that wrappers leave in a name; also returns the first of them.
fn unwrapped(name: &str) -> (String, Option<(&'static str, &'static str)>) {
    let wrapper_of = |part: &str| WRAPPERS.into_iter().find(|(wrapper, _)| *wrapper == part);
    let first = name.split('.').find_map(wrapper_of);
    if first.is_none() {
        return (name.to_owned(), None);
    }
    let parts = name.split('.').filter(|part| wrapper_of(part).is_none());
    (parts.collect::<Vec<_>>().join("."), first)
}

/// Maps `base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight` to `layers.0.mlp.up_proj.lora_A`.
///
/// Files that were not saved by PEFT's own function contain the adapter's name (`default`). A tensor outside a pair keeps
/// its whole name.
fn place_of_tensor(name: &str) -> String {
    let name = name.strip_prefix(PREFIX).unwrap_or(name);
    let name = name.strip_prefix(WRAPPER).unwrap_or(name);
    let name = name.strip_suffix(".weight").unwrap_or(name);
    for part in [
        "lora_A",
        "lora_B",
        "lora_embedding_A",
        "lora_embedding_B",
        MAGNITUDE,
    ] {
        let Some((module, rest)) = name.split_once(&format!(".{part}")) else {
            continue;
        };
        let bias = rest.strip_suffix(".bias").filter(|_| part == "lora_B");
        if bias.is_some_and(is_adapter_name) {
            return format!("{module}.{BIAS}");
        }
        if is_adapter_name(rest) && rest != ".bias" {
            return format!("{module}.{part}");
        }
    }
    name.to_owned()
}

/// Whether a text is nothing, or a dot with the name of an adapter.
fn is_adapter_name(text: &str) -> bool {
    let name = text.strip_prefix('.');
    text.is_empty() || name.is_some_and(|name| !name.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrappers_leave_in_a_name_is_removed() {
        let plain = format!("{PREFIX}layers.0.mlp.up_proj.lora_A.weight");
        assert_eq!(unwrapped(&plain), (plain.clone(), None));
        for (name, wrapper) in [
            (format!("_orig_mod.{plain}"), "torch.compile"),
            (
                format!("module._orig_mod.{plain}"),
                "DistributedDataParallel",
            ),
            (plain.replace(".mlp.", "._fsdp_wrapped_module.mlp."), "FSDP"),
        ] {
            let (found, by) = unwrapped(&name);
            assert_eq!((found, by.map(|by| by.1)), (plain.clone(), Some(wrapper)));
        }
    }

    #[test]
    fn tensor_names_lose_wrapper_and_adapter_name() {
        let expected = "layers.0.mlp.up_proj.lora_A";
        for ending in ["weight", "default.weight"] {
            let name = format!("base_model.model.model.{expected}.{ending}");
            assert_eq!(place_of_tensor(&name), expected);
        }
        let expected = "layers.0.mlp.up_proj.lora_magnitude_vector";
        for ending in ["", ".default", ".weight", ".default.weight"] {
            let name = format!("{PREFIX}{expected}{ending}");
            assert_eq!(place_of_tensor(&name), expected);
        }
    }

    #[test]
    fn the_bias_of_b_is_a_part_of_the_pair() {
        let expected = "layers.0.mlp.up_proj.lora_B.bias";
        for ending in ["bias", "default.bias"] {
            let name = format!("{PREFIX}layers.0.mlp.up_proj.lora_B.{ending}");
            assert_eq!(place_of_tensor(&name), expected);
        }
    }

    #[test]
    fn what_is_no_part_of_a_pair_keeps_its_name() {
        for name in [
            "layers.0.mlp.up_proj.bias",
            "layers.0.mlp.up_proj.lora_A.bias",
            "embed_tokens.token_adapter.trainable_tokens_delta",
            "embed_tokens.base_layer",
            "layers.0.mlp.up_proj.lora_A_scale",
        ] {
            assert_eq!(place_of_tensor(&format!("{PREFIX}{name}")), name);
        }
    }
}
