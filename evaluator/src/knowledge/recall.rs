//! What lookups showed, beside the references that a task names and the program that was kept.

use std::collections::BTreeSet;

use slm_benchmarks::Reference;
use slm_retrieval::{Chunk, sketch};

use super::Knowledge;
use super::result::{LookupResult, LookupTool};

/// Returns, for each reference, the chunks that hold it.
pub(super) fn find(references: &[Reference], chunks: &[Chunk]) -> Vec<Vec<usize>> {
    let holds = |reference: &Reference, chunk: &Chunk| {
        let source = chunk.source.strip_prefix("pip:").unwrap_or(&chunk.source);
        let is_file = source
            .strip_suffix(reference.source.as_str())
            .is_some_and(|folder| folder.is_empty() || folder.ends_with('/'));
        is_file && chunk.name == reference.name
    };
    references
        .iter()
        .map(|reference| {
            let all = chunks.iter().enumerate();
            all.filter(|(_, chunk)| holds(reference, chunk))
                .map(|(at, _)| at)
                .collect()
        })
        .collect()
}

/// What the lookups of a trajectory showed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LookedUp {
    /// Chunks that were hidden for the task.
    pub(crate) masked: usize,
    /// Share of the task's references that were shown; `None` if the task has none, or nothing was looked up.
    pub(crate) recall: Option<f64>,
    /// Share of the program's tokens in a common subsequence with the shown chunk that has the longest; `None` without
    /// a program or a shown chunk.
    pub(crate) copied: Option<f64>,
    /// Share of its tokens that a sketch kept of a function; `None` without a sketch.
    pub(crate) sketch_kept: Option<f64>,
}

impl Knowledge {
    /// Compares what lookups showed with the task's references, and with the program that was kept.
    pub(crate) fn looked_up(
        &self,
        task_id: &str,
        lookups: &[LookupResult],
        program: Option<&str>,
    ) -> LookedUp {
        let of_index: Vec<&LookupResult> = lookups
            .iter()
            .filter(|found| found.tool != LookupTool::Memory)
            .collect();
        let shown: BTreeSet<usize> = of_index
            .iter()
            .flat_map(|found| found.hits.iter().filter(|hit| hit.shown))
            .map(|hit| hit.chunk)
            .collect();
        let chunks = self.index.as_ref().map_or(&[][..], |index| index.chunks());
        let copied = |program: &str| {
            let shares = shown.iter().filter_map(|&chunk| chunks.get(chunk));
            shares
                .map(|chunk| sketch::copied(program, &chunk.text))
                .reduce(f64::max)
        };
        LookedUp {
            masked: lookups.iter().map(|found| found.masked).max().unwrap_or(0),
            recall: self
                .recall(task_id, &shown)
                .filter(|_| !of_index.is_empty()),
            copied: program.and_then(copied),
            sketch_kept: lookups.iter().find_map(|found| found.sketch_kept),
        }
    }

    /// Returns the share of a task's references among these chunks; `None` if the task has none.
    fn recall(&self, task_id: &str, shown: &BTreeSet<usize>) -> Option<f64> {
        let references = &self.tasks.get(task_id)?.references;
        if references.is_empty() {
            return None;
        }
        let is_found = |chunks: &&Vec<usize>| chunks.iter().any(|chunk| shown.contains(chunk));
        let found = references.iter().filter(is_found).count();
        Some(found as f64 / references.len() as f64)
    }
}
