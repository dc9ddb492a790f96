//! What is known of tasks in the training data.

use super::super::super::number::count;
use super::super::text::name;
use crate::record::{AdapterInfo, RunInfo};

/// The benchmark whose texts the trainer searched for before it told which.
const SEARCHED: &str = "embedded";

/// What is known of tasks in the training data.
pub(super) fn contamination(run: &RunInfo) -> String {
    if run.adapters.is_empty() {
        return "**Contamination.** Whether the base model has seen the tasks in its own training cannot be measured here: \
                its training data are not known."
            .to_owned();
    }
    let of_adapter = |adapter: &AdapterInfo| {
        let before = [SEARCHED.to_owned()];
        let searched = adapter.search.as_ref();
        let searched = searched.map_or(&before[..], |search| &search.benchmarks[..]);
        let not_searched = run.benchmarks.iter().map(|benchmark| &benchmark.name);
        let not_searched = names(not_searched.filter(|name| !searched.contains(name)));
        let found = match &adapter.search {
            None => format!(
                "examples that hold a sentence of a task of {} were left out of its training",
                names(searched)
            ),
            Some(search) => format!(
                "its training left out {} that shared text or code with a task of {}",
                count(search.left_out, "example"),
                names(searched)
            ),
        };
        let text = match adapter.decontaminated {
            None => "how it was trained is not known, so overlap with the tasks was not measured".to_owned(),
            Some(false) => "trained without a search for the tasks' texts (`data.decontaminate: false`), so overlap \
                            was not measured"
                .to_owned(),
            Some(true) if not_searched.is_empty() => found,
            Some(true) => format!("{found}; overlap with {not_searched} was not measured"),
        };
        format!("{}: {text}", name(&adapter.name))
    };
    let adapters: Vec<String> = run.adapters.iter().map(of_adapter).collect();
    format!(
        "**Contamination.** {}. Whether the base model has seen the tasks in its own training cannot be measured here.",
        adapters.join("; "),
    )
}

/// Names in a row.
fn names<'a>(all: impl IntoIterator<Item = &'a String>) -> String {
    let all: Vec<String> = all.into_iter().map(|text| name(text)).collect();
    all.join(", ")
}
