//! Why a function has no hidden tests, or is no task.

use crate::driver::Need;

/// Why a documented function is only measured, or left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// No test enters its body.
    NoTestHitsIt,
    /// A test file that names it cannot be imported.
    ImportFails {
        /// Class and first line of the error.
        error: String,
    },
    /// A test in a file that names it has an id that cannot be kept.
    UnusableIds {
        /// Number of such tests.
        n: usize,
    },
    /// Its tests need what a box denies.
    Needs {
        /// What they need.
        need: Need,
        /// Class of the exception, or `violation`.
        class: String,
    },
    /// Its tests reach a limit of time, memory or output, or end their process.
    TimesOut {
        /// The verdict of the box.
        verdict: String,
    },
    /// Its tests fail, or are skipped, with its own body.
    FailsWithOwnBody {
        /// Class of the exception.
        class: String,
    },
    /// Its tests have another verdict, or enter other bodies, in a second run.
    Flaky,
    /// All tests pass with `raise NotImplementedError` as the body.
    PassesWithStub,
    /// Too many mutants of the body pass its tests.
    MutantsPass,
    /// Python imports a compiled module in place of its file.
    Compiled,
    /// A program wrote its file.
    Generated,
    /// It is inside another function, a block, or a class that is not at the top level.
    Nested,
    /// It cannot be divided into a prompt and a body, or a later definition has its name.
    CannotBeCut,
    /// An earlier function has the same body.
    Duplicate,
}

impl Reason {
    /// Returns the key in files and reports.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::NoTestHitsIt => "no_test_hits_it",
            Self::ImportFails { .. } => "import_fails",
            Self::UnusableIds { .. } => "unusable_ids",
            Self::Needs { need, .. } => match need {
                Need::Network => "needs_network",
                Need::Subprocess => "needs_subprocess",
                Need::Files => "needs_files",
                Need::Forbidden => "needs_forbidden",
            },
            Self::TimesOut { .. } => "times_out",
            Self::FailsWithOwnBody { .. } => "fails_with_own_body",
            Self::Flaky => "flaky",
            Self::PassesWithStub => "passes_with_stub",
            Self::MutantsPass => "mutants_pass",
            Self::Compiled => "compiled",
            Self::Generated => "generated",
            Self::Nested => "nested",
            Self::CannotBeCut => "cannot_be_cut",
            Self::Duplicate => "duplicate",
        }
    }

    /// Returns the reason in words, with its details.
    pub(crate) fn words(&self) -> String {
        let text = match self {
            Self::ImportFails { error } => {
                return format!("a test file that names it cannot be imported ({error})");
            }
            Self::UnusableIds { n } => return format!("{} ({n})", words_of(self.key())),
            Self::Needs { class, .. } => return format!("{} ({class})", words_of(self.key())),
            Self::TimesOut { verdict } => return format!("{} ({verdict})", words_of(self.key())),
            Self::FailsWithOwnBody { class } if !class.is_empty() => {
                return format!("{} ({class})", words_of(self.key()));
            }
            other => words_of(other.key()),
        };
        text.to_owned()
    }
}

/// Returns the words for a reason's key.
pub(crate) fn words_of(key: &str) -> &'static str {
    match key {
        "no_test_hits_it" => "no test enters its body",
        "import_fails" => "a test file that names it cannot be imported",
        "unusable_ids" => {
            "a test file that names it has tests whose ids are too long or not printable"
        }
        "needs_network" => "its tests need the network",
        "needs_subprocess" => "its tests start other programs",
        "needs_files" => "its tests need files outside the box or write files",
        "needs_forbidden" => "its tests make system calls that the sandbox forbids",
        "times_out" => "its tests reach a limit or end their process",
        "fails_with_own_body" => "its tests fail with its own body",
        "flaky" => "its tests differ between two runs",
        "passes_with_stub" => "its tests pass without a body",
        "mutants_pass" => "its tests let mutants pass",
        "compiled" => "its module is compiled",
        "generated" => "a program wrote its file",
        "nested" => "it is nested",
        "cannot_be_cut" => "it cannot be divided into prompt and body",
        "duplicate" => "an earlier function has the same body",
        _ => "",
    }
}
