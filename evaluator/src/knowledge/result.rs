//! What a lookup found, as trajectories log it.

use serde::{Deserialize, Serialize};

/// What a lookup found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LookupResult {
    pub(crate) tool: LookupTool,
    pub(crate) query: String,
    /// Identity of the index, or of the memory.
    pub(crate) index_sha256: String,
    /// The best first; at most `knowledge.top_k`.
    pub(crate) hits: Vec<Hit>,
    /// The text for the prompt; empty if the workflow grades the hits first.
    pub(crate) shown: String,
    /// Chunks or entries that are hidden for the task.
    pub(crate) masked: usize,
    /// Share of tokens that a sketch kept of its function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sketch_kept: Option<f64>,
    /// Why a lookup of a name or a file shows nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// A chunk or memory entry that a lookup found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hit {
    /// Its place in the index or the memory.
    pub(crate) chunk: usize,
    /// Its file, or the task of the entry.
    pub(crate) source: String,
    /// Its first and last line; `None` for an entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lines: Option<(usize, usize)>,
    /// Its qualified name or heading.
    pub(crate) name: String,
    pub(crate) sha256: String,
    /// The rank's score; 0 for a name that was asked for.
    pub(crate) score: f64,
    /// Share of the query's terms, weighted by their rarity, that it contains.
    pub(crate) overlap: f64,
    /// Whether `shown` contains it, at least its head.
    pub(crate) shown: bool,
}

/// Where a lookup looks, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LookupTool {
    /// Documentation and code, by words.
    Knowledge,
    /// Documentation, by words.
    Docs,
    /// Code, by words.
    Code,
    /// Code, by a name.
    Symbol,
    /// Lines of a file.
    Read,
    /// Entries of the memory.
    Memory,
}
