//! The workspace as text, for the tests in `tests/it/`: its crates, its Rust files, the code without comments and strings,
//! and which module imports which.

mod modules;
mod source;
mod tokens;

pub use modules::knots;
pub use source::{
    Source, code_of, crates, manifest_keys, mentions, names_crate, read, root, shipped, sources,
};
