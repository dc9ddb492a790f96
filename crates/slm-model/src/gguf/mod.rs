//! GGUF files: header, metadata, and tensors in their packed types.
//!
//! - [`reader`]: the open file and its tensors
//! - `header`: the bounded parsing of its beginning
//! - [`metadata`]: key-value pairs
//! - [`codes`]: packed blocks taken apart into codes and scales
//! - [`dequantize`]: packed blocks to single precision
//! - [`layout`]: what llama.cpp's converter does to names, shapes and rows, and its inverse
//! - [`vocabulary`]: the tokenizer that the metadata describe
//! - [`adapter_file`], [`model_file`]: the way back, for adapters and for merged models
//!
//! A file comes from anywhere, so nothing in it is believed: every length is held against the bytes that
//! are left before memory is allocated for it, and all arithmetic on offsets is checked.
//!
//! # Source
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>

pub(crate) mod adapter_file;
mod codes;
pub(crate) mod dequantize;
#[cfg(test)]
pub(crate) mod fixture;
mod header;
pub(crate) mod layout;
pub(crate) mod metadata;
pub(crate) mod model_file;
pub(crate) mod reader;
pub(crate) mod vocabulary;
mod writer;

pub(crate) use codes::{CodeWidth, Codes, PackedTensor, Scales};
pub(crate) use dequantize::TensorType;
pub(crate) use reader::{GgufError, GgufFile};
