//! Section `knowledge`: what workflows look up, and how much of it a prompt may hold.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::schema::{Kind, section, words};

section! {
/// Section `knowledge`: the documentation, code and memory that workflows look up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Knowledge {
    /// Documentation: Markdown and reStructuredText files, folders, patterns such as `docs/**/*.md`, and `pip:NAME` for
    /// the docstrings of a package that is installed for `evaluate.python`. Packages are parsed, never imported.
    docs: Vec<String> = Vec::new() => Kind::List {
        of: &Kind::Text("a file, a folder, a pattern or pip:NAME"), unique: true, item: "source", least: 0, most: Kind::ANY,
    }, absent "none";
    /// Python files and folders whose functions and classes are looked up. Files of tests are left out.
    code: Vec<PathBuf> = Vec::new() => Kind::List {
        of: &Kind::Text("a file or a folder"), unique: true, item: "source", least: 0, most: Kind::ANY,
    }, absent "none";
    /// Memory of successful runs, as `evaluator memory` writes it.
    memory: Option<PathBuf> = None => Kind::Text("a file"), absent "none";
    /// Most chunks that one lookup finds.
    top_k: usize = 3 => Kind::Int(1, 20);
    /// Most tokens of looked-up text in one prompt; in `tools`, of one lookup.
    max_tokens: usize = 600 => Kind::Int(16, 100_000);
    /// Whether prompts of `rag` and `crag` show the bodies of documented functions. Without them, a reference is signature
    /// and docstring: what is needed to call a function. Small models tend to copy bodies instead.
    bodies: bool = false => Kind::Bool;
    /// How `crag` grades the chunks that it finds.
    grade: Grade = Grade::Overlap => Kind::Word(Grade::words);
    /// Grade from which `crag` takes a chunk for relevant.
    upper: f64 = 0.6 => Kind::from_to(0.0, 1.0);
    /// Grade below which `crag` takes a chunk for irrelevant; at most `upper`.
    lower: f64 = 0.2 => Kind::from_to(0.0, 1.0);
    /// What `memory` puts into the prompt.
    memory_mode: MemoryMode = MemoryMode::Examples => Kind::Word(MemoryMode::words);
}
}

impl Knowledge {
    /// Whether there is something to be indexed.
    pub fn has_sources(&self) -> bool {
        !self.docs.is_empty() || !self.code.is_empty()
    }
}

words! {
/// How `crag` grades a chunk: `knowledge.grade`.
pub enum Grade default Overlap {
    /// The share of the query's terms, weighted by how rare they are, that the chunk contains. Costs no call.
    Overlap = "overlap",
    /// The model answers whether the chunk helps, in one call for each chunk.
    Model = "model",
}
}

words! {
/// What the workflow `memory` puts into the prompt: `knowledge.memory_mode`.
pub enum MemoryMode default Examples {
    /// The nearest entries as they are.
    Examples = "examples",
    /// An instruction that the model writes from the nearest entries, in one call.
    Dynamic = "dynamic",
    /// The general lines of the memory alone, without a lookup.
    Static = "static",
}
}
