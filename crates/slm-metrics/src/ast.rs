//! The only importer of the syntax tree's types, and of positions in a text.

pub(crate) use ruff_python_ast::*;
pub(crate) use ruff_text_size::{Ranged, TextRange, TextSize};
