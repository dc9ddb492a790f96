//! Settings of agent workflows: prompt convention, roles, budget, prompt files.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::schema::{Kind, Word, section, words};
use crate::word_or_list::word_or_list;

words! {
/// The prompt convention of the first program: `evaluate.prompting`.
///
/// A published score belongs to one convention; with another, the same model may lose 20 to 40 points.
pub enum Prompting default Training {
    /// The prompt that `trainer fit` trains on, for base model and adapter.
    Training = "training",
    /// The task's text is continued, without a chat template; for base models. Published scores use
    /// `evaluate.max_new_tokens` 768.
    Base = "base",
    /// A conversation whose answer starts with an opened code block. Published scores use 2048 tokens.
    Instruct = "instruct",
    /// A plain conversation; the program is extracted from the answer.
    Chat = "chat",
    /// Solved examples precede the task, without a chat template; only for benchmarks that have them (`mbpp`).
    FewShot = "few_shot",
}
}

words! {
/// The role in which the model is called.
#[derive(PartialOrd, Ord, Hash)]
pub enum Role {
    /// Describes in words how to solve the task.
    Planner = "planner",
    /// Writes and revises the program.
    Coder = "coder",
    /// Writes tests from the task's text.
    Tester = "tester",
    /// Criticizes the program.
    Reviewer = "reviewer",
    /// Judges what a lookup found, and words the next query.
    Librarian = "librarian",
    /// Splits a task into functions.
    Decomposer = "decomposer",
    /// Makes the task precise, and answers the coder's questions about it.
    Instructor = "instructor",
    /// Chooses the workflow for the task.
    Router = "router",
    /// Judges with yes or no whether a program is right, in `best_of_n` and `beam`.
    Verifier = "verifier",
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
    pub(crate) fn words() -> Vec<Word> {
        vec![Word {
            name: "all",
            aliases: &[],
            doc: &["Every call."],
        }]
    }

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

section! {
/// What a workflow may spend on one sample of one task: `evaluate.budget`. The same for every workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Tokens that the model may generate in all calls together; the last call is cut to the rest. At least
    /// `evaluate.max_new_tokens`.
    completion_tokens: usize = 4096 => Kind::Int(1, 1_000_000);
    /// Calls to the model; at least as many as each workflow needs for its first program.
    calls: usize = 16 => Kind::Int(1, 1000);
    /// Executions of a program against the visible tests, or of a snippet after it.
    executions: usize = 16 => Kind::Int(0, 1000);
    /// Lookups in the documentation, code and memory of `knowledge`.
    lookups: usize = 16 => Kind::Int(0, 1000);
}
}

words! {
/// Whether the controls of workflows are evaluated beside them: `evaluate.controls`.
pub enum Controls default None {
    /// Only the workflows that are listed.
    None = "none",
    /// Also the workflows that show what a difference is due to, such as `rag_placebo` for `rag`.
    Auto = "auto",
}
}

section! {
/// Prompt files that replace the built-in prompts: `evaluate.prompts`. Relative to the recipe's folder or the working directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompts {
    /// Plan of the solution in `multi_agent`.
    planner: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// First program in `multi_agent`.
    coder: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Tests from the task's text in `multi_agent`.
    tester: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Review of the program in `multi_agent`.
    reviewer: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Program after a review in `multi_agent`.
    coder_revision: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Tests from the task's text in `reflection` and `codet`.
    self_tests: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Critique of the program in `reflection`.
    critique: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Program after a critique in `reflection`.
    revision: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Program after a failed run in `sketch`, `tools`, `memory` and `decompose`.
    repair: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Question whether a chunk helps, in `crag`.
    grade: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Second query of `crag`, worded by the model.
    restate: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Choice of tools in `tools`, by `evaluate.tools.strategy` `plan`.
    choose_tools: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Next action in `tools`, by `evaluate.tools.strategy` `react`.
    act: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Instruction from memory entries in `memory`.
    instruct: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Split of a task into functions in `decompose`.
    decompose: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// One of these functions in `decompose`.
    function: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Program over these functions in `decompose`.
    assemble: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// What the program must do, made precise, in `chat_chain`.
    specify: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Question of the coder in `chat_chain`.
    question: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Answer to the coder's question in `chat_chain`.
    answer: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// First program in `chat_chain`.
    chain_coder: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Comment on the program in `chat_chain`.
    chain_review: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Program after a comment, a report or a placeholder in `chat_chain`.
    chain_revision: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Choice of the workflow in `adaptive`, by `evaluate.adaptive.router` `model`.
    route: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
    /// Question whether a program is right, by `evaluate.samples_select` `verifier` and `weighted` and by
    /// `evaluate.beam.score` `verifier`.
    verifier: Option<PathBuf> = None => Kind::Text("a file"), absent "built in";
}
}

/// Lists each prompt's name with what `$of` makes of its file. A prompt that is missing here does not compile.
macro_rules! entries {
    ($prompts:expr, $of:expr) => {
        entries!(@ $prompts, $of, planner, coder, tester, reviewer, coder_revision, self_tests, critique, revision, repair, grade, restate, choose_tools, act, instruct, decompose, function, assemble, specify, question, answer, chain_coder, chain_review, chain_revision, route, verifier)
    };
    (@ $prompts:expr, $of:expr, $($name:ident),*) => {{
        let Self { $($name),* } = $prompts;
        [$((stringify!($name), $of($name))),*]
    }};
}

impl Prompts {
    /// The names of [`Self::entries`], with the files to be changed.
    pub fn entries_mut(&mut self) -> [(&'static str, &mut Option<PathBuf>); 25] {
        entries!(self, std::convert::identity)
    }

    /// Each prompt's name and the file that replaces it, if any.
    pub fn entries(&self) -> [(&'static str, Option<&Path>); 25] {
        entries!(self, Option::as_deref)
    }
}
