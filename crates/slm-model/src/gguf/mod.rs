//! GGUF files: header, metadata, and tensors in their packed types.
//!
//! - [`reader`]: the open file and its tensors
//! - `header`: bounded parsing of the header
//! - [`metadata`]: key-value pairs
//! - `tensor_type`, `packed_tensor`: the types of tensors, and a matrix in packed blocks
//! - `codes`: packed blocks as codes and scales
//! - [`dequantize`], [`quantize`]: packed blocks to single precision, and the inverse
//! - [`layout`]: the names, shapes and row order of llama.cpp's converter, and the inverse
//! - [`vocabulary`]: the tokenizer in the metadata
//! - [`writer`]: writing adapters and merged models
//!
//! Files are untrusted: every length is checked against the remaining bytes before memory is allocated for it, and all
//! arithmetic on offsets is checked.
//!
//! # Source
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>

mod codes;
pub(crate) mod dequantize;
mod error;
#[cfg(test)]
pub(crate) mod fixture;
mod header;
pub(crate) mod layout;
pub(crate) mod metadata;
mod packed_tensor;
pub(crate) mod quantize;
pub(crate) mod reader;
mod tensor_type;
pub(crate) mod vocabulary;
pub(crate) mod writer;

pub(crate) use codes::Scales;
pub(crate) use error::GgufError;
pub(crate) use packed_tensor::{CodeWidth, PackedTensor};
pub(crate) use reader::GgufFile;
pub(crate) use tensor_type::TensorType;
