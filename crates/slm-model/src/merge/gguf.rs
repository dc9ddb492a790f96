//! Writes a merged model as a GGUF file for llama.cpp.
//!
//! A base model that is a GGUF file lends its metadata and, unless the file gets one type for all weights, every tensor
//! that the adapter leaves alone. A folder in Hugging Face's layout is converted as llama.cpp's converter does. Tensors are
//! read, merged, quantised and written one at a time, so only the largest must fit in memory.

mod metadata;
mod mix;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::io::Write;
use std::path::Path;

use super::{MergeError, is_changed, merged_tensor};
use crate::config::NormKind;
use crate::gguf::layout::{gguf_name, hub_name, is_permuted, permute_heads};
use crate::gguf::quantize::quantized;
use crate::gguf::writer::{ALIGNMENT, NewPairs, NewTensor, put, write_header};
use crate::gguf::{GgufError, GgufFile, TensorType};
use crate::lora::Adapter;
use crate::weights::Weights;

pub use mix::GgufType;
use mix::Mix;

/// Gate and up in one matrix, in this order, where GGUF files have two.
const FUSED_GATE_UP: &str = ".shared_mlp.input_linear.weight";

/// The model to be written.
#[derive(Debug, Clone, Copy)]
pub struct NewGguf<'a> {
    /// The type of the weights; `None` keeps that of a base model that is a GGUF file, with the adapted weights in half
    /// precision, and is half precision for others.
    pub kind: Option<GgufType>,
    /// The name in the metadata, if the base model is not a GGUF file with a name.
    pub name: &'a str,
    /// The text of the chat template, if it is not the base model's.
    pub chat_template: Option<&'a str>,
}

/// Where a tensor's values come from.
enum Source {
    /// The base model's GGUF file, unchanged.
    Copied,
    /// The merged model; Hugging Face's name.
    Merged(String),
    /// One half of the rows of such a tensor, which llama.cpp's converter splits.
    HalfOf(String, usize),
    /// These values.
    Given(Vec<f32>),
}

/// All that is known before the first tensor is read.
struct Plan {
    pairs: NewPairs,
    tensors: Vec<(NewTensor, Source)>,
    alignment: usize,
}

/// Writes the merged model to `out`.
///
/// # Errors
/// The base model cannot be read or its tokenizer cannot be stored, a value or scale exceeds half precision, or `out` fails.
pub(super) fn write_model<W: Write>(
    weights: &Weights,
    adapter: &Adapter,
    new: NewGguf,
    out: &mut W,
    io_error: impl Fn(std::io::Error) -> MergeError,
    mut progress: impl FnMut(usize, usize),
) -> Result<(), MergeError> {
    let Plan {
        pairs,
        tensors,
        alignment,
    } = match weights.gguf() {
        Some(file) => of_file(file, weights, adapter, new)?,
        None => of_folder(weights, new)?,
    };
    let headers = tensors.iter().map(|(tensor, _)| tensor);
    write_header(out, pairs.encoded(), headers, alignment).map_err(&io_error)?;
    for (done, (tensor, source)) in tensors.iter().enumerate() {
        let overflow = || MergeError::Overflow {
            tensor: tensor.name.clone(),
            hint: match new.kind {
                Some(GgufType::Q8_0 | GgufType::Q4KM) => "merge into a folder as bf16 or f32",
                Some(GgufType::F16) | None => {
                    "merge into a folder as bf16 or f32, or with --type q8_0"
                }
            },
        };
        let bytes = match source {
            Source::Copied => copied(weights, &tensor.name)?,
            Source::Given(values) => quantized(tensor.kind, values).ok_or_else(overflow)?,
            Source::HalfOf(hub, half) => {
                let merged = merged_tensor(weights, adapter, hub)?.values;
                let len = merged.len() / 2;
                let values = &merged[half * len..][..len];
                quantized(tensor.kind, values).ok_or_else(overflow)?
            }
            Source::Merged(hub) => {
                let mut merged = merged_tensor(weights, adapter, hub)?;
                let config = weights.config();
                if is_permuted(config.family, hub) {
                    permute_heads(&mut merged, config.head_dim);
                }
                if config.family.norm == NormKind::RmsFromOne && hub.ends_with("norm.weight") {
                    merged.values.iter_mut().for_each(|value| *value += 1.0);
                }
                quantized(tensor.kind, &merged.values).ok_or_else(overflow)?
            }
        };
        put(out, bytes, alignment).map_err(&io_error)?;
        progress(done + 1, tensors.len());
    }
    out.flush().map_err(io_error)
}

fn unreadable(error: GgufError) -> MergeError {
    MergeError::Weights(Box::new(error.into()))
}

/// Reads a tensor's bytes from the base model's file.
fn copied(weights: &Weights, name: &str) -> Result<Vec<u8>, MergeError> {
    let bytes = weights.gguf().and_then(|file| {
        let info = file.tensor_info(name)?;
        Some(file.bytes(info))
    });
    bytes.unwrap_or_else(|| Ok(Vec::new())).map_err(unreadable)
}

/// Plans a copy of a GGUF file.
fn of_file(
    file: &GgufFile,
    weights: &Weights,
    adapter: &Adapter,
    new: NewGguf,
) -> Result<Plan, MergeError> {
    let config = weights.config();
    let alignment = file.metadata().unsigned("general.alignment");
    let (_, pairs) = file.pairs().map_err(unreadable)?;
    let template = vocabulary::CHAT_TEMPLATE;
    let mut pairs = NewPairs::taken_over(&pairs, |key| {
        // Calibration data of the base model's quantisation do not describe another one.
        let of_quantisation = metadata::OF_FILE.contains(&key) || key.starts_with("quantize.");
        let is_replaced =
            new.kind.is_some() && of_quantisation || new.chat_template.is_some() && key == template;
        !is_replaced
    });
    if let Some(text) = new.chat_template {
        pairs.text(template, text);
    }
    if let Some(kind) = new.kind {
        metadata::about_file(&mut pairs, kind);
    }
    let mix = new.kind.map(|kind| mix_of(weights, kind));
    let tensors = file.tensors().map(|(name, info)| {
        let hub = hub_name(config.family, name).filter(|hub| config.tensor_shape(hub).is_some());
        let wanted = match (&hub, mix) {
            (Some(_), Some(mix)) => mix.type_of(name, &info.shape),
            // llama.cpp adds biases in single precision.
            (Some(hub), None) if is_changed(adapter, hub) => match info.shape[..] {
                [_] => TensorType::F32,
                _ => TensorType::F16,
            },
            (None, _) | (Some(_), None) => info.kind,
        };
        let source = match hub {
            Some(hub) if wanted != info.kind || is_changed(adapter, &hub) => Source::Merged(hub),
            _ => Source::Copied,
        };
        let tensor = NewTensor {
            name: name.to_owned(),
            shape: info.shape.clone(),
            kind: wanted,
        };
        (tensor, source)
    });
    Ok(Plan {
        tensors: tensors.collect(),
        pairs,
        alignment: alignment.map_err(unreadable)?.unwrap_or(ALIGNMENT),
    })
}

/// Plans the conversion of a folder.
fn of_folder(weights: &Weights, new: NewGguf) -> Result<Plan, MergeError> {
    let config = weights.config();
    let kind = new.kind.unwrap_or(GgufType::F16);
    let mix = mix_of(weights, kind);
    let refused = |what: &str| MergeError::NoGguf {
        family: config.family.model_type,
        what: what.to_owned(),
    };
    let mut tensors = Vec::new();
    for (hub, mut shape) in config.tensors() {
        if let Some(layer) = hub.strip_suffix(FUSED_GATE_UP) {
            let layer = layer.trim_start_matches("model.layers.");
            shape[0] /= 2;
            for (half, part) in ["ffn_gate", "ffn_up"].into_iter().enumerate() {
                let tensor = NewTensor {
                    name: format!("blk.{layer}.{part}.weight"),
                    kind: mix.type_of("ffn_gate.weight", &shape),
                    shape: shape.clone(),
                };
                tensors.push((tensor, Source::HalfOf(hub.clone(), half)));
            }
            continue;
        }
        let name = gguf_name(config.family, &hub).ok_or_else(|| refused(&hub))?;
        let kind = mix.type_of(&name, &shape);
        tensors.push((NewTensor { name, shape, kind }, Source::Merged(hub)));
    }
    for (name, values) in metadata::rope_tensors(config) {
        let tensor = NewTensor {
            name: name.to_owned(),
            shape: vec![values.len()],
            kind: TensorType::F32,
        };
        tensors.push((tensor, Source::Given(values)));
    }
    let mut pairs = NewPairs::default();
    metadata::about_model(&mut pairs, config, new.name).map_err(refused)?;
    metadata::about_file(&mut pairs, kind);
    vocabulary::about_tokenizer(&mut pairs, weights, new.chat_template)?;
    Ok(Plan {
        pairs,
        tensors,
        alignment: ALIGNMENT,
    })
}

fn mix_of(weights: &Weights, file: GgufType) -> Mix {
    let config = weights.config();
    Mix {
        file,
        layers: config.num_hidden_layers,
        is_tied: config.tie_word_embeddings,
        is_70b: config.num_hidden_layers == 80
            && config.num_attention_heads != config.num_key_value_heads,
    }
}

/// Writes the merged model to the file `path`.
pub(super) fn write_file(
    weights: &Weights,
    adapter: &Adapter,
    new: NewGguf,
    path: &Path,
    progress: impl FnMut(usize, usize),
) -> Result<(), MergeError> {
    let io_error = |error| super::io_error(path)(error);
    let file = std::fs::File::create(path).map_err(io_error)?;
    let mut out = std::io::BufWriter::with_capacity(1 << 20, file);
    write_model(weights, adapter, new, &mut out, io_error, progress)
}
