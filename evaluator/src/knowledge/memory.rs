//! The memory of successful runs: the nearest entries for a task, and its general lines.
//!
//! # Source
//! The rank is that of Park et al. 2023, arXiv:2304.03442 (weights 3 and 2 of relevance and importance), without recency,
//! since a memory does not grow in a run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use slm_artifacts::{MemoryCost, MemoryEntry};
use slm_report::OfflineCost;
use slm_retrieval::{Chunk, ChunkKind, Collected, Corpus, Index, Mask, Secret};

use super::CountTokens;
use super::compose::{Composed, compose, head};
use super::memory_file::MemoryFile;
use super::result::{Hit, LookupResult};

/// Entries that a lookup finds.
const ENTRIES: usize = 2;

/// Weights of relevance and importance.
const RELEVANCE: f64 = 3.0;
const IMPORTANCE: f64 = 2.0;

/// A memory, with what of it is hidden for each task.
pub(super) struct Memory {
    pub(super) file: MemoryFile,
    /// The entries as prompts show them.
    texts: Vec<String>,
    /// The words of the entries; `None` without entries.
    words: Option<Index>,
    /// The texts of the entries; `None` without entries.
    whole: Option<Index>,
    /// What is hidden of `whole`, by the task's name in the run; a task without an item has nothing hidden.
    hidden: BTreeMap<String, Mask>,
    max_tokens: usize,
    count_tokens: CountTokens,
}

/// Indexes texts; `None` if there are none.
fn index(texts: &[String]) -> Option<Index> {
    let chunks = (0..).zip(texts).map(|(at, text): (usize, _)| {
        Chunk::new(format!("entry {at}"), ChunkKind::Section, "", (1, 1), text)
    });
    let collected = Collected {
        chunks: chunks.collect(),
        ..Collected::default()
    };
    Index::new(collected).ok()
}

impl Memory {
    /// Indexes the words and the texts of the entries.
    pub(super) fn new(file: MemoryFile, max_tokens: usize, count_tokens: CountTokens) -> Self {
        let texts: Vec<String> = file.entries.iter().map(shown).collect();
        let words: Vec<String> = file.entries.iter().map(|of| of.words.clone()).collect();
        Self {
            words: index(&words),
            whole: index(&texts),
            texts,
            file,
            hidden: BTreeMap::new(),
            max_tokens,
            count_tokens,
        }
    }

    /// Hides for a task every entry that shares text with its solution or its hidden tests.
    pub(super) fn hide(&mut self, task_id: &str, secret: &Secret) {
        if let Some(whole) = &self.whole {
            self.hidden.insert(task_id.to_owned(), whole.mask(secret));
        }
    }

    /// Returns what the memory cost before the run.
    pub(super) fn cost(&self) -> OfflineCost {
        let MemoryCost {
            calls,
            completion_tokens,
            executions,
        } = self.file.header.offline;
        OfflineCost {
            what: "memory".to_owned(),
            completion_tokens,
            calls,
            executions,
        }
    }

    /// Returns the general lines as a list, apart from those that share text with what the task hides.
    pub(super) fn general(&self, task_id: &str) -> String {
        let lines: Vec<String> = self
            .file
            .header
            .general
            .iter()
            .map(|line| format!("- {line}"))
            .collect();
        self.compose(task_id, &lines, self.max_tokens).text
    }

    /// Finds the two best entries; with `random`, shows as much text of others, in an order that the seed draws.
    pub(super) fn look(&self, task_id: &str, found: &mut LookupResult, random: Option<u64>) {
        found.index_sha256.clone_from(&self.file.sha256);
        found.masked = self.hidden.get(task_id).map_or(0, Mask::n_hidden);
        let ranked = self.ranked(task_id, &found.query);
        let (best, others) = ranked.split_at(ranked.len().min(ENTRIES));
        // The general lines are in the same prompt.
        let general = (self.count_tokens)(&self.general(task_id));
        let room = self.max_tokens.saturating_sub(general);
        let shown = self.compose(task_id, &self.texts_of(best), room);
        let Some(seed) = random else {
            self.show(found, best, shown);
            return;
        };
        let mut others = others.to_vec();
        // By place first: what is drawn must not depend on the query.
        others.sort_unstable_by_key(|(at, _)| *at);
        others.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let wanted = (self.count_tokens)(&shown.text);
        let drawn = self.drawn(task_id, &others, wanted);
        self.show(found, &others, drawn);
    }

    /// Returns the entries that are not hidden, the best first, with their scores: three times the relevance and twice the
    /// importance, then by place.
    ///
    /// Relevance is the BM25 score of the query over the words of the entries. Both are divided by the largest among the
    /// entries that are not hidden, so that they are from 0 to 1.
    fn ranked(&self, task_id: &str, query: &str) -> Vec<(usize, f64)> {
        let hidden = self.hidden.get(task_id);
        ranked(self.measured(query, |at| hidden.is_some_and(|of| of.hides(at))))
    }

    /// Returns the place, the relevance and the importance of every entry that is not hidden.
    fn measured(&self, query: &str, is_hidden: impl Fn(usize) -> bool) -> Vec<(usize, f64, f64)> {
        let Some(words) = &self.words else {
            return Vec::new();
        };
        // Scores depend on all entries, hidden ones included.
        let all = words.scores(query, Corpus::All, &Mask::none()).into_iter();
        all.filter(|hit| !is_hidden(hit.chunk))
            .map(|hit| {
                let importance = self.file.entries[hit.chunk].importance;
                (hit.chunk, f64::from(hit.score), importance)
            })
            .collect()
    }

    fn texts_of(&self, entries: &[(usize, f64)]) -> Vec<String> {
        let texts = entries.iter().map(|(at, _)| self.texts[*at].clone());
        texts.collect()
    }

    fn compose(&self, task_id: &str, texts: &[String], max_tokens: usize) -> Composed {
        let nothing = Mask::none();
        let mask = self.hidden.get(task_id).unwrap_or(&nothing);
        compose(texts, max_tokens, mask, &*self.count_tokens)
    }

    /// Joins entries until they have this number of tokens, and cuts the last one.
    fn drawn(&self, task_id: &str, entries: &[(usize, f64)], wanted: usize) -> Composed {
        let mut drawn = Composed::default();
        for (at, _) in entries {
            if (self.count_tokens)(&drawn.text) >= wanted {
                break;
            }
            let texts = [drawn.text.clone(), self.texts[*at].clone()];
            let given = texts.into_iter().filter(|text| !text.is_empty());
            let given: Vec<String> = given.collect();
            let longer = self.compose(task_id, &given, usize::MAX);
            drawn.shown.push(longer.shown.last() == Some(&true));
            drawn.text = longer.text;
        }
        drawn.text = head(&drawn.text, wanted, &*self.count_tokens);
        drawn
    }

    /// Describes the entries, and shows the text that was made of them.
    fn show(&self, found: &mut LookupResult, entries: &[(usize, f64)], composed: Composed) {
        let Composed { text, shown } = composed;
        let query = &found.query;
        let hits = entries.iter().zip(shown).map(|(&(at, score), shown)| {
            let entry = &self.file.entries[at];
            let coverage = |words: &Index| words.coverage(query, at);
            Hit {
                chunk: at,
                source: entry.task_id.clone(),
                lines: None,
                name: entry.entry_point.clone(),
                sha256: slm_artifacts::sha256(&self.texts[at]),
                score,
                overlap: self.words.as_ref().map_or(0.0, coverage),
                shown,
            }
        });
        found.hits = hits.collect();
        found.shown = text;
    }
}

/// Ranks entries, of each its place, its relevance and its importance.
fn ranked(all: Vec<(usize, f64, f64)>) -> Vec<(usize, f64)> {
    let relevance = all.iter().map(|of| of.1).fold(0.0, f64::max);
    let importance = all.iter().map(|of| of.2).fold(0.0, f64::max);
    let scaled = |value: f64, most: f64| if most > 0.0 { value / most } else { 0.0 };
    let mut ranked: Vec<(usize, f64)> = all
        .into_iter()
        .map(|(at, own_relevance, own_importance)| {
            let score = RELEVANCE * scaled(own_relevance, relevance)
                + IMPORTANCE * scaled(own_importance, importance);
            (at, score)
        })
        .collect();
    // Stable: entries of equal score stay in the order of the file.
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}

/// Returns an entry as a prompt shows it.
fn shown(entry: &MemoryEntry) -> String {
    let title = match entry.entry_point.as_str() {
        "" => "### A program".to_owned(),
        name => format!("### `{name}`"),
    };
    let plan = entry.plan.as_deref().unwrap_or_default().trim();
    let plan = if plan.is_empty() {
        String::new()
    } else {
        format!("{plan}\n\n")
    };
    let mut failed = String::new();
    for line in &entry.failed {
        let _ = writeln!(failed, "\nAn earlier attempt failed: {line}");
    }
    let program = entry.program.trim_end();
    format!("{title}\n\n{plan}```python\n{program}\n```\n{failed}")
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use serde_json::Value;

    use super::*;
    use crate::knowledge::memory_for_tests::{entry, file};

    fn memory(entries: &[MemoryEntry]) -> Memory {
        let words = |text: &str| text.split_whitespace().count();
        Memory::new(file(entries, &[]), 600, Rc::new(words))
    }

    /// `tests/it/golden/memory/rank.py` wrote the file.
    #[test]
    fn entries_are_ranked_as_by_the_reference_in_python() {
        let golden = include_str!("../../tests/it/golden/memory/ranks.json");
        let cases: Vec<Value> = serde_json::from_str(golden).expect("JSON");
        assert!(cases.len() >= 20);
        for case in &cases {
            let of = |key: &str| case[key].as_array().expect("a list").iter();
            let entries: Vec<MemoryEntry> = (1..)
                .zip(of("entries"))
                .map(|(n, given)| MemoryEntry {
                    words: given["words"].as_str().expect("a text").to_owned(),
                    ..entry(n, given["importance"].as_f64().expect("a number"))
                })
                .collect();
            let is_hidden = |at: usize| of("hidden").any(|of| *of == at);
            let query = case["query"].as_str().expect("a text");
            let all = memory(&entries).measured(query, is_hidden);
            let ranked = ranked(all);
            let expected: Vec<(usize, f64)> = of("ranked")
                .map(|of| {
                    let place = of[0].as_u64().expect("a place") as usize;
                    (place, of[1].as_f64().expect("a number"))
                })
                .collect();
            assert_eq!(ranked.len(), expected.len());
            for ((at, score), (expected_at, expected_score)) in ranked.iter().zip(&expected) {
                assert_eq!(at, expected_at, "{query}: {ranked:?}, {expected:?}");
                assert!((score - expected_score).abs() < 1e-5, "{query}");
            }
        }
    }

    #[test]
    fn an_entry_is_shown_with_its_plan_and_what_failed_before() {
        let mut entry = entry(1, 0.5);
        assert_eq!(
            shown(&entry),
            format!("### `add_1`\n\n```python\n{}```\n", entry.program)
        );
        entry.plan = Some("1. Add one.\n".to_owned());
        entry.failed = vec!["`assert add_1(0) == 1`: AssertionError".to_owned()];
        assert_eq!(
            shown(&entry),
            format!(
                "### `add_1`\n\n1. Add one.\n\n```python\n{}```\n\nAn earlier attempt failed: `assert add_1(0) == 1`: \
                 AssertionError\n",
                entry.program
            )
        );
    }
}
