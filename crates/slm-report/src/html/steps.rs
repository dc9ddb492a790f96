//! The steps of a trajectory as a page shows them.

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// A call to a model; its last part is the answer, the others are the messages.
    Call,
    /// A run of a program.
    Execution,
    /// A lookup in documentation, code or memory.
    Lookup,
    /// The end.
    Decision,
}

impl StepKind {
    /// Its name in the page's data.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Execution => "execution",
            Self::Lookup => "lookup",
            Self::Decision => "decision",
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its number in the trajectory, from 0.
    pub number: u32,
    /// The round of revision, 0 before the first.
    pub round: u32,
    /// What it is.
    pub kind: StepKind,
    /// Its title, such as a role.
    pub title: String,
    /// Its cost and outcome in a few words each.
    pub facts: Vec<String>,
    /// Its texts.
    pub parts: Vec<Part>,
}

/// A text of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is, such as the role of a message.
    pub name: String,
    /// The text; a part without one shows its name alone.
    pub text: String,
    /// Whether it is good or bad news.
    pub tone: Tone,
    /// Whether it is shown without being asked for.
    pub is_open: bool,
}

/// Good or bad news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Neither.
    Plain,
    /// A passed test, for example.
    Good,
    /// A failed one.
    Bad,
}

impl Tone {
    /// Its name in the page's data.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "g",
            Self::Bad => "b",
        }
    }
}
