//! The only module that imports the syntax tree's types and text positions.

pub(crate) use ruff_python_ast::*;
pub(crate) use ruff_text_size::{Ranged, TextRange, TextSize};
