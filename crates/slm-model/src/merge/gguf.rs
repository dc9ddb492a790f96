//! Writes a merged model as a GGUF file for llama.cpp: a copy with some tensors replaced.

use std::io::Write;

use half::f16;

use super::MergeError;
use crate::config::ModelConfig;
use crate::gguf::layout::{hub_name, is_permuted, permute_heads};
use crate::gguf::writer::{ALIGNMENT, NewTensor, put, write_header};
use crate::gguf::{GgufError, GgufFile, TensorType};
use crate::weight_file::HostTensor;

/// Writes a copy of `file` with the tensors of `merged` in half precision; everything else, both metadata and quantised
/// tensors, is copied unchanged.
///
/// `is_merged` and `merged` take Hugging Face's names, and `merged` returns its layout.
///
/// # Errors
/// The file cannot be read, an error of `merged` or `out`, or a value that exceeds half precision.
pub(crate) fn write_model<W: Write>(
    file: &GgufFile,
    config: &ModelConfig,
    out: &mut W,
    is_merged: impl Fn(&str) -> bool,
    merged: impl Fn(&str) -> Result<HostTensor, MergeError>,
    io_error: impl Fn(std::io::Error) -> MergeError,
    mut progress: impl FnMut(usize, usize),
) -> Result<(), MergeError> {
    let unreadable = |error: GgufError| MergeError::Weights(Box::new(error.into()));
    let alignment = file.metadata().unsigned("general.alignment");
    let alignment: usize = alignment.map_err(unreadable)?.unwrap_or(ALIGNMENT);
    let replaced = |name: &str| hub_name(config.family, name).filter(|hub| is_merged(hub));
    let tensors: Vec<NewTensor> = file
        .tensors()
        .map(|(name, info)| NewTensor {
            name: name.to_owned(),
            shape: info.shape.clone(),
            kind: match replaced(name) {
                Some(_) => TensorType::F16,
                None => info.kind,
            },
        })
        .collect();
    let (n_pairs, pairs) = file.pairs().map_err(unreadable)?;
    write_header(out, (n_pairs, &pairs), &tensors, alignment).map_err(&io_error)?;
    for (done, (name, info)) in file.tensors().enumerate() {
        let bytes = match replaced(name) {
            None => file.bytes(info).map_err(unreadable)?,
            Some(hub) => {
                let mut tensor = merged(&hub)?;
                if is_permuted(config.family, &hub) {
                    permute_heads(&mut tensor, config.head_dim);
                }
                let too_large = |v: &f32| v.abs() > f16::MAX.to_f32();
                if tensor.values.iter().any(too_large) {
                    return Err(MergeError::Overflow { tensor: hub });
                }
                let halves = tensor.values.iter().map(|&v| f16::from_f32(v));
                halves.flat_map(f16::to_le_bytes).collect()
            }
        };
        put(out, bytes, alignment).map_err(&io_error)?;
        progress(done + 1, tensors.len());
    }
    out.flush().map_err(io_error)
}
