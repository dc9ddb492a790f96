//! Reports on synthetic runs: pages against their goldens, verdicts, degenerate runs and hostile texts.

mod bodies;
mod cost;
mod drafts;
mod gate;
mod hypotheses;
mod lookups;
mod own_code;
mod page;
mod pass_rate;
mod pictures_and_diffs;
mod plans;
mod records;
mod routers;
mod speakers;
#[path = "../support/synthetic.rs"]
mod synthetic;
mod verdicts;
mod workflows;
