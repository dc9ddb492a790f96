//! Runs a program's definition of a function inside a copy of its repository.

use slm_benchmarks::{RepositoryTarget, RepositoryTest, RepositoryTestKind};
use slm_sandbox::{Sandbox, Verdict};

use crate::driver::{self, DriverJob, DriverRun, TestVerdict};
use crate::error::RepositoryError;
use crate::fault::SpliceFault;
use crate::files::text_of;
use crate::pool::{LentTree, TreePool};
use crate::splice::{Place, Spliced, splice};

/// The result of a program.
#[derive(Debug, Clone, PartialEq)]
pub enum ProgramRun {
    /// It was not run.
    Refused(SpliceFault),
    /// It was run.
    Tested {
        /// One for each test, in order.
        results: Vec<ProgramResult>,
        /// CPU seconds of the run.
        cpu_s: f64,
    },
}

/// Verdict of one test, and why it is not `passed`, including what was left out of the program.
pub type ProgramResult = (Verdict, String);

impl ProgramRun {
    /// Returns whether every test passed.
    pub fn passes(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Tested { results, .. } => results
                .iter()
                .all(|(verdict, _)| *verdict == Verdict::Passed),
        }
    }
}

/// Runs tests of a repository with the function `target` as `program` defines it. `prompt` is the text that the
/// program continues: what it repeats of it is not added to the file again.
///
/// Tests and program share a process: a hostile program can forge the results.
///
/// # Errors
/// The repository changed, cannot be copied or does not contain the function, or the sandbox fails. Everything that
/// the program does is a result.
pub fn run_program(
    sandbox: &Sandbox,
    pool: &TreePool,
    target: &RepositoryTarget,
    prompt: &str,
    tests: &[RepositoryTest],
    program: &str,
) -> Result<ProgramRun, RepositoryError> {
    let mut tree = pool.lend()?;
    let Spliced { text, left_out } = match splice_into(&tree, target, prompt, program)? {
        Err(fault) => return Ok(ProgramRun::Refused(fault)),
        Ok(spliced) => spliced,
    };
    tree.replace(&target.file, &text)?;
    let job = DriverJob {
        tests,
        ..DriverJob::default()
    };
    let run = driver::run(sandbox, tree.path(), &tree.original().roots, &job)?;
    let results = tests
        .iter()
        .map(|test| {
            let end = run
                .ends
                .iter()
                .find(|end| end.name.0 == test.kind && end.name.1 == test.id);
            match end {
                None if run.verdict == Verdict::Passed => {
                    (Verdict::Error, "the run ended before this test".to_owned())
                }
                None => (run.verdict, run.detail.clone()),
                Some(end) => {
                    let detail = match (end.class.as_str(), end.text.as_str()) {
                        ("", text) => text.to_owned(),
                        (class, "") => class.to_owned(),
                        (class, text) => format!("{class}: {text}"),
                    };
                    match end.verdict {
                        TestVerdict::Passed => (Verdict::Passed, String::new()),
                        TestVerdict::Failed => (Verdict::Failed, format!("{}: {detail}", test.id)),
                        TestVerdict::Error => (Verdict::Error, format!("{}: {detail}", test.id)),
                        TestVerdict::Skipped => (Verdict::Error, format!("{}: skipped", test.id)),
                    }
                }
            }
        })
        .map(|(verdict, detail)| match verdict {
            Verdict::Passed => (verdict, detail),
            _ => (verdict, left_out.explain(&detail)),
        })
        .collect();
    Ok(ProgramRun::Tested {
        results,
        cpu_s: run.cpu_s,
    })
}

/// Puts a program into the text of its file.
fn splice_into(
    tree: &LentTree<'_>,
    target: &RepositoryTarget,
    prompt: &str,
    program: &str,
) -> Result<Result<Spliced, SpliceFault>, RepositoryError> {
    let text = if tree.original().listing.contains(&target.file) {
        text_of(&tree.original().file(&target.file))?
    } else {
        None
    };
    let place = Place {
        qualified_name: &target.qualified_name,
        first_line: target.first_line,
    };
    let spliced = text.and_then(|text| splice(&text, place, prompt, program));
    spliced.ok_or_else(|| RepositoryError::NoFunction {
        file: target.file.clone(),
        name: target.qualified_name.clone(),
    })
}

/// Imports the module of the function as `program` defines it: one result, which is `passed` also if the unchanged
/// module cannot be imported either.
fn run_import(
    sandbox: &Sandbox,
    pool: &TreePool,
    target: &RepositoryTarget,
    prompt: &str,
    program: &str,
) -> Result<ProgramRun, RepositoryError> {
    let mut tree = pool.lend()?;
    let Spliced { text, left_out } = match splice_into(&tree, target, prompt, program)? {
        Err(fault) => return Ok(ProgramRun::Refused(fault)),
        Ok(spliced) => spliced,
    };
    let job = DriverJob {
        import: Some(&target.file),
        ..DriverJob::default()
    };
    tree.replace(&target.file, &text)?;
    let run = driver::run(sandbox, tree.path(), &tree.original().roots, &job)?;
    let mut result = import_result(&run);
    if result.0 != Verdict::Passed {
        tree.restore()?;
        let unchanged = driver::run(sandbox, tree.path(), &tree.original().roots, &job)?;
        result = if import_result(&unchanged).0 == Verdict::Passed {
            (result.0, left_out.explain(&result.1))
        } else {
            (Verdict::Passed, String::new())
        };
    }
    Ok(ProgramRun::Tested {
        results: vec![result],
        cpu_s: run.cpu_s,
    })
}

fn import_result(run: &DriverRun) -> ProgramResult {
    match &run.import {
        Some((class, text)) => (Verdict::Error, format!("{class}: {text}")),
        None if run.is_done => (Verdict::Passed, String::new()),
        None if run.verdict == Verdict::Passed => {
            let detail = "the process ended while the module was imported";
            (Verdict::Error, detail.to_owned())
        }
        None => (run.verdict, run.detail.clone()),
    }
}

/// Runs the examples that a task shows, doctest texts, with the program's definition; one result for each. Without
/// examples it imports the function's module: one result, `passed` also if the module cannot be imported without the
/// program either.
///
/// # Errors
/// As [`run_program`].
pub fn run_examples(
    sandbox: &Sandbox,
    pool: &TreePool,
    target: &RepositoryTarget,
    prompt: &str,
    examples: &[String],
    program: &str,
) -> Result<ProgramRun, RepositoryError> {
    if examples.is_empty() {
        return run_import(sandbox, pool, target, prompt, program);
    }
    let tests: Vec<RepositoryTest> = examples
        .iter()
        .enumerate()
        .map(|(i, text)| RepositoryTest {
            kind: RepositoryTestKind::Doctest,
            id: format!("{}::example {}", target.file, i + 1),
            text: text.clone(),
        })
        .collect();
    run_program(sandbox, pool, target, prompt, &tests, program)
}
