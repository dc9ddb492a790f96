//! Fill-in-the-middle: documents cut into prefix, middle and suffix, and the tokens that mark these parts.
//!
//! An example begins with prefix and suffix, in one of three orders, and ends with the middle and an end token, which are
//! what the model learns. Texts are literal: a document that spells out a token of the tokenizer has its letters.
//!
//! # Source
//! Bavarian et al. 2022, "Efficient Training of Language Models to Fill in the Middle", arXiv:2207.14255, section 3.

mod cut;
mod encode;
#[cfg(test)]
mod tests;
mod tokens;

pub(crate) use cut::{Cutter, Document, Order, Uncut};
pub(crate) use encode::{Gap, encode, encode_prompt, room, room_of_document};
pub(crate) use tokens::FimTokens;
