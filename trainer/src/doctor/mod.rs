//! `trainer doctor`: checks that a device computes the same results as the CPU, before time is spent on training.
//!
//! - `probes` runs the same computations on both
//! - `watch` runs them so that neither a panic of a backend nor a hang prevents a verdict
//! - `finding` grades a difference, and `verdict` turns the findings into words

mod finding;
mod probes;
mod verdict;
mod watch;

use std::time::Duration;

use anyhow::anyhow;
use slm_cli::{Failure, UserMistake};

use crate::arguments::DoctorArguments;
use verdict::Verdict;
use watch::Ending;

/// Examines a device and prints the verdict.
pub(crate) fn run(arguments: &DoctorArguments) -> Result<(), Failure> {
    let (choice, quick) = (arguments.device.device, arguments.quick);
    let limit = Duration::from_secs(arguments.timeout_s);
    let examined = watch::examine(limit, move |report| probes::all(choice, quick, report));
    if let Ending::Refused(problem) = &examined.ended {
        return Err(anyhow!(UserMistake(problem.clone())).into());
    }
    let verdict = Verdict::of(examined);
    if arguments.json {
        let text = serde_json::to_string_pretty(&verdict).map_err(anyhow::Error::from)?;
        slm_cli::document(&text);
    } else if verdict.is_trusted() {
        slm_cli::result(&format!("{}\n{}", verdict.table(), verdict.sentence()));
    } else {
        slm_cli::note(&verdict.table());
    }
    if verdict.is_trusted() {
        return Ok(());
    }
    Err(anyhow!("{}", verdict.sentence()).into())
}
