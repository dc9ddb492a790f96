//! Pieces of text that a lookup may return.

use slm_artifacts::Sha256;

/// One piece of text that a lookup may return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Path of the file relative to its root, with `/`; `pip:NAME/file.py` for a file of an installed package.
    pub source: String,
    /// What it is.
    pub kind: ChunkKind,
    /// The qualified name of a definition, or the path of headings to a section, joined by ` > `.
    pub name: String,
    /// First and last line in the file, counted from 1.
    pub lines: (usize, usize),
    /// The text.
    pub text: String,
    /// SHA-256 of source, kind, name and text.
    pub sha256: String,
}

/// The kind of a [`Chunk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChunkKind {
    /// A function or method: decorators, signature, docstring and body.
    Function,
    /// A class: header, docstring, attributes, and the signatures of its methods.
    Class,
    /// A part of a section of a document.
    Section,
    /// A public object of an installed package: signature and docstring.
    Object,
}

/// What a search looks through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Corpus {
    /// Every chunk.
    #[default]
    All,
    /// Sections of documents and objects of packages.
    Docs,
    /// Functions and classes.
    Code,
    /// Functions.
    Functions,
}

impl Chunk {
    /// Makes a chunk with its hash.
    pub fn new(
        source: impl Into<String>,
        kind: ChunkKind,
        name: impl Into<String>,
        lines: (usize, usize),
        text: impl Into<String>,
    ) -> Self {
        let (source, name, text) = (source.into(), name.into(), text.into());
        let mut hash = Sha256::new();
        for part in [&source, kind.as_str(), &name, &text] {
            // The length keeps the parts apart.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self {
            source,
            kind,
            name,
            lines,
            text,
            sha256: hash.hex(),
        }
    }
}

impl ChunkKind {
    /// Returns whether it is code of the knowledge, not documentation.
    pub fn is_code(self) -> bool {
        matches!(self, Self::Function | Self::Class)
    }

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Class => "class",
            Self::Section => "section",
            Self::Object => "object",
        }
    }
}

impl Corpus {
    /// Returns whether the corpus has chunks of this kind.
    pub fn contains(self, kind: ChunkKind) -> bool {
        match self {
            Self::All => true,
            Self::Docs => !kind.is_code(),
            Self::Code => kind.is_code(),
            Self::Functions => kind == ChunkKind::Function,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_every_part_but_the_lines() {
        let chunk = Chunk::new("a.py", ChunkKind::Function, "f", (1, 2), "def f(): ...");
        let moved = Chunk::new("a.py", ChunkKind::Function, "f", (3, 4), "def f(): ...");
        assert_eq!(chunk.sha256, moved.sha256);
        for other in [
            Chunk::new("b.py", ChunkKind::Function, "f", (1, 2), "def f(): ..."),
            Chunk::new("a.py", ChunkKind::Class, "f", (1, 2), "def f(): ..."),
            Chunk::new("a.py", ChunkKind::Function, "fd", (1, 2), "ef f(): ..."),
            Chunk::new("a.py", ChunkKind::Function, "f", (1, 2), "def f(): pass"),
        ] {
            assert_ne!(chunk.sha256, other.sha256);
        }
    }

    #[test]
    fn each_corpus_has_its_kinds() {
        use ChunkKind::{Class, Function, Object, Section};
        let of = |corpus: Corpus| {
            [Function, Class, Section, Object].map(|kind| u8::from(corpus.contains(kind)))
        };
        assert_eq!(of(Corpus::All), [1, 1, 1, 1]);
        assert_eq!(of(Corpus::Docs), [0, 0, 1, 1]);
        assert_eq!(of(Corpus::Code), [1, 1, 0, 0]);
        assert_eq!(of(Corpus::Functions), [1, 0, 0, 0]);
    }
}
