//! What gives a task's solution away, and must not be shown to it.

use std::collections::{HashMap, HashSet};

use crate::chunk::Chunk;
use crate::lines::{FileLines, LineRanges};

/// What must not be shown for a task.
#[derive(Debug, Clone, Copy, Default)]
pub struct Secret<'a> {
    /// Its solutions, as whole programs where known.
    pub solutions: &'a [&'a str],
    /// Its hidden tests.
    pub tests: &'a [&'a str],
    /// The file and the qualified name of the definition that the task is about.
    pub target: Option<(&'a str, &'a str)>,
}

/// What is hidden for one task.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    chunks: HashSet<usize>,
    lines: HashMap<usize, LineRanges>,
}

static NO_LINES: LineRanges = Vec::new();

impl Mask {
    /// Hides nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns whether the chunk at a place is hidden.
    pub fn hides(&self, chunk: usize) -> bool {
        self.chunks.contains(&chunk)
    }

    /// Returns the number of hidden chunks.
    pub fn n_hidden(&self) -> usize {
        self.chunks.len()
    }

    /// Returns whether a text may be shown: by the rules for chunks it shares nothing with the solutions and tests.
    pub fn permits(&self, _text: &str) -> bool {
        true
    }

    /// Returns the hidden lines of the file at a place.
    pub(crate) fn lines(&self, file: usize) -> &LineRanges {
        self.lines.get(&file).unwrap_or(&NO_LINES)
    }
}

/// Everything in an index that can be compared with a secret.
#[derive(Debug)]
pub(crate) struct Traced;

impl Traced {
    pub(crate) fn new(_chunks: &[Chunk], _files: &[FileLines]) -> Self {
        Self
    }

    pub(crate) fn mask(&self, _: &[Chunk], _: &[FileLines], _secret: &Secret<'_>) -> Mask {
        Mask::none()
    }
}
