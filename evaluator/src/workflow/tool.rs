//! The tools of the workflow `tools`, and their lists in prompts and messages.

use std::fmt;

use super::event::LookupTool;

/// Something that the model of `tools` can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Searches documentation.
    Docs,
    /// Searches code.
    Code,
    /// Finds a name's definitions and first uses.
    Symbol,
    /// Shows lines of a file.
    Read,
    /// Parses the last program.
    Check,
    /// Runs the visible tests on the last program.
    Run,
    /// Runs a snippet after the last program.
    Try,
}

/// The tools that a prompt lists.
pub(crate) type Offer = &'static [Tool];

/// All tools.
pub(crate) const ALL: Offer = &[
    Tool::Docs,
    Tool::Code,
    Tool::Symbol,
    Tool::Read,
    Tool::Check,
    Tool::Run,
    Tool::Try,
];

/// The tools that look something up.
pub(crate) const LOOKUPS: Offer = &[Tool::Docs, Tool::Code, Tool::Symbol, Tool::Read];

/// The other tools.
pub(crate) const WITHOUT_LOOKUPS: Offer = &[Tool::Check, Tool::Run, Tool::Try];

impl Tool {
    /// Returns its name, its argument in a list of tools, and its purpose.
    pub(super) fn facts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Docs => ("docs", "WORDS", "search the documentation"),
            Self::Code => ("code", "WORDS", "search the code"),
            Self::Symbol => ("symbol", "NAME", "show a definition and its first uses"),
            Self::Read => ("read", "FILE:FROM-TO", "show lines of a file"),
            Self::Check => ("check", "", "parse the last program"),
            Self::Run => ("run", "", "run the last program with the task's examples"),
            Self::Try => (
                "try",
                "",
                "run the code block on the next lines after the last program",
            ),
        }
    }

    /// Returns where it looks; `None` if it is no lookup.
    pub(super) fn lookup(self) -> Option<LookupTool> {
        match self {
            Self::Docs => Some(LookupTool::Docs),
            Self::Code => Some(LookupTool::Code),
            Self::Symbol => Some(LookupTool::Symbol),
            Self::Read => Some(LookupTool::Read),
            Self::Check | Self::Run | Self::Try => None,
        }
    }

    /// Returns its name and its argument: `docs WORDS`.
    fn usage(self) -> String {
        let (name, argument, _) = self.facts();
        format!("{name} {argument}").trim_end().to_owned()
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.facts().0)
    }
}

/// Lists tools for a prompt, one a line.
pub(super) fn list(offer: Offer) -> String {
    let line = |tool: &Tool| format!("{}: {}\n", tool.usage(), tool.facts().2);
    offer.iter().map(line).collect()
}

/// Lists tools for a message, on one line.
pub(super) fn names(offer: Offer) -> String {
    let usages: Vec<String> = offer.iter().map(|tool| tool.usage()).collect();
    usages.join(", ")
}
