//! Scores Python programs by the hidden tests of benchmarks.
//!
//! A [`Scorer`] runs a program in a sandbox and returns a [`Score`]: a verdict for the benchmark's base tests
//! and, if any, for its extra tests. Return values are compared outside the sandbox by the publisher's own rule
//! ([`OutputChecker`]), and printed output by [`stdout_matches`], so that a program cannot forge its verdict.
//!
//! - [`Program::in_answer`] extracts the program from a model's answer
//! - [`read_samples`] reads files of samples in the formats of several tools ([`SampleFormat`]), for [`Scorer::score_samples`]
//! - [`ExpectedOutputCache`] and [`ScoreCache`] store computed results by content hash
//!
//! The crate neither prints nor depends on a model: progress and warnings are reported through callbacks.
//!
//! # Examples
//! Extract the program from an answer and score it:
//! ```no_run
//! use slm_benchmarks::ScoringPhase;
//! use slm_repository::TreePools;
//! use slm_sandbox::{Interpreter, Limits, Sandbox};
//! use slm_scoring::{ExpectedOutputCache, Program, Scorer};
//!
//! let set = slm_benchmarks::load("embedded", None)?;
//! let task = &set.tasks[0];
//! let answer = "```python\ndef double(x):\n    return 2 * x\n```";
//! let program = Program::in_answer(None, task.view(), answer);
//!
//! let scorer = Scorer {
//!     sandbox: &Sandbox::new(Interpreter::resolve(None)?, Limits::default())?,
//!     expected_outputs: &ExpectedOutputCache::new("cache/answers".into(), |warning| eprintln!("{warning}")),
//!     phase: &ScoringPhase::begin(),
//!     trees: &TreePools::new(),
//! };
//! let score = scorer.score(task, &program.text)?;
//! if let Some(total) = score.total() {
//!     println!("{}: {} of {} tests passed", total.verdict, total.passed, total.tests);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calls;
mod error;
mod expected_outputs;
mod hidden_tests;
mod oracle;
mod outcome;
mod program;
mod repository;
mod samples;
mod score;
mod score_cache;
mod scorer;
mod stdout;

pub use error::{SamplesError, ScoringError};
pub use expected_outputs::ExpectedOutputCache;
pub use oracle::OutputChecker;
pub use outcome::recorded_verdict;
pub use program::{Program, ProgramFault};
pub use repository::{names_test_machinery, visible_outcome};
pub use samples::{Sample, SampleFormat, SampleOptions, Samples, read_samples};
pub use score::{Score, SuiteResult, TotalResult};
pub use score_cache::ScoreCache;
pub use scorer::{Scorer, ScoringProgress};
pub use slm_repository::TreePools;
pub use slm_sandbox::for_each_parallel;
pub use stdout::stdout_matches;
