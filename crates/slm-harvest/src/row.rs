//! The rows of a data set before they are rendered for a model.

use slm_artifacts::RowSource;

use crate::candidate::Candidate;
use crate::settings::{Kind, Settings};

/// A row: the code that a task gives, and continuations of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The task's name in its benchmark.
    pub task_id: String,
    /// The code that the continuations follow: imports, signature, docstring.
    pub stub: String,
    /// The function or class that the tests use; empty for a program that reads its input.
    pub entry_point: String,
    /// Its sides, in the order of TRL's columns: `completion`, or `chosen` and `rejected`.
    pub sides: Vec<Side>,
    /// What the request asks for.
    pub asks: Asks,
    /// Whether the answer is good, for data sets of labelled answers.
    pub label: Option<bool>,
}

/// What the request of a row asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// The continuation of the stub.
    Program,
    /// A plan of it, in at most five steps.
    Plan,
    /// The continuation of the stub by this plan.
    ProgramByPlan(String),
    /// The continuation of the stub after this text, which holds a sketch.
    ProgramBySketch(String),
    /// The name of one of these workflows, as the request lists them.
    Route(String),
    /// What this conversation asks for: roles and contents.
    Messages(Vec<(String, String)>),
    /// Whether the continuation does what the stub asks, yes or no.
    Judgement,
}

/// A continuation of a row's stub, its plan, or the name of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// The lines after the stub, the plan or the name, without a newline at the end.
    pub body: String,
    /// Logical lines of the program's code; 0 for a plan and a name.
    pub lloc: usize,
    /// Its origin; `row` is 0 until the rows are written.
    pub source: RowSource,
}

impl Row {
    /// Returns the row of an answer alone, with its label if the data set has labels.
    pub(crate) fn of_answer(of: &Candidate, label: Option<bool>, settings: &Settings) -> Self {
        let side = Side::new("completion", settings.rule(), of, of.body.clone());
        Self {
            task_id: of.task.id.clone(),
            stub: of.task.prompt.clone(),
            entry_point: of.task.entry_point.clone(),
            sides: vec![side],
            asks: if settings.kind == Kind::Verifier {
                Asks::Judgement
            } else {
                Asks::Program
            },
            label,
        }
    }

    /// Returns the key by which rows are sorted: the task in the run, and the answers.
    pub(crate) fn order(&self) -> impl Ord + use<'_> {
        self.sides.iter().map(Side::answer).collect::<Vec<_>>()
    }
}

impl Side {
    /// Returns what identifies its answer, in the order of rows.
    pub(crate) fn answer(&self) -> impl Ord + use<> {
        let source = &self.source;
        // Neither temperature nor nucleus size is negative or NaN, so that their bits have their order.
        (
            source.task_id.clone(),
            source.arm.clone(),
            source.workflow.clone(),
            source.temperature.to_bits(),
            source.top_p.to_bits(),
            source.sample,
            source.run.clone(),
        )
    }

    /// Returns the side `name` of a candidate.
    pub(crate) fn new(name: &str, rule: &str, of: &Candidate, body: String) -> Self {
        let record = &of.answer.record;
        Self {
            body,
            lloc: of.lloc,
            source: RowSource {
                row: 0,
                side: name.to_owned(),
                rule: rule.to_owned(),
                run: of.answer.run.clone(),
                arm: record.arm.clone(),
                workflow: record.workflow.clone(),
                temperature: record.decoding.temperature,
                top_p: record.decoding.top_p,
                task_id: record.task_id.clone(),
                sample: record.sample,
                step: of.answer.step,
                verdict: record.verdict,
                tests_passed: record.tests_passed,
                tests_total: record.tests_total,
                mi_code: Some(of.mi_code),
            },
        }
    }
}
