//! What a run is to show, and the grid of sampling parameters on which one of its questions is asked.

use serde::{Deserialize, Serialize};

use crate::node::{KeyPath, Node, Step, Value};
use crate::workflow_table::Workflow;

/// What the run is to show: an item of `evaluate.hypotheses`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hypothesis {
    /// Which one. Required.
    pub id: HypothesisId,
    /// The metric that is compared, one that the hypothesis speaks about. No metric twice for an id. Required.
    pub metric: HypothesisMetric,
    /// Smallest change that counts as noticeable, in points of the metric; its sign is the expected direction.
    /// -100 to 100, not 0. Required.
    pub effect: f64,
    /// Points of pass rate that the change may cost at most. Default 2; 0 to 100; only for `h2`.
    pub pass_rate_margin: Option<f64>,
    /// Who set the effect. Not for recipes written by hand: the resolved copy of a recipe says so with it. `None` in
    /// a copy that an earlier version resolved, which did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declared>,
}

/// Who set the effect of a [`Hypothesis`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Declared {
    /// The recipe's file, or a `--set` argument.
    Recipe,
    /// Nobody: it is the project's default.
    Default,
}

impl Hypothesis {
    /// `pass_rate_margin` or its default.
    pub fn pass_rate_margin(&self) -> f64 {
        self.pass_rate_margin.unwrap_or(2.0)
    }

    /// The three questions of the project with the effects that count as noticeable.
    pub(crate) fn defaults() -> Vec<Self> {
        [
            (
                HypothesisId::H1,
                HypothesisMetric::MaintainabilityIndex,
                3.0,
            ),
            (HypothesisId::H1, HypothesisMetric::MiCode, 3.0),
            (
                HypothesisId::H2,
                HypothesisMetric::CyclomaticComplexity,
                -0.5,
            ),
            (HypothesisId::H3, HypothesisMetric::PassRate, 5.0),
        ]
        .map(|(id, metric, effect)| Self {
            id,
            metric,
            effect,
            pass_rate_margin: None,
            declared: Some(Declared::Default),
        })
        .into()
    }

    /// Whether the project's defaults hold this very row, whoever set it.
    pub fn equals_a_default(&self) -> bool {
        Self::defaults().iter().any(|default| {
            (default.id, default.metric) == (self.id, self.metric)
                && default.effect.total_cmp(&self.effect).is_eq()
                && self.pass_rate_margin.is_none()
        })
    }
}

/// Fills in who set each effect, from the tree of what the user wrote. Without the key `evaluate.hypotheses` all rows are
/// defaults.
///
/// A row may claim to be a default only with a default's effect. One that claims nothing was written by hand, unless it
/// spells out `pass_rate_margin: null` beside a default's effect: earlier versions resolved recipes so, whoever set it.
pub(crate) fn find_declarations(tree: &Node, hypotheses: &mut [Hypothesis]) {
    let path = KeyPath::default().child("evaluate").child("hypotheses");
    let Some(rows) = tree.get(&path) else {
        return;
    };
    for (at, hypothesis) in hypotheses.iter_mut().enumerate() {
        let margin = rows
            .child(&Step::Index(at))
            .and_then(|row| row.child(&Step::Key("pass_rate_margin".to_owned())));
        let resolved = margin.is_some_and(|margin| margin.value == Value::Null);
        let is_default = hypothesis.equals_a_default();
        hypothesis.declared = match hypothesis.declared {
            Some(Declared::Default) if is_default => Some(Declared::Default),
            None if is_default && resolved => None,
            _ => Some(Declared::Recipe),
        };
    }
}

/// Name of a hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HypothesisId {
    /// The adapter's code is more maintainable than the base model's.
    H1,
    /// Temperature and top-p change the complexity of the code, at no cost in tests passed.
    H2,
    /// Several agents pass more tests than one that reflects.
    H3,
}

impl HypothesisId {
    /// As a recipe writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::H1 => "h1",
            Self::H2 => "h2",
            Self::H3 => "h3",
        }
    }

    /// The metrics that it speaks about.
    pub fn metrics(self) -> &'static [HypothesisMetric] {
        match self {
            Self::H1 => &[
                HypothesisMetric::MaintainabilityIndex,
                HypothesisMetric::MiCode,
            ],
            Self::H2 => &[HypothesisMetric::CyclomaticComplexity],
            Self::H3 => &[HypothesisMetric::PassRate],
        }
    }
}

/// A metric about which a hypothesis can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HypothesisMetric {
    /// Maintainability index of the program with its docstrings and comments, 0 to 100; adapter less base.
    MaintainabilityIndex,
    /// Maintainability index of the code alone, 0 to 100; adapter less base.
    MiCode,
    /// Cyclomatic complexity of programs that pass their tests; best sampling less the recipe's.
    CyclomaticComplexity,
    /// Tasks whose tests all pass, in percent; multi-agent less reflection.
    PassRate,
}

impl HypothesisMetric {
    /// As a recipe writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaintainabilityIndex => "maintainability_index",
            Self::MiCode => "mi_code",
            Self::CyclomaticComplexity => "cyclomatic_complexity",
            Self::PassRate => "pass_rate",
        }
    }
}

/// The grid of h2: `evaluate.sweep`. The recipe's own sampling is the reference, in the grid or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sweep {
    /// Temperatures. Default `[0.2, 0.6, 1.0]`; 1 to 20 of them, each once, 0 to 10. Temperature 0 is one point,
    /// whatever the values of `top_p`.
    pub temperatures: Vec<f64>,
    /// Values of top-p. Default `[0.8, 0.95, 1.0]`; 1 to 20 of them, each once, above 0, at most 1.
    pub top_p: Vec<f64>,
    /// Answers to each task at each point of the grid, one at temperature 0. Default 1; 1 to 1000.
    pub samples_per_task: usize,
    /// The way from a task to an answer. Default `single`.
    pub workflow: Workflow,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            temperatures: vec![0.2, 0.6, 1.0],
            top_p: vec![0.8, 0.95, 1.0],
            samples_per_task: 1,
            workflow: Workflow::Single,
        }
    }
}
