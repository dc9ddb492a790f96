//! Which rows are wanted.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use slm_artifacts::DatasetKind;

/// The rule of the rows of routes.
pub(crate) const CHEAPEST: &str = "cheapest";

/// The rule of [`Kind::Decompositions`].
pub(crate) const SPLIT: &str = "split";

/// A kind of data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answers to learn.
    Sft,
    /// A better and a worse answer to one prompt.
    Pairs(PairRule),
    /// Answers, each good or bad.
    Kto,
    /// Plans, and programs that follow them. [`harvest`](crate::harvest) selects the programs as for [`Kind::Sft`].
    Plans,
    /// Bodies of documented functions after a sketch of a similar function. The caller makes the rows; of answers,
    /// [`harvest`](crate::harvest) selects those of [`Kind::Sft`].
    Sketches,
    /// Names of workflows, each labelled. [`routes`](crate::routes()) makes the rows; of answers,
    /// [`harvest`](crate::harvest) selects those of [`Kind::Sft`].
    Routes,
    /// Splits of tasks into functions, each labelled. [`decompositions`](crate::decompositions()) makes the rows; of answers,
    /// [`harvest`](crate::harvest) selects those of [`Kind::Sft`].
    Decompositions,
    /// Programs, each with yes if it passes and no if it fails, for the role `verifier`. The rows are selected as for
    /// [`Kind::Kto`].
    Verifier,
}

/// What makes one answer better than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairRule {
    /// It passes clearly more hidden tests, as in `AceCoder` (<https://arxiv.org/abs/2502.01718>).
    Correctness,
    /// Both pass all hidden tests, and it is more maintainable.
    Maintainability,
}

impl PairRule {
    /// Returns the word of the command line and of the rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Correctness => "correctness",
            Self::Maintainability => "maintainability",
        }
    }
}

/// Which answers of a task are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Those that pass all hidden tests.
    Passed,
    /// As a control: equally many of the same tasks, drawn without regard to tests.
    None,
    /// As a control: the publisher's solutions of the same tasks.
    Canonical,
}

impl Keep {
    /// Returns the word of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::None => "none",
            Self::Canonical => "canonical",
        }
    }
}

/// Which of the answers to a task are chosen first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// Those with the highest maintainability index of their code.
    MiCode,
    /// Those with the fewest logical lines of code.
    Short,
    /// Those most likely under the model.
    Likelihood,
}

impl Prefer {
    /// Returns the word of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::MiCode => "mi_code",
            Self::Short => "short",
            Self::Likelihood => "likelihood",
        }
    }
}

/// The rules of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The kind of its rows.
    pub kind: Kind,
    /// Which answers are kept; only [`Kind::Sft`] has controls.
    pub keep: Keep,
    /// Which answers are chosen first.
    pub prefer: Prefer,
    /// Most rows of a task; for [`Kind::Kto`] and [`Kind::Verifier`] of each label.
    pub per_task: usize,
    /// Most rows; `None` for all.
    pub max_rows: Option<usize>,
    /// Seed of what a control draws.
    pub seed: u64,
}

impl Settings {
    /// Returns the kind as the data set's description has it.
    pub fn dataset_kind(&self) -> DatasetKind {
        match self.kind {
            Kind::Sft => DatasetKind::Sft,
            Kind::Pairs(_) => DatasetKind::Pairs,
            Kind::Kto => DatasetKind::Kto,
            Kind::Plans => DatasetKind::Plans,
            Kind::Sketches => DatasetKind::Sketches,
            Kind::Routes => DatasetKind::Routes,
            Kind::Decompositions => DatasetKind::Decompositions,
            Kind::Verifier => DatasetKind::Verifier,
        }
    }

    /// Returns the name of the rule that selects a row.
    pub fn rule(&self) -> &'static str {
        match self.kind {
            Kind::Pairs(rule) => rule.name(),
            Kind::Sft | Kind::Kto | Kind::Plans | Kind::Verifier => self.keep.name(),
            Kind::Sketches => "nearest",
            Kind::Routes => CHEAPEST,
            Kind::Decompositions => SPLIT,
        }
    }

    /// Returns the settings that have an effect, by name.
    pub fn to_rules(&self) -> BTreeMap<String, Value> {
        if matches!(
            self.kind,
            Kind::Sketches | Kind::Routes | Kind::Decompositions
        ) {
            return BTreeMap::new();
        }
        let mut rules = BTreeMap::from([("per_task".to_owned(), json!(self.per_task))]);
        if let Some(rows) = self.max_rows {
            rules.insert("max_rows".to_owned(), json!(rows));
        }
        match self.kind {
            Kind::Pairs(rule) => {
                rules.insert("rule".to_owned(), json!(rule.name()));
            }
            Kind::Sft
            | Kind::Kto
            | Kind::Plans
            | Kind::Sketches
            | Kind::Routes
            | Kind::Decompositions
            | Kind::Verifier => {
                rules.insert("keep".to_owned(), json!(self.keep.name()));
                rules.insert("prefer".to_owned(), json!(self.prefer.name()));
            }
        }
        if self.keep == Keep::None {
            rules.insert("seed".to_owned(), json!(self.seed));
        }
        rules
    }
}
