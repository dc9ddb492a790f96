//! Proves that a function's tests accept its own body and notice faults in it.

use slm_benchmarks::{RepositoryTarget, RepositoryTest};
use slm_metrics::syntax::{FunctionSource, choose, mutants};
use slm_sandbox::{Sandbox, Verdict};

use crate::error::RepositoryError;
use crate::fault::SpliceFault;
use crate::pool::TreePool;
use crate::reason::Reason;
use crate::run::{ProgramRun, run_program};

/// Maximum number of tests of a task.
const MOST_TESTS: usize = 12;
/// Tests that are tried for a task.
pub(crate) const MOST_CANDIDATES: usize = 36;
/// Mutants of a function.
const MOST_MUTANTS: usize = 5;
/// Runs with the original body after the choice of the tests.
const REPEATS: usize = 2;

/// The result for one function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The kept tests; empty if there is a reason.
    pub(crate) tests: Vec<RepositoryTest>,
    /// Why no test was kept.
    pub(crate) reason: Option<Reason>,
    /// Mutants that were run.
    pub(crate) mutants: usize,
    /// Mutants that failed a test.
    pub(crate) killed: usize,
}

impl Proof {
    pub(crate) fn refuted(reason: Reason) -> Self {
        Self {
            reason: Some(reason),
            ..Self::default()
        }
    }
}

/// Runs `candidates` with the original body, a stub and mutants, exactly as programs of models are run later.
pub(crate) fn prove(
    sandbox: &Sandbox,
    pool: &TreePool,
    target: &RepositoryTarget,
    function: &FunctionSource,
    candidates: &[RepositoryTest],
    seed: u64,
) -> Result<Proof, RepositoryError> {
    let prompt = function.prompt();
    let run = |tests: &[RepositoryTest], program: &str| {
        run_program(sandbox, pool, target, &prompt, tests, program)
    };
    let original = format!("{prompt}{}", function.body);
    let first = match run(candidates, &original) {
        // One function whose place is not found must not end the others.
        Err(RepositoryError::NoFunction { .. }) => ProgramRun::Refused(SpliceFault::NoDefinition),
        other => other?,
    };
    let (passing, verdict) = divide(candidates, &first, true);
    if passing.is_empty() {
        let class =
            verdict.map_or_else(|| "not run".to_owned(), |verdict| word(verdict).to_owned());
        return Ok(Proof::refuted(Reason::FailsWithOwnBody { class }));
    }
    let stub = format!(
        "{prompt}{}raise NotImplementedError\n",
        indent_of(&function.body)
    );
    let (mut kept, _) = divide(&passing, &run(&passing, &stub)?, false);
    if kept.is_empty() {
        return Ok(Proof::refuted(Reason::PassesWithStub));
    }
    kept.truncate(MOST_TESTS);
    for _ in 0..REPEATS {
        if !run(&kept, &original)?.passes() {
            return Ok(Proof::refuted(Reason::Flaky));
        }
    }
    let first = prompt.lines().count() + 1;
    let last = original.lines().count();
    let all = mutants(&original, first, last).unwrap_or_default();
    let mut proof = Proof::default();
    for mutant in choose(all, MOST_MUTANTS, seed) {
        let run = run(&kept, &mutant.text)?;
        // A mutant that cannot be put into the file is no evidence of the tests.
        if matches!(run, ProgramRun::Tested { .. }) {
            proof.mutants += 1;
            proof.killed += usize::from(!run.passes());
        }
    }
    // At least 80 %; a body without mutants has nothing to vary.
    if proof.killed * 5 < proof.mutants * 4 {
        proof.reason = Some(Reason::MutantsPass);
    } else {
        proof.tests = kept;
    }
    Ok(proof)
}

/// Returns the tests that passed, or those that did not, and the verdict of the first that did not.
fn divide(
    tests: &[RepositoryTest],
    run: &ProgramRun,
    passed: bool,
) -> (Vec<RepositoryTest>, Option<Verdict>) {
    let results = match run {
        ProgramRun::Tested { results, .. } => results,
        ProgramRun::Refused(_) => return (Vec::new(), None),
    };
    let is_kept = |verdict: Verdict| (verdict == Verdict::Passed) == passed;
    let kept = tests.iter().zip(results);
    let kept = kept.filter(|(_, (verdict, _))| is_kept(*verdict));
    let first = results
        .iter()
        .find(|(verdict, _)| *verdict != Verdict::Passed);
    (
        kept.map(|(test, _)| test.clone()).collect(),
        first.map(|(verdict, _)| *verdict),
    )
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Error => "error",
        Verdict::Timeout => "timeout",
        Verdict::Memory => "memory",
        Verdict::OutputLimit => "output limit",
        Verdict::Violation => "violation",
        Verdict::Unparsable => "unparsable",
    }
}

/// Returns the indentation of a body's first statement.
fn indent_of(body: &str) -> &str {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let line = body.lines().find(is_code).unwrap_or("    ");
    &line[..line.len() - line.trim_start().len()]
}
