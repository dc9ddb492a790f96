//! The cells of a run, each one arm in one workflow with one sampling setting.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use slm_config::{Evaluate, Workflow};

/// A sampling setting, as far as it differs between the cells of a run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoding {
    /// 0 is greedy decoding.
    pub temperature: f64,
    /// Nucleus size: sample from the fewest tokens with this total probability.
    pub top_p: f64,
}

impl Decoding {
    /// Returns the recipe's own setting.
    pub fn of(evaluate: &Evaluate) -> Self {
        Self {
            temperature: evaluate.sampling.temperature,
            top_p: evaluate.sampling.top_p,
        }
    }

    /// Whether the same request always gets the same answer.
    pub fn is_greedy(self) -> bool {
        self.temperature <= 0.0
    }

    fn bits(self) -> [u64; 2] {
        [self.temperature, self.top_p].map(f64::to_bits)
    }
}

impl fmt::Display for Decoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_greedy() {
            return f.write_str("greedy");
        }
        write!(f, "temperature {}, top-p {}", self.temperature, self.top_p)
    }
}

// Compared bit by bit, so that cells can be keys: a recipe's validated numbers are finite, and round-trip exactly.
impl PartialEq for Decoding {
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits()
    }
}

impl Eq for Decoding {}

impl Hash for Decoding {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits().hash(state);
    }
}

impl Ord for Decoding {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_top_p = || self.top_p.total_cmp(&other.top_p);
        self.temperature
            .total_cmp(&other.temperature)
            .then_with(by_top_p)
    }
}

impl PartialOrd for Decoding {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One arm in one workflow with one sampling setting, which answers every task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// [`BASE_ARM`](slm_artifacts::BASE_ARM) or an adapter's name.
    pub arm: String,
    /// The workflow that leads from a task to a program.
    pub workflow: Workflow,
    /// The sampling setting.
    pub decoding: Decoding,
    /// Answers to each task.
    pub samples: u32,
}

impl Cell {
    /// Whether two cells are equal except for the number of answers.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        (&self.arm, self.workflow, self.decoding) == (&other.arm, other.workflow, other.decoding)
    }

    /// Returns the cell's name, which omits the setting `reference`.
    pub fn label(&self, reference: Decoding) -> String {
        let Self {
            arm,
            workflow,
            decoding,
            ..
        } = self;
        if *decoding == reference {
            format!("{arm} {workflow}")
        } else {
            format!("{arm} {workflow} {decoding}")
        }
    }
}
