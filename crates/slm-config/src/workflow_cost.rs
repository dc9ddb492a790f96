//! The most that a workflow can spend on one sample of one task.

use crate::knowledge::{Grade, MemoryMode};
use crate::selection::SamplesSelect;
use crate::tools::Strategy;

/// The most that a workflow can spend on one sample, apart from tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Calls to the model.
    pub calls: usize,
    /// Executions of a program against the visible tests, or of a snippet after it.
    pub executions: usize,
    /// Lookups.
    pub lookups: usize,
}

impl Cost {
    pub(crate) const fn new(calls: usize, executions: usize, lookups: usize) -> Self {
        Self {
            calls,
            executions,
            lookups,
        }
    }
}

/// The keys of a recipe on which costs depend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostFacts {
    /// `evaluate.rounds`.
    pub rounds: usize,
    /// `evaluate.samples`.
    pub samples: usize,
    /// `evaluate.samples_select`.
    pub select: SamplesSelect,
    /// `evaluate.beam.n`.
    pub beam_programs: usize,
    /// The most calls that `evaluate.beam` leads to.
    pub beam_calls: usize,
    /// `evaluate.tools.strategy`.
    pub strategy: Strategy,
    /// `knowledge.top_k`.
    pub top_k: usize,
    /// `knowledge.grade`.
    pub grade: Grade,
    /// `knowledge.memory_mode`.
    pub memory_mode: MemoryMode,
    /// The most that one of the workflows which `adaptive` chooses from can spend of each.
    pub adaptive: Cost,
}

impl Cost {
    /// Returns the larger of each.
    pub(crate) fn larger(self, other: Self) -> Self {
        Self {
            calls: self.calls.max(other.calls),
            executions: self.executions.max(other.executions),
            lookups: self.lookups.max(other.lookups),
        }
    }
}

impl CostFacts {
    /// The cost of `adaptive`: the router's call, and the largest of its choices; without the call if `draws`.
    pub(crate) fn adaptive(&self, draws: bool) -> Cost {
        let Cost {
            calls,
            executions,
            lookups,
        } = self.adaptive;
        Cost::new(calls + usize::from(!draws), executions, lookups)
    }

    /// The cost of `chat_chain`: a specification and tests; for each program, a question and its answer unless it is the
    /// control without; for each revision, a comment.
    pub(crate) fn chat_chain(&self, asks: bool) -> Cost {
        let programs = 1 + self.rounds;
        let of_program = if asks { 3 } else { 1 };
        Cost::new(2 + of_program * programs + self.rounds, programs, 0)
    }

    /// The cost of `best_of_n`: a verifier is asked about each program, and `weighted` needs tests.
    pub(crate) fn best_of_n(&self) -> Cost {
        let calls = match self.select {
            SamplesSelect::Public | SamplesSelect::Likelihood => self.samples,
            SamplesSelect::Verifier => 2 * self.samples,
            SamplesSelect::Weighted => 2 * self.samples + 1,
        };
        Cost::new(calls, self.samples, 0)
    }

    /// The cost of `crag`: the draft, and a second query if the first finds nothing certain.
    pub(crate) fn crag(&self) -> Cost {
        let graded = match self.grade {
            Grade::Overlap => 0,
            Grade::Model => 2 * self.top_k,
        };
        Cost::new(2 + graded, 1, 2)
    }

    /// The cost of `tools`: with `lookups` or, as its control, without.
    pub(crate) fn tools(&self, lookups: bool) -> Cost {
        let (choosing, tries, most_lookups) = match self.strategy {
            Strategy::Rule => (0, 0, MOST_SYMBOLS + 2),
            Strategy::Plan => (1, 0, MOST_CHOSEN),
            Strategy::React => (MOST_ACTIONS, MOST_ACTIONS, MOST_ACTIONS),
        };
        let lookups = if lookups { most_lookups } else { 0 };
        Cost::new(choosing + 1 + self.rounds, tries + 1 + self.rounds, lookups)
    }

    /// The cost of `memory`: the draft, one revision, and an instruction in one of the modes.
    pub(crate) fn memory(&self) -> Cost {
        match self.memory_mode {
            MemoryMode::Examples => Cost::new(2, 2, 1),
            MemoryMode::Dynamic => Cost::new(3, 2, 1),
            MemoryMode::Static => Cost::new(2, 2, 0),
        }
    }
}

/// Most names of a signature that `tools` looks up by rule.
pub const MOST_SYMBOLS: usize = 3;

/// Most tools that the model of `tools` chooses in advance.
pub const MOST_CHOSEN: usize = 4;

/// Most actions that the model of `tools` chooses one by one.
pub const MOST_ACTIONS: usize = 8;
