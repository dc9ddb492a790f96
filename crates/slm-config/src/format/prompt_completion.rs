//! `prompt_completion`: a text and its continuation, or a conversation and its last message.

use super::{Layout, RowFormat};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "prompt_completion",
    doc: "`prompt` and `completion`: a text and its continuation without chat template, or messages.",
    columns: &["prompt", "completion"],
    layout: Layout::Continuation {
        prompt: Some("prompt"),
        completion: "completion",
    },
};
