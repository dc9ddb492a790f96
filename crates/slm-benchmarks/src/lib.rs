//! Benchmarks: tasks of Python code generation, with tests that stay hidden until scoring.
//!
//! A [`Benchmark`] yields [`Task`]s. What a model and its workflow may see of one is its
//! [`TaskView`]; the tests and the canonical solution open only to a [`ScoringPhase`]. So a
//! workflow, whose functions take a view, cannot run the hidden tests by mistake.
//!
//! Each file below reads one publisher's own format; [`load`] finds it by name. Nothing is downloaded here.
//! [`prompting`] holds the conventions by which a task becomes a prompt and a completion a program.
//! [`Overlap`] finds the tasks' texts in training data, which must not contain them.

mod apps;
mod bigcodebench;
mod classeval;
mod custom;
mod docstring;
mod embedded;
mod error;
mod evalplus;
mod evoeval;
mod fields;
mod humaneval;
mod leetcode;
mod literal;
mod livecodebench;
mod mathqa;
mod mbpp;
mod overlap;
pub mod prompting;
mod registry;
mod task;
mod tests;

pub use classeval::ClassTask;
pub use embedded::Embedded;
pub use error::BenchmarkError;
pub use mbpp::{SHOTS as MBPP_SHOTS, TEST_SPLIT as MBPP_TEST_SPLIT, shots as mbpp_shots};
pub use overlap::{GRAM_WORDS, Overlap};
pub use registry::{Benchmark, Data, NAMES, TaskSet, by_name, data_of, load, load_few_shot, open};
pub use task::{HiddenTests, ScoringPhase, Task, TaskView};
pub use tests::{
    Asserts, CallTime, Calls, Expected, Oracle, OutputRule, Puzzle, StreamCase, Streams, Tests,
    Unittest,
};
