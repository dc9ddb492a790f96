//! Tasks from a Python repository: its documented functions, proven by its own tests.
//!
//! - [`make_tasks`] finds the documented functions of a repository and the tests that enter them, and makes each
//!   function a task: *tested* if its tests accept the original body and notice its absence and most mutants,
//!   otherwise *measured*, with the reason. The [`Report`] accounts for every function.
//! - [`run_program`] runs a program's definition of such a function: it replaces the original in a copy of the
//!   repository ([`TreePool`]), in which the tests run. Tasks are proven through the same function.
//!
//! # Trust
//! All code of the repository runs in the sandbox, which may read the copy and write nothing of it. Tests and program
//! share a process, as the tests' own harness expects: a hostile program can forge the verdicts of its tests, and hostile
//! tests those of any program. They cannot leave the box.

mod additions;
mod build;
mod discovery;
mod driver;
mod error;
mod fault;
mod files;
mod pool;
mod proof;
mod reason;
mod report;
mod roots;
mod row;
mod run;
mod snapshot;
mod splice;
mod split;
mod targets;

pub use build::{TaskOptions, TaskProgress, make_tasks};
pub use error::RepositoryError;
pub use fault::SpliceFault;
pub use files::Listing;
pub use pool::{LentTree, TreePool, TreePools};
pub use report::Report;
pub use row::Row;
pub use run::{ProgramResult, ProgramRun, run_examples, run_program};
pub use snapshot::identity;
pub use splice::definition_in;
pub use split::Part;
