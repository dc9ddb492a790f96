//! The effects that a run is to show, and the grid of sampling parameters of h2.

use serde::{Deserialize, Serialize};

use crate::node::{KeyPath, Node, Step, Value};
use crate::schema::{Kind, section, words};
use crate::workflow_table::Workflow;

section! {
/// An effect to show: an item of `evaluate.hypotheses`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hypothesis requires {
    /// The hypothesis.
    id: HypothesisId => Kind::Word(HypothesisId::words);
    /// The metric compared, one that belongs to the hypothesis. Each metric once for an id and a workflow.
    metric: HypothesisMetric => Kind::Word(HypothesisMetric::words);
    /// The workflow in which the arms are compared, one of `evaluate.workflows` (`h1` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workflow: Option<Workflow> => Kind::Word(Workflow::words), absent "the first of `evaluate.workflows`";
    /// Smallest change that counts, in points of the metric; its sign is the expected direction. Not 0.
    effect: f64 => Kind::from_to(-100.0, 100.0);
    /// Most points of pass rate that the change may cost (`h1` and `h2`). For `h1`, a verdict *supported* then requires that
    /// the whole 95 % interval of the change of pass rate is at or above minus this; the smallest margin of its rows counts.
    /// A row on `pass_rate` has none.
    pass_rate_margin: Option<f64> => Kind::from_to(0.0, 100.0), absent "2 for `h2`; for `h1` a loss of pass rate is not tested";
    /// Who set the effect. Written into resolved copies of recipes, not for recipes written by hand. `null` in copies written
    /// by an earlier version, which did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    declared: Option<Declared> => Kind::Word(Declared::words), absent "found out from the recipe";
}
}

words! {
/// Who set the effect of a [`Hypothesis`].
pub enum Declared {
    /// The recipe's file, or a `--set` argument.
    Recipe = "recipe",
    /// The project's default.
    Default = "default",
}
}

impl Hypothesis {
    /// `pass_rate_margin` of [`HypothesisId::H2`], or its default.
    pub fn pass_rate_margin_of_h2(&self) -> f64 {
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
            workflow: None,
            effect,
            pass_rate_margin: None,
            declared: Some(Declared::Default),
        })
        .into()
    }

    /// Whether the project's defaults contain an equal row.
    pub fn equals_a_default(&self) -> bool {
        Self::defaults().iter().any(|default| {
            (default.id, default.metric) == (self.id, self.metric)
                && self.workflow.is_none()
                && default.effect.total_cmp(&self.effect).is_eq()
                && self.pass_rate_margin.is_none()
        })
    }
}

/// Fills in who set each effect, from the tree of what the user wrote. Without the key `evaluate.hypotheses` all rows are
/// defaults.
///
/// A row may claim to be a default only with a default's effect. One that claims nothing was written by hand, unless it
/// spells out `pass_rate_margin: null` beside a default's effect: earlier versions resolved every recipe so.
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

words! {
/// Name of a hypothesis.
#[derive(PartialOrd, Ord)]
pub enum HypothesisId {
    /// The adapter's code is more maintainable than the base model's, or passes more tests.
    H1 = "h1",
    /// Temperature and top-p change the complexity of the code, at no cost in pass rate.
    H2 = "h2",
    /// Several agents pass more tests than one that reflects.
    H3 = "h3",
}
}

impl HypothesisId {
    /// The metrics that belong to it.
    pub fn metrics(self) -> &'static [HypothesisMetric] {
        match self {
            Self::H1 => &[
                HypothesisMetric::MaintainabilityIndex,
                HypothesisMetric::MiCode,
                HypothesisMetric::CognitiveComplexity,
                HypothesisMetric::SecurityFindings,
                HypothesisMetric::ReliabilityFindings,
                HypothesisMetric::Smells,
                HypothesisMetric::DebtMinutes,
                HypothesisMetric::PassRate,
            ],
            Self::H2 => &[HypothesisMetric::CyclomaticComplexity],
            Self::H3 => &[HypothesisMetric::PassRate],
        }
    }
}

words! {
/// A metric of a hypothesis.
pub enum HypothesisMetric {
    /// Maintainability index of the program with its docstrings and comments, 0 to 100; adapter minus base model.
    MaintainabilityIndex = "maintainability_index",
    /// Maintainability index of the code alone, 0 to 100; adapter minus base model.
    MiCode = "mi_code",
    /// Cognitive complexity; adapter minus base model. Lower is better.
    CognitiveComplexity = "cognitive_complexity",
    /// Findings of the security rules per 100 programs; adapter minus base model. Lower is better.
    SecurityFindings = "security_findings",
    /// Findings of the reliability rules per 100 programs; adapter minus base model. Lower is better.
    ReliabilityFindings = "reliability_findings",
    /// Findings of the rules on smells per 100 programs; adapter minus base model. Lower is better.
    Smells = "smells",
    /// Estimated minutes to repair all findings of a program; adapter minus base model. Lower is better.
    DebtMinutes = "debt_minutes",
    /// Cyclomatic complexity of programs that pass their tests; best sampling minus the recipe's.
    CyclomaticComplexity = "cyclomatic_complexity",
    /// Tasks whose tests all pass, in percent; adapter minus base model (`h1`), or multi-agent minus reflection (`h3`).
    PassRate = "pass_rate",
}
}

impl HypothesisMetric {
    /// Whether it counts what a program should have little of, so that `h1` expects a fall.
    pub fn falls_with_h1(self) -> bool {
        match self {
            Self::CognitiveComplexity
            | Self::SecurityFindings
            | Self::ReliabilityFindings
            | Self::Smells
            | Self::DebtMinutes => true,
            Self::MaintainabilityIndex
            | Self::MiCode
            | Self::CyclomaticComplexity
            | Self::PassRate => false,
        }
    }
}

section! {
/// The grid of h2: `evaluate.sweep`. The recipe's own sampling is the reference, in the grid or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// Temperatures. Temperature 0 is one point, for all values of `top_p`.
    temperatures: Vec<f64> = vec![0.2, 0.6, 1.0] => Kind::List {
        of: &Kind::from_to(0.0, 10.0), unique: true, item: "value", least: 1, most: 20,
    };
    /// Values of top-p.
    top_p: Vec<f64> = vec![0.8, 0.95, 1.0] => Kind::List { of: &Kind::above(0.0, 1.0), unique: true, item: "value", least: 1, most: 20 };
    /// Samples per task at each point of the grid; one at temperature 0.
    samples_per_task: usize = 1 => Kind::Int(1, 1000);
    /// Agent workflow.
    workflow: Workflow = Workflow::Single => Kind::Word(Workflow::words);
}
}
