//! Tasks that are learned from and evaluated on, in messages.

use slm_benchmarks::SharedTask;

/// Most tasks that a message names.
const NAMED: usize = 10;

/// Returns a line for each of the first ten tasks, each after a newline, and the number of the others.
pub(crate) fn listed(shared: &[SharedTask]) -> String {
    let named = shared.iter().take(NAMED).map(|task| format!("\n  {task}"));
    let more = shared.len().saturating_sub(NAMED);
    let rest = (more > 0).then(|| format!("\n  and {more} more"));
    named.chain(rest).collect::<Vec<_>>().concat()
}
