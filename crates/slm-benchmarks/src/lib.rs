//! Benchmarks: Python code generation tasks, with tests that stay hidden until scoring.
//!
//! A [`Benchmark`] provides [`Task`]s. The part that a model and its workflow may see is the [`TaskView`]; the tests
//! and the canonical solution open only with a [`ScoringPhase`]. A workflow, whose functions take a view, therefore
//! cannot run the hidden tests by mistake.
//!
//! Each file of `registry/` parses one publisher's format; [`load`] selects it by name. Nothing is downloaded here.
//! [`prompting`] defines the conventions that turn a task into a prompt and a completion into a program.
//! [`Overlap`] searches training data for the tasks' texts, which it must not contain; [`Evaluated`] recognises tasks
//! that were learned from.
//!
//! ```
//! let set = slm_benchmarks::load("embedded", None)?;
//! assert_eq!(set.tasks.len(), 68);
//! let task = &set.tasks[0];
//! assert!(task.view().prompt.contains("def "));
//! # Ok::<(), slm_benchmarks::BenchmarkError>(())
//! ```

mod docstring;
mod error;
mod fields;
mod format;
mod hidden_tests;
mod leakage;
mod literal;
mod overlap;
mod parsons;
pub mod prompting;
mod puzzle;
mod registry;
mod repository_tests;
mod selection;
mod split;
mod task;
mod word_grams;

pub use error::BenchmarkError;
pub use format::{Benchmark, Data, LeftOut};
pub use hidden_tests::{
    Asserts, CallTime, Calls, Expected, Oracle, OutputRule, Puzzle, StreamCase, Streams, Tests,
    Unittest,
};
pub use leakage::{Evaluated, SharedBy, SharedTask, fingerprint, fingerprints};
pub use overlap::Overlap;
pub use parsons::{PARSONS_SUFFIX, PARSONS_WORDINGS, Parsons, TOO_FEW_WRONG_LINES};
pub use registry::{
    ClassTask, Embedded, MBPP_SHOTS, MBPP_TEST_SPLIT, NAMES, REPOSITORY, REPOSITORY_VERSION,
    TaskSet, by_name, data_files, data_of, load, load_few_shot, load_selected, mbpp_shots, open,
    subset_of, training_tasks,
};
pub use repository_tests::{RepositoryTarget, RepositoryTest, RepositoryTestKind, RepositoryTests};
pub use selection::Selection;
pub use split::Split;
pub use task::{HiddenTests, Reference, ScoringPhase, Secrets, Task, TaskView};
pub use word_grams::{GRAM_WORDS, WordGram, word_grams};
