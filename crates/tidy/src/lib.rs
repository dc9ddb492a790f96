//! The workspace as text, for the tests in `tests/it/`: its crates and Rust files, the code without comments
//! and strings, and the imports between modules.

mod modules;
mod prose;
mod source;
mod tokens;

pub use modules::knots;
pub use prose::{Prose, prose_of_rust};
pub use source::{
    Source, code_of, crates, manifest_keys, mentions, names_crate, read, root, shipped, sources,
};
