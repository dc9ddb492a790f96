//! Settings of the workflow `tools`: `evaluate.tools`.

use serde::{Deserialize, Serialize};

use crate::schema::{Kind, section, words};

section! {
/// Settings of the workflow `tools`: `evaluate.tools`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tools {
    /// Who chooses the tools, and when.
    strategy: Strategy = Strategy::Rule => Kind::Word(Strategy::words);
}
}

words! {
/// Who chooses the tools of the workflow `tools`: `evaluate.tools.strategy`.
///
/// Source: Zhang et al. 2024, arXiv:2401.07339 (`CodeAgent`), without its web search.
pub enum Strategy default Rule {
    /// A fixed order: names of the signature, documentation, code, program, check, run.
    Rule = "rule",
    /// The model names up to four tools first, which are then used in that order.
    Plan = "plan",
    /// The model chooses each action after it has seen the result of the one before; up to eight.
    React = "react",
}
}
