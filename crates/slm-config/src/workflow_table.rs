//! The table of workflows, and the type that it makes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::workflow::Role;
use crate::workflow_cost::{Cost, CostFacts};
use crate::workflow_part::{H3Part, Needs};

/// The table of workflows, given to the macro that is named.
///
/// A row is a file of `evaluator/src/workflow/` and the workflows that it holds, each with its name in a recipe. A new
/// workflow is its file and its row here: [`Workflow`], the plan and the report of h3, and the evaluator's engine are made
/// from this table.
///
/// - `runs_programs`: whether programs are run with the tests that the workflow may see
/// - `calls_to_first_program`: calls to the model until there is a first program, the least budget of calls
/// - `roles`: the roles in which the model is called
/// - `needs`: what it looks things up in, of [`Needs`]
/// - `most`: the most that it can spend on a sample, from [`CostFacts`]
/// - `h3`: its part in h3, of [`H3Part`]
/// - `controls`: the workflows that `evaluate.controls: auto` adds
/// - `contrasts`: the pairs of workflows that are compared if this one runs, and the meaning of their difference
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
                    roles: [Coder],
                    needs: Nothing,
                    most: |_| Cost::new(1, 0, 0),
                    h3: Control,
                    controls: [],
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
                    roles: [Coder, Tester, Reviewer],
                    needs: Nothing,
                    most: |of| Cost::new(2 + 2 * of.rounds, 1 + of.rounds, 0),
                    h3: Compared,
                    controls: [BestOfN, ReflectionBlind],
                    contrasts: [],
                }
                /// The same, but nothing is ever run.
                ReflectionBlind {
                    name: "reflection_blind",
                    runs_programs: false,
                    calls_to_first_program: 1,
                    roles: [Coder, Tester, Reviewer],
                    needs: Nothing,
                    most: |of| Cost::new(2 + 2 * of.rounds, 0, 0),
                    h3: WithoutRuns,
                    controls: [],
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
                    roles: [Planner, Coder, Tester, Reviewer],
                    needs: Nothing,
                    most: |of| Cost::new(3 + 2 * of.rounds, 1 + of.rounds, 0),
                    h3: Compared,
                    controls: [Reflection, BestOfN, MultiAgentBlind],
                    contrasts: [
                        MultiAgent - Reflection: "four roles or one (H3)",
                    ],
                }
                /// The same, but nothing is ever run.
                MultiAgentBlind {
                    name: "multi_agent_blind",
                    runs_programs: false,
                    calls_to_first_program: 2,
                    roles: [Planner, Coder, Tester, Reviewer],
                    needs: Nothing,
                    most: |of| Cost::new(3 + 2 * of.rounds, 0, 0),
                    h3: WithoutRuns,
                    controls: [],
                    contrasts: [
                        MultiAgent - MultiAgentBlind: "running programs, four roles",
                        MultiAgentBlind - ReflectionBlind: "roles, nothing run",
                    ],
                }
            }
            chat_chain {
                /// A chain of phases, each between two roles: specify, code, complete, review, test. The coder asks before it writes.
                ChatChain {
                    name: "chat_chain",
                    runs_programs: true,
                    calls_to_first_program: 4,
                    roles: [Instructor, Coder, Tester, Reviewer],
                    needs: Nothing,
                    most: |of| of.chat_chain(true),
                    h3: Beside,
                    controls: [ChatChainPlain, MultiAgent, BestOfN],
                    contrasts: [
                        ChatChain - Reflection: "a chain of phases or one role",
                        ChatChain - MultiAgent: "a chain of phases or four roles",
                        ChatChain - BestOfN: "a chain of phases or several answers",
                    ],
                }
                /// The control of `chat_chain`: the same without questions.
                ChatChainPlain {
                    name: "chat_chain_plain",
                    runs_programs: true,
                    calls_to_first_program: 2,
                    roles: [Instructor, Coder, Tester, Reviewer],
                    needs: Nothing,
                    most: |of| of.chat_chain(false),
                    h3: Beside,
                    controls: [],
                    contrasts: [
                        ChatChain - ChatChainPlain: "questions before writing",
                    ],
                }
            }
            best_of_n {
                /// Several answers, of which one that passes the public examples is taken.
                BestOfN {
                    name: "best_of_n",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder, Tester, Verifier],
                    needs: Nothing,
                    most: |of| of.best_of_n(),
                    h3: Control,
                    controls: [],
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
                    roles: [Coder, Tester],
                    needs: Nothing,
                    most: |of| Cost::new(1 + of.samples, of.samples, 0),
                    h3: Control,
                    controls: [BestOfN],
                    contrasts: [
                        Codet - Single: "agreement of several answers or one",
                    ],
                }
            }
            beam {
                /// Beam search over the statements of the function: keeps the most promising partial programs, and runs the complete
                /// ones.
                Beam {
                    name: "beam",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder, Verifier],
                    needs: Nothing,
                    most: |of| Cost::new(of.beam_calls, of.beam_programs, 0),
                    h3: Apart,
                    controls: [BestOfN],
                    contrasts: [
                        Beam - BestOfN: "search over statements or several answers",
                        Beam - Single: "search over statements or one answer",
                    ],
                }
            }
            rag {
                /// Looks up documentation and code for the task, then writes one program with what was found in the prompt.
                Rag {
                    name: "rag",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder],
                    needs: Index,
                    most: |_| Cost::new(1, 1, 1),
                    h3: Apart,
                    controls: [RagPlacebo],
                    contrasts: [
                        Rag - RagPlacebo: "content of what is looked up",
                        Rag - Single: "retrieval or one answer",
                    ],
                }
                /// The control of `rag`: as much text that has nothing to do with the task, drawn by the seed.
                RagPlacebo {
                    name: "rag_placebo",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder],
                    needs: Index,
                    most: |_| Cost::new(1, 1, 1),
                    h3: Apart,
                    controls: [],
                    contrasts: [
                        RagPlacebo - Single: "length of the prompt",
                    ],
                }
                /// The upper bound of `rag`: the chunks that the task itself names as its references.
                RagOracle {
                    name: "rag_oracle",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder],
                    needs: Index,
                    most: |_| Cost::new(1, 1, 1),
                    h3: Apart,
                    controls: [],
                    contrasts: [
                        RagOracle - Rag: "a lookup that finds every reference",
                    ],
                }
            }
            crag {
                /// Corrective retrieval: grades what it finds, keeps what is relevant of it, asks again if in doubt, and uses nothing
                /// if nothing fits.
                Crag {
                    name: "crag",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder, Librarian],
                    needs: Index,
                    most: |of| of.crag(),
                    h3: Apart,
                    controls: [Rag, RagPlacebo],
                    contrasts: [
                        Crag - Rag: "grading what is looked up",
                        Crag - RagPlacebo: "content of what is looked up and graded",
                    ],
                }
            }
            sketch {
                /// Looks up the most similar function, reduces it to a sketch, and writes the program after it, with one revision.
                Sketch {
                    name: "sketch",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder],
                    needs: Index,
                    most: |_| Cost::new(2, 2, 1),
                    h3: Apart,
                    controls: [SketchCopy, BestOfN],
                    contrasts: [
                        Sketch - SketchCopy: "a sketch or the whole function",
                        Sketch - BestOfN: "a sketch or several answers",
                        Sketch - Single: "a similar function or none",
                    ],
                }
                /// The control of `sketch`: the same function as it is.
                SketchCopy {
                    name: "sketch_copy",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder],
                    needs: Index,
                    most: |_| Cost::new(2, 2, 1),
                    h3: Apart,
                    controls: [],
                    contrasts: [],
                }
            }
            tools {
                /// Uses tools: searches documentation and code, finds symbols, reads files, checks, runs and tries programs.
                Tools {
                    name: "tools",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder, Librarian],
                    needs: Index,
                    most: |of| of.tools(true),
                    h3: Apart,
                    controls: [ToolsBlind, Reflection],
                    contrasts: [
                        Tools - ToolsBlind: "looking things up",
                        Tools - Reflection: "tools or reflection",
                        Tools - Single: "tools or one answer",
                    ],
                }
                /// The control of `tools`: the same without lookups.
                ToolsBlind {
                    name: "tools_blind",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder, Librarian],
                    needs: Nothing,
                    most: |of| of.tools(false),
                    h3: Apart,
                    controls: [],
                    contrasts: [],
                }
            }
            decompose {
                /// Splits a task whose first program fails into functions, writes them one by one, then the program over them.
                Decompose {
                    name: "decompose",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder, Decomposer, Reviewer],
                    needs: Nothing,
                    most: |_| Cost::new(8, 3, 0),
                    h3: Apart,
                    controls: [DecomposeSelf, Reflection, MultiAgent],
                    contrasts: [
                        Decompose - DecomposeSelf: "another decomposer or the coder itself",
                        Decompose - Reflection: "decomposition or reflection",
                        Decompose - Single: "decomposition or one answer",
                    ],
                }
                /// The control of `decompose`: the speaker of the coder splits the task, too.
                DecomposeSelf {
                    name: "decompose_self",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder, Reviewer],
                    needs: Nothing,
                    most: |_| Cost::new(8, 3, 0),
                    h3: Apart,
                    controls: [],
                    contrasts: [],
                }
            }
            memory {
                /// Looks up what earlier runs learned from similar tasks, then writes the program, with one revision.
                Memory {
                    name: "memory",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder, Planner],
                    needs: Memory,
                    most: |of| of.memory(),
                    h3: Apart,
                    controls: [MemoryRandom],
                    contrasts: [
                        Memory - MemoryRandom: "the nearest entries",
                        Memory - Single: "memory or one answer",
                    ],
                }
                /// The control of `memory`: as many entries, drawn by the seed.
                MemoryRandom {
                    name: "memory_random",
                    runs_programs: true,
                    calls_to_first_program: 1,
                    roles: [Coder, Planner],
                    needs: Memory,
                    most: |of| of.memory(),
                    h3: Apart,
                    controls: [],
                    contrasts: [
                        MemoryRandom - Single: "any entries, and one revision",
                    ],
                }
            }
            adaptive {
                /// A router chooses one of several workflows for the task.
                Adaptive {
                    name: "adaptive",
                    runs_programs: true,
                    calls_to_first_program: 3,
                    roles: [Router, Planner, Coder, Tester, Reviewer, Librarian, Decomposer, Instructor],
                    needs: Nothing,
                    most: |of| of.adaptive(false),
                    h3: Apart,
                    controls: [AdaptiveRandom],
                    contrasts: [
                        Adaptive - AdaptiveRandom: "the router's choice or a draw",
                        Adaptive - Single: "a router or one answer",
                        Adaptive - Reflection: "a router or reflection",
                    ],
                }
                /// The control of `adaptive`: draws as often as the router chooses.
                AdaptiveRandom {
                    name: "adaptive_random",
                    runs_programs: true,
                    calls_to_first_program: 2,
                    roles: [Planner, Coder, Tester, Reviewer, Librarian, Decomposer, Instructor],
                    needs: Nothing,
                    most: |of| of.adaptive(true),
                    h3: Apart,
                    controls: [],
                    contrasts: [],
                }
            }
        }
    };
}

/// Two workflows that are compared.
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
            roles: [$($role:ident),*],
            needs: $needs:ident,
            most: $most:expr,
            h3: $part:ident,
            controls: [$($control:ident),*],
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

            /// What it does, in one sentence.
            pub fn summary(self) -> String {
                let lines: &[&str] = match self {
                    $($(Self::$variant => &[$($doc),+],)*)*
                };
                lines.concat().trim().to_owned()
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

            /// The roles in which the model is called.
            pub fn roles(self) -> &'static [Role] {
                match self {
                    $($(Self::$variant => &[$(Role::$role),*],)*)*
                }
            }

            /// What it looks things up in.
            pub fn needs(self) -> Needs {
                match self {
                    $($(Self::$variant => Needs::$needs,)*)*
                }
            }

            /// The most that it can spend on one sample, apart from tokens.
            pub fn most(self, facts: &CostFacts) -> Cost {
                let most: fn(&CostFacts) -> Cost = match self {
                    $($(Self::$variant => $most,)*)*
                };
                most(facts)
            }

            /// The workflows that show what its results are due to.
            pub fn controls(self) -> &'static [Self] {
                match self {
                    $($(Self::$variant => &[$(Self::$control),*],)*)*
                }
            }

            /// Its part in h3.
            pub(crate) fn h3_part(self) -> H3Part {
                match self {
                    $($(Self::$variant => H3Part::$part,)*)*
                }
            }

            pub(crate) fn own_contrasts(self) -> &'static [WorkflowPair] {
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

impl fmt::Display for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}
