//! `pairs`: a better and a worse answer to one prompt.

use super::{Layout, OptionalColumns, RowFormat};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "pairs",
    doc: "`chosen` and `rejected`: a better and a worse answer to `prompt`, as texts or messages; `prefill` and `task_id` optional.",
    columns: &["prompt", "chosen", "rejected", "prefill", "task_id"],
    layout: Layout::Pair {
        prompt: "prompt",
        chosen: "chosen",
        rejected: "rejected",
        optional: OptionalColumns::USUAL,
    },
};
