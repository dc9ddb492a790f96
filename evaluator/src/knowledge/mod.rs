//! What workflows look up: the index of documentation and code, the memory, and what of them is hidden for a task.
//!
//! - `open` reads the sources that a recipe names, and hides for each task what shares text with its solution or its
//!   hidden tests
//! - `look` does a lookup
//! - `named` does the lookups of a symbol, and of lines of a file
//! - `interface` shows a function that is to be called as documentation, without its body
//! - `compose` puts chunks into a text of limited length
//! - `memory_file` reads a memory, and `memory` finds the nearest entries in it
//! - `placebo` draws text that has nothing to do with the task, as long as the text of a lookup
//! - `result` is what a lookup found, as trajectories log it
//! - `recall` compares what lookups showed with what the task names as its references, and with the program

mod compose;
#[cfg(test)]
mod for_tests;
mod interface;
mod look;
mod memory;
pub(crate) mod memory_file;
#[cfg(test)]
pub(crate) mod memory_for_tests;
mod named;
mod open;
mod placebo;
mod recall;
mod result;

pub(crate) use compose::shown_sketch;
pub(crate) use named::file_range;
pub(crate) use recall::LookedUp;
pub(crate) use result::{Hit, LookupResult, LookupTool};

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use slm_benchmarks::TaskView;
use slm_config::MemoryMode;
use slm_report::{KnowledgeInfo, OfflineCost};
use slm_retrieval::{Index, Mask};

use memory::Memory;

pub(crate) use open::{collect_sources, open, working_directory};

/// Counts the tokens of a text.
pub(crate) type CountTokens = Rc<dyn Fn(&str) -> usize>;

/// The counter of a model that is opened later: sources are checked before a model is loaded.
#[derive(Clone, Default)]
pub(crate) struct LaterCounter(Rc<OnceCell<CountTokens>>);

impl LaterCounter {
    /// Returns the counter; until the model is there, a word counts as a token.
    pub(crate) fn counter(&self) -> CountTokens {
        let Self(later) = self.clone();
        Rc::new(move |text| match later.get() {
            Some(count_tokens) => count_tokens(text),
            None => text.split_whitespace().count(),
        })
    }

    /// Counts with the model from now on.
    pub(crate) fn set(&self, count_tokens: CountTokens) {
        // The first model is the only one of a run.
        let _ = self.0.set(count_tokens);
    }
}

/// A lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) tool: LookupTool,
    pub(crate) query: String,
    pub(crate) form: Form,
}

/// What a lookup shows of what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The best chunks as they are.
    Chunks,
    /// The best chunks, to be graded; none of them is shown.
    Graded,
    /// As much text that has nothing to do with the query.
    Placebo,
    /// The chunks that the task names as its references.
    References,
    /// The best function as it is.
    Function,
    /// The best function as a sketch.
    Sketch,
    /// The nearest entries of the memory.
    Entries,
    /// As much text of other entries, drawn by the seed.
    RandomEntries,
    /// What a tool finds, in a few lines; for a name or a file what is there instead of the best chunks.
    Observation,
}

/// Everything that can be looked up in a run.
pub(crate) struct Knowledge {
    /// `None` if the recipe names no documentation and no code.
    index: Option<Index>,
    /// By the task's name in the run; a task without an entry has nothing hidden.
    tasks: BTreeMap<String, TaskKnowledge>,
    top_k: usize,
    max_tokens: usize,
    /// Whether bodies of documented functions are shown.
    bodies: bool,
    count_tokens: CountTokens,
    info: Option<KnowledgeInfo>,
    /// `None` if the recipe names no memory.
    memory: Option<Memory>,
    memory_mode: MemoryMode,
}

/// What a task hides of the index, and what solves it.
struct TaskKnowledge {
    mask: Mask,
    /// For each reference, the chunks that hold it.
    references: Vec<Vec<usize>>,
}

impl Knowledge {
    /// Nothing to look up.
    pub(crate) fn none() -> Self {
        let count_words = |text: &str| text.split_whitespace().count();
        Self {
            index: None,
            tasks: BTreeMap::new(),
            top_k: 0,
            max_tokens: 0,
            bodies: false,
            count_tokens: Rc::new(count_words),
            info: None,
            memory: None,
            memory_mode: MemoryMode::default(),
        }
    }

    /// Whether a text from elsewhere, such as what a program prints, may be shown for a task.
    pub(crate) fn permits(&self, task: &TaskView, text: &str) -> bool {
        let of_task = self.tasks.get(&task.task_id);
        of_task.is_none_or(|of| of.mask.permits(text))
    }

    /// Returns the description for the run's file; `None` if there is nothing to look up.
    pub(crate) fn info(&self) -> Option<&KnowledgeInfo> {
        self.info.as_ref()
    }

    /// Returns the work before the run, for the run's file.
    pub(crate) fn offline(&self) -> Vec<OfflineCost> {
        let cost = |memory: &Memory| memory.cost();
        self.memory.iter().map(cost).collect()
    }

    /// What `memory` puts into the prompt.
    pub(crate) fn memory_mode(&self) -> MemoryMode {
        self.memory_mode
    }

    /// Returns the general lines of the memory that a task may see; empty without a memory.
    pub(crate) fn general(&self, task_id: &str) -> String {
        let memory = self.memory.as_ref();
        memory.map_or_else(String::new, |memory| memory.general(task_id))
    }
}
