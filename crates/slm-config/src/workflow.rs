//! Ways from a task to an answer: what they may spend, and what can be changed about them.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::word_or_list::word_or_list;

/// How a model is asked for its first program: `evaluate.prompting`.
///
/// A published score belongs to one convention; with another the same model may lose 20 to 40 points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompting {
    /// The request that `trainer fit` trains on, so that base model and adapter are asked alike.
    #[default]
    Training,
    /// The model goes on from the task's text, without a chat template; for base models. Scores are published with
    /// 768 for `evaluate.max_new_tokens`.
    Base,
    /// A conversation whose answer is begun with an opened code block. Scores are published with 2048 tokens.
    Instruct,
    /// A plain conversation; the program is found in whatever is answered.
    Chat,
    /// After solved examples, without a chat template; where the benchmark has them (`mbpp`).
    FewShot,
}

/// What a call to the model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Says in words how to solve the task.
    Planner,
    /// Writes and revises the program.
    Coder,
    /// Writes tests from the task's text.
    Tester,
    /// Says what is wrong with the program.
    Reviewer,
}

impl Role {
    /// As a recipe writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::Coder => "coder",
            Self::Tester => "tester",
            Self::Reviewer => "reviewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which calls the adapter answers; the base model answers the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdapterRoles {
    /// Every call, written `all`.
    All,
    /// Calls of these roles; at least one, none twice.
    Listed(Vec<Role>),
}

impl AdapterRoles {
    /// Whether the adapter answers the calls of `role`.
    pub fn contain(&self, role: Role) -> bool {
        match self {
            Self::All => true,
            Self::Listed(roles) => roles.contains(&role),
        }
    }
}

impl Serialize for AdapterRoles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::Listed(roles) => roles.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AdapterRoles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word_or_list(
            deserializer,
            "`all` or a list of roles",
            |text| match text {
                "all" => Ok(Self::All),
                _ => Err(&["all"]),
            },
            Self::Listed,
        )
    }
}

/// What a workflow may spend on one sample of one task: `evaluate.budget`. The same for every workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Tokens that the model may write, all calls together; the last call is shortened to what is left.
    /// Default 4096; 1 to 1000000, and not less than `evaluate.max_new_tokens`.
    pub completion_tokens: usize,
    /// Calls to the model. Default 16; 1 to 1000, and enough for each workflow's first program.
    pub calls: usize,
    /// Runs of a program with the tests that the workflow may see. Default 16; 0 to 1000.
    pub executions: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            completion_tokens: 4096,
            calls: 16,
            executions: 16,
        }
    }
}

/// Files that replace the built-in prompts: `evaluate.prompts`. Relative to the current folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prompts {
    /// `multi_agent`: how to solve the task, in words.
    pub planner: Option<PathBuf>,
    /// `multi_agent`: the first program.
    pub coder: Option<PathBuf>,
    /// `multi_agent`: tests from the task's text.
    pub tester: Option<PathBuf>,
    /// `multi_agent`: what is wrong with the program.
    pub reviewer: Option<PathBuf>,
    /// `multi_agent`: the program after a review.
    pub coder_revision: Option<PathBuf>,
    /// `reflection` and `codet`: tests from the task's text.
    pub self_tests: Option<PathBuf>,
    /// `reflection`: what is wrong with the program.
    pub critique: Option<PathBuf>,
    /// `reflection`: the program after a critique.
    pub revision: Option<PathBuf>,
}

impl Prompts {
    /// Each prompt's name and the file that replaces it, if any.
    pub fn entries(&self) -> [(&'static str, Option<&Path>); 8] {
        let Self {
            planner,
            coder,
            tester,
            reviewer,
            coder_revision,
            self_tests,
            critique,
            revision,
        } = self;
        [
            ("planner", planner.as_deref()),
            ("coder", coder.as_deref()),
            ("tester", tester.as_deref()),
            ("reviewer", reviewer.as_deref()),
            ("coder_revision", coder_revision.as_deref()),
            ("self_tests", self_tests.as_deref()),
            ("critique", critique.as_deref()),
            ("revision", revision.as_deref()),
        ]
    }
}
