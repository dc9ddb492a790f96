//! `prompt_completion`: a text and its continuation, or a conversation and its last message.

use super::{Layout, OptionalColumns, RowFormat};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "prompt_completion",
    doc: "`prompt` and `completion`: a text and its continuation without chat template, or messages; `prefill` and `task_id` optional.",
    columns: &["prompt", "completion", "prefill", "task_id"],
    layout: Layout::Continuation {
        prompt: "prompt",
        completion: "completion",
        optional: OptionalColumns::USUAL,
    },
};
