//! `kto`: answers, each labelled as wanted or unwanted.

use super::{Layout, OptionalColumns, RowFormat};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "kto",
    doc: "`prompt`, `completion`, `label`: an answer that is wanted (true) or unwanted (false); `prefill` and `task_id` optional.",
    columns: &["prompt", "completion", "label", "prefill", "task_id"],
    layout: Layout::Labelled {
        prompt: "prompt",
        completion: "completion",
        label: "label",
        optional: OptionalColumns::USUAL,
    },
};
