//! The table of recipe keys: name, type, range, default, other spellings and a sentence for each key.
//!
//! A row of the table is a field of a section's struct, written inside [`section!`]; a choice between words is an enum
//! written inside [`words!`]. Everything that knows the keys of a recipe is made from these rows: the structs themselves
//! with their defaults, the range checks (`check`), the aliases and did-you-mean (`spelling`), the reference page
//! (`reference`) and the JSON schema (`json_schema`).

mod key;
mod macros;
mod tree;

/// Largest seed: every JSON reader represents whole numbers up to here exactly.
pub(crate) const MAX_SEED: u64 = 1 << 53;

pub(crate) use key::{Key, Kind, Word, is_option};
pub(crate) use macros::{section, words};
pub(crate) use tree::{Row, joined, one_line, rows};
