//! Benchmarks: tasks of Python code generation, with tests that stay hidden until scoring.
//!
//! A [`Benchmark`] yields [`Task`]s. What a model and its workflow may see of one is its
//! [`TaskView`]; the tests and the canonical solution open only to a [`ScoringPhase`]. So a
//! workflow, whose functions take a view, cannot run the hidden tests by mistake.
//!
//! Each file of `registry/` reads one publisher's own format; [`load`] finds it by name. Nothing is downloaded here.
//! [`prompting`] holds the conventions by which a task becomes a prompt and a completion a program.
//! [`Overlap`] finds the tasks' texts in training data, which must not contain them.

mod docstring;
mod error;
mod fields;
mod format;
mod hidden_tests;
mod literal;
mod overlap;
pub mod prompting;
mod registry;
mod task;

pub use error::BenchmarkError;
pub use format::{Benchmark, Data};
pub use hidden_tests::{
    Asserts, CallTime, Calls, Expected, Oracle, OutputRule, Puzzle, StreamCase, Streams, Tests,
    Unittest,
};
pub use overlap::{GRAM_WORDS, Overlap};
pub use registry::{
    ClassTask, Embedded, MBPP_SHOTS, MBPP_TEST_SPLIT, NAMES, TaskSet, by_name, data_of, load,
    load_few_shot, mbpp_shots, open,
};
pub use task::{HiddenTests, ScoringPhase, Task, TaskView};
