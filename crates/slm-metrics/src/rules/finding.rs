//! The terms of rules: a rule, and one place in a program that breaks it.

use std::fmt;

use serde::Serialize;

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A weakness that an attacker may use.
    Security,
    /// Code that probably does something else than intended.
    Reliability,
    /// Code that is hard to read or to change.
    Smell,
}

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Least serious.
    Low,
    /// In between.
    Medium,
    /// Most serious.
    High,
}

/// The estimated time to repair one finding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Minutes {
    /// The same for each finding.
    Constant(f64),
    /// A number of minutes for each unit above a limit.
    PerUnitAbove {
        /// The largest value without a finding.
        limit: usize,
        /// Minutes for each unit above the limit.
        each: f64,
    },
}

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(minutes) => write!(f, "{minutes}"),
            Self::PerUnitAbove { limit, each } => write!(f, "{each} per unit above {limit}"),
        }
    }
}

/// One static rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Short name in kebab case, unique, for example `mutable-default`.
    pub id: &'static str,
    /// What it is about.
    pub category: Category,
    /// What it reports, as one sentence.
    pub title: &'static str,
    /// The same rule in a tool that others know, for example `bandit B301` or `ruff B006`.
    pub known_as: &'static str,
    /// Time to repair one finding: this project's own estimate.
    pub minutes: Minutes,
}

/// One place in a program that breaks a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How serious it is; a rule may have findings of several severities.
    pub severity: Severity,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// Last line.
    pub end_line: usize,
    /// What was found, as one sentence without a full stop.
    pub message: String,
    /// Estimated minutes to repair it, by [`Rule::minutes`].
    pub minutes: f64,
}
