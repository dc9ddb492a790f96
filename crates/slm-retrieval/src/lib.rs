//! Finds passages of documentation and code by their words, without those that would give a task's solution away.
//!
//! [`collect()`] cuts files into [`Chunk`]s: functions, methods and classes of Python code, sections of Markdown,
//! reStructuredText and plain text, and the public objects of installed packages, which are parsed and never imported.
//! An [`Index`] of them is kept in memory. [`Index::search`] ranks the chunks for a query by BM25, [`Index::symbol`]
//! finds definitions and uses of a name, and [`Index::read`] returns lines of a file. What they can return has one
//! identity, [`Index::sha256`].
//!
//! A [`Mask`] hides from one task what shares words, functions or code with its [`Secret`]: its solutions, its hidden
//! tests and the definition that it is about. A text that is put together from several lookups is shown only if
//! [`Mask::permits`] it.
//!
//! [`sketch`] turns code into code with gaps, and [`strips`] cuts a chunk into the parts that a grader keeps or removes.
//!
//! ```
//! use slm_retrieval::{Corpus, Index, Secret, Sources, collect, query_of};
//!
//! # let folder = tempfile::tempdir()?;
//! # std::fs::write(folder.path().join("guide.md"), "# Rates\n\nUse `Bucket.take` to limit the rate of calls.\n")?;
//! # std::fs::write(folder.path().join("bucket.py"), "class Bucket:\n    def take(self, n):\n        \"\"\"Take n tokens.\"\"\"\n        self.left -= n\n")?;
//! let sources = Sources {
//!     docs: vec!["*.md".to_owned()],
//!     code: vec!["bucket.py".into()],
//!     root: folder.path().to_owned(),
//! };
//! let index = Index::new(collect(&sources, &|_package| None)?)?;
//!
//! // What a task may see: not its own solution.
//! let mask = index.mask(&Secret {
//!     solutions: &["def take(self, n):\n    self.left -= n\n"],
//!     ..Secret::default()
//! });
//! let query = query_of("def limited(calls):\n    \"\"\"Limit the rate.\"\"\"\n", "limited");
//! let hits = index.search(&query, Corpus::All, &mask, 3);
//! assert_eq!(index.chunks()[hits[0].chunk].name, "Rates");
//! assert_eq!(mask.n_hidden(), 1);
//! assert_eq!(index.read("bucket.py", 1, 9, &mask)?, "class Bucket:\n# hidden for this task\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chunk;
mod collect;
mod error;
mod index;
mod lines;
mod mask;
mod ranking;
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
