//! The table of workflows, and the type that it makes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The table of workflows, given to the macro that is named.
///
/// A row is a file of `evaluator/src/workflow/` and the workflows that it holds, each with its name in a recipe. A new
/// workflow is its file and its row here: [`Workflow`], the plan and the report of h3, and the evaluator's engine are made
/// from this table.
///
/// - `runs_programs`: whether programs are run with the tests that the workflow may see
/// - `calls_to_first_program`: calls to the model until there is a first program, the least budget of calls
/// - `h3`: its part in h3, of [`H3Part`]
/// - `contrasts`: the pairs of workflows that h3 compares if this one runs, and the meaning of their difference
#[macro_export]
macro_rules! workflow_table {
    ($with:ident) => {
        $with! {
            single {
                /// One request, one answer, no feedback.
                Single {
                    name: "single",
                    runs_programs: false,
                    calls_to_first_program: 1,
                    h3: Control,
                    contrasts: [
                        Reflection - Single: "reflection or one answer",
                        MultiAgent - Single: "four roles or one answer",
                    ],
                }
            }
            reflection {
                /// One role writes, tests, criticises and revises its own code.
                Reflection {
                    name: "reflection",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    h3: Compared,
                    contrasts: [],
                }
                /// The same, but nothing is ever run.
                ReflectionBlind {
                    name: "reflection_blind",
                    runs_programs: false,
                    calls_to_first_program: 1,
                    h3: WithoutRuns,
                    contrasts: [
                        Reflection - ReflectionBlind: "running programs, one role",
                    ],
                }
            }
            multi_agent {
                /// Planner, coder, tester and reviewer, each in a separate role.
                MultiAgent {
                    name: "multi_agent",
                    runs_programs: true,
                    calls_to_first_program: 2,
                    h3: Compared,
                    contrasts: [
                        MultiAgent - Reflection: "four roles or one (H3)",
                    ],
                }
                /// The same, but nothing is ever run.
                MultiAgentBlind {
                    name: "multi_agent_blind",
                    runs_programs: false,
                    calls_to_first_program: 2,
                    h3: WithoutRuns,
                    contrasts: [
                        MultiAgent - MultiAgentBlind: "running programs, four roles",
                        MultiAgentBlind - ReflectionBlind: "roles, nothing run",
                    ],
                }
            }
            best_of_n {
                /// Several answers, of which one that passes the public examples is taken.
                BestOfN {
                    name: "best_of_n",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    h3: Control,
                    contrasts: [
                        Reflection - BestOfN: "reflection or several answers",
                        MultiAgent - BestOfN: "four roles or several answers",
                    ],
                }
            }
            codet {
                /// Several answers and self-written tests, of which the largest agreement is taken.
                Codet {
                    name: "codet",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    h3: Control,
                    contrasts: [
                        Codet - Single: "agreement of several answers or one",
                    ],
                }
            }
        }
    };
}

/// The part of a workflow in h3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum H3Part {
    /// One of those that h3 compares.
    Compared,
    /// A control that spends the same budget otherwise.
    Control,
    /// A control that never runs a program.
    WithoutRuns,
}

/// Two workflows that h3 compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkflowPair {
    /// The workflow.
    pub of: Workflow,
    /// The one that is subtracted.
    pub less: Workflow,
    /// The meaning of the difference, in words.
    pub meaning: &'static str,
}

macro_rules! workflow {
    ($($file:ident {$(
        $(#[doc = $doc:literal])+
        $variant:ident {
            name: $name:literal,
            runs_programs: $runs_programs:literal,
            calls_to_first_program: $calls:literal,
            h3: $part:ident,
            contrasts: [$($of:ident - $less:ident: $meaning:literal,)*],
        }
    )*})*) => {
        /// A way to come from a task to an answer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Workflow {$($(
            $(#[doc = $doc])+
            #[serde(rename = $name)]
            $variant,
        )*)*}

        impl Workflow {
            /// All of them, in the order of the table.
            pub const ALL: &[Self] = &[$($(Self::$variant,)*)*];

            pub(crate) fn words() -> Vec<$crate::schema::Word> {
                vec![$($($crate::schema::Word {
                    name: $name,
                    aliases: &[],
                    doc: &[$($doc),+],
                },)*)*]
            }

            /// The word in a recipe.
            pub fn name(self) -> &'static str {
                match self {
                    $($(Self::$variant => $name,)*)*
                }
            }

            /// Whether programs are run with the tests that the workflow may see.
            pub fn runs_programs(self) -> bool {
                match self {
                    $($(Self::$variant => $runs_programs,)*)*
                }
            }

            /// Calls to the model until there is a first program.
            pub fn calls_to_first_program(self) -> usize {
                match self {
                    $($(Self::$variant => $calls,)*)*
                }
            }

            /// Its part in h3.
            fn h3_part(self) -> H3Part {
                match self {
                    $($(Self::$variant => H3Part::$part,)*)*
                }
            }

            fn own_contrasts(self) -> &'static [WorkflowPair] {
                match self {
                    $($(Self::$variant => &[$(WorkflowPair {
                        of: Self::$of,
                        less: Self::$less,
                        meaning: $meaning,
                    },)*],)*)*
                }
            }
        }
    };
}

workflow_table!(workflow);

impl Workflow {
    /// The workflows of h3 in the order in which they run: those that are compared, then their controls.
    pub fn of_h3() -> Vec<Self> {
        let mut all = Self::ALL.to_vec();
        // Stable: within a part the order is the table's.
        all.sort_by_key(|workflow| workflow.h3_part());
        all
    }

    /// The pairs that h3 compares. The first decides it.
    pub fn contrasts() -> Vec<WorkflowPair> {
        let all = Self::of_h3().into_iter();
        all.flat_map(|workflow| workflow.own_contrasts().iter().copied())
            .collect()
    }
}

impl fmt::Display for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_contrast_is_that_of_the_workflows_which_h3_compares() {
        let first = Workflow::contrasts()[0];
        assert_eq!(
            (first.of, first.less),
            (Workflow::MultiAgent, Workflow::Reflection)
        );
        let compared = [Workflow::Reflection, Workflow::MultiAgent];
        assert_eq!(Workflow::of_h3()[..2], compared);
    }

    #[test]
    fn a_contrast_comes_with_the_later_of_its_workflows() {
        let order = Workflow::of_h3();
        let place = |workflow| order.iter().position(|other| *other == workflow);
        for (at, workflow) in order.iter().enumerate() {
            for contrast in workflow.own_contrasts() {
                let places = [place(contrast.of), place(contrast.less)];
                assert_eq!(places.into_iter().max(), Some(Some(at)), "{contrast:?}");
            }
        }
    }
}
