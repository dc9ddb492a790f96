//! The part of a workflow in h3, and what it looks things up in.

/// The part of a workflow in h3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum H3Part {
    /// One of those that h3 compares.
    Compared,
    /// A control that spends the same budget otherwise.
    Control,
    /// A control that never runs a program.
    WithoutRuns,
    /// Compared beside them if the recipe lists it; the declared contrast is the same.
    Beside,
    /// Not a part of h3.
    Apart,
}

/// What a workflow looks things up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// It looks nothing up.
    Nothing,
    /// The index of documentation and code.
    Index,
    /// The memory of successful runs.
    Memory,
}
