//! Finds passages of documentation and code by their words, without those that would give a task's solution away.

mod bm25;
mod chunk;
mod collect;
mod error;
mod index;
mod lines;
mod mask;
mod sections;
pub mod sketch;
mod spelling;
mod strips;
mod tokens;

pub use chunk::{Chunk, ChunkKind, Corpus};
pub use collect::{Collected, Holds, IndexedFile, LeftOut, Sources, collect};
pub use error::{ReadError, RetrievalError};
pub use index::{Hit, Index, Symbol, SymbolDefinition, SymbolUse};
pub use mask::{Mask, Secret};
pub use strips::strips;
pub use tokens::{query_of, tokens};
