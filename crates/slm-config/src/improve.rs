//! Section `improve`: rounds of sampling, selection and training.

use serde::{Deserialize, Serialize};

use crate::benchmark::Benchmark;
use crate::schema::{Kind, section, words};
use crate::workflow_table::Workflow;

section! {
/// Section `improve`: rounds in which a model learns from its own tested answers, for `trainer improve`.
///
/// Each round trains a new adapter for the base model on the selected answers of all rounds. Source: Singh et al. 2023,
/// arXiv:2312.06585, who train from the base model in each round as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Improve {
    /// Benchmarks whose tasks are learned from; required by `trainer improve`. Tasks of `evaluate.benchmarks`, and those
    /// that a publisher keeps for tests, are left out.
    tasks: Vec<Benchmark> = Vec::new() => Kind::List {
        of: &Kind::Either(&[Kind::Benchmark, Kind::Section(Benchmark::KEYS)]),
        unique: true, item: "benchmark", least: 0, most: Kind::ANY,
    }, absent "none";
    /// Share of the tasks on which rounds are compared, drawn with `train.seed`; at least ten tasks. The others are
    /// trained on.
    dev: f64 = 0.2 => Kind::from_to(0.05, 0.5);
    /// Most rounds.
    rounds: usize = 3 => Kind::Int(1, 20);
    /// Answers to each task in a round, the same number at each of `temperatures`.
    samples: usize = 16 => Kind::Int(1, 1000);
    /// Temperatures of these answers.
    temperatures: Vec<f64> = vec![0.6, 1.0] => Kind::List {
        of: &Kind::above(0.0, 10.0), unique: true, item: "value", least: 1, most: 20,
    };
    /// Nucleus size of these answers.
    top_p: f64 = 1.0 => Kind::above(0.0, 1.0);
    /// Agent workflow that answers.
    workflow: Workflow = Workflow::Single => Kind::Word(Workflow::words);
    /// Answers that are learned from.
    keep: Keep = Keep::Passed => Kind::Word(Keep::words);
    /// Answers that come first where a task has more than `per_task`.
    prefer: Prefer = Prefer::MiCode => Kind::Word(Prefer::words);
    /// Most rows of a task.
    per_task: usize = 4 => Kind::Int(1, 1000);
    /// What makes one answer of a pair better than the other, if the objective of the training learns from pairs.
    rule: PairRule = PairRule::Correctness => Kind::Word(PairRule::words);
    /// Examples of `data.datasets` for each selected row, against forgetting; 0 uses none. Only for `train.objective`
    /// `sft`.
    replay: f64 = 0.5 => Kind::from_to(0.0, 10.0);
    /// Answers to each task by which rounds are compared, at temperature 0.8, beside one greedy answer.
    judge_samples: usize = 16 => Kind::Int(2, 1000);
    /// Points of pass@1 that a round must gain over the best one before it; two rounds in a row that gain less end the
    /// run.
    min_gain: f64 = 1.0 => Kind::from_to(0.0, 100.0);
    /// Fewest tasks to start with.
    fewest_tasks: usize = 50 => Kind::Int(20, 1_000_000);
}
}

words! {
/// Answers that are learned from: `improve.keep`.
pub enum Keep {
    /// Answers that pass all hidden tests.
    Passed = "passed",
    /// Any answers, as many as would have passed: a control without selection.
    None = "none",
    /// The publishers' own solutions of the tasks that some answer solves: a control without own answers.
    Canonical = "canonical",
}
}

words! {
/// Answers that come first: `improve.prefer`.
pub enum Prefer {
    /// Those with the highest maintainability index of the code alone.
    MiCode = "mi_code",
    /// The shortest.
    Short = "short",
    /// Those with the highest mean log-probability under the base model.
    Likelihood = "likelihood",
}
}

words! {
/// What makes one answer of a pair better: `improve.rule`.
pub enum PairRule {
    /// It passes more than 0.8 of the hidden tests, and more than 0.4 above the other, which passes at least one
    /// (`AceCoder`, arXiv:2502.01718). Tasks with one to three tests give few such pairs.
    Correctness = "correctness",
    /// Both pass, and it is more maintainable at no more complexity.
    Maintainability = "maintainability",
}
}
