//! Memories of a few entries, for tests.

use std::rc::Rc;

use slm_artifacts::{
    MEMORY_VERSION, MemoryCost, MemoryCounts, MemoryEntry, MemoryHeader, MemoryKind,
    TaskFingerprint,
};
use slm_config::MemoryMode;
use slm_retrieval::Secret;

use super::Knowledge;
use super::memory::Memory;
use super::memory_file::{self, MemoryFile};

/// Returns the entry of the task `own/N`: add N.
pub(crate) fn entry(n: usize, importance: f64) -> MemoryEntry {
    MemoryEntry {
        task_id: format!("own/{n}"),
        entry_point: format!("add_{n}"),
        words: format!("Add {n} to x add_{n} x"),
        plan: None,
        program: format!("def add_{n}(x):\n    \"\"\"Add {n} to x.\"\"\"\n    return x + {n}\n"),
        failed: Vec::new(),
        importance,
        run: "run".to_owned(),
        arm: "base".to_owned(),
        workflow: "single".to_owned(),
        temperature: 0.0,
        top_p: 1.0,
        sample: 0,
    }
}

/// Returns the lines of a memory's file.
pub(crate) fn lines(entries: &[MemoryEntry], general: &[String]) -> String {
    let header = MemoryHeader {
        version: MEMORY_VERSION,
        kind: MemoryKind::Memory,
        runs: Vec::new(),
        compared_with: Vec::new(),
        counts: MemoryCounts {
            answers: entries.len(),
            entries: entries.len(),
        },
        left_out: [].into(),
        offline: MemoryCost {
            calls: 3,
            completion_tokens: 60,
            executions: 2,
        },
        general: general.to_vec(),
        general_check: None,
        tasks: entries
            .iter()
            .map(|of| TaskFingerprint {
                task_id: of.task_id.clone(),
                publisher_id: None,
                sentences: Vec::new(),
                functions: Vec::new(),
            })
            .collect(),
    };
    let entries = entries.iter().map(serde_json::to_string);
    let lines = std::iter::once(serde_json::to_string(&header)).chain(entries);
    lines.map(|line| line.expect("JSON") + "\n").collect()
}

/// Returns a memory as its file has it.
pub(crate) fn file(entries: &[MemoryEntry], general: &[String]) -> MemoryFile {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("memory.jsonl");
    std::fs::write(&path, lines(entries, general)).expect("a file");
    memory_file::read(&path).expect("a memory")
}

impl Knowledge {
    /// Remembers entries and general lines; a word counts as a token.
    pub(crate) fn of_memory(entries: &[MemoryEntry], general: &[&str], mode: MemoryMode) -> Self {
        let general: Vec<String> = general.iter().map(|&line| line.to_owned()).collect();
        let words: super::CountTokens = Rc::new(|text: &str| text.split_whitespace().count());
        Self {
            memory: Some(Memory::new(file(entries, &general), 600, words)),
            memory_mode: mode,
            ..Self::none()
        }
    }

    /// Hides for a task the entries that share text with its solution.
    pub(crate) fn forgetting(mut self, task_id: &str, solution: &str) -> Self {
        let secret = Secret {
            solutions: &[solution],
            tests: &[],
            target: None,
        };
        if let Some(memory) = &mut self.memory {
            memory.hide(task_id, &secret);
        }
        self
    }
}
