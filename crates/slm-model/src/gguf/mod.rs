//! GGUF files: header, metadata, and tensors in their packed types.
//!
//! - [`reader`]: the open file and its tensors
//! - `header`: the bounded parsing of its beginning
//! - [`metadata`]: key-value pairs
//! - `tensor_type`, `packed_tensor`: the types of tensors, and a matrix in packed blocks
//! - `codes`: packed blocks taken apart into codes and scales
//! - [`dequantize`]: packed blocks to single precision
//! - [`layout`]: what llama.cpp's converter does to names, shapes and rows, and its inverse
//! - [`vocabulary`]: the tokenizer that the metadata describe
//! - [`writer`]: the way back, for adapters and for merged models
//!
//! A file comes from anywhere, so nothing in it is believed: every length is held against the bytes that
//! are left before memory is allocated for it, and all arithmetic on offsets is checked.
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
pub(crate) mod reader;
mod tensor_type;
pub(crate) mod vocabulary;
pub(crate) mod writer;

pub(crate) use codes::Scales;
pub(crate) use error::GgufError;
pub(crate) use packed_tensor::{CodeWidth, PackedTensor};
pub(crate) use reader::GgufFile;
pub(crate) use tensor_type::TensorType;
