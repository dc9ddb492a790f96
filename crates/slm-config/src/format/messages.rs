//! `messages`: a conversation as a list of `role` and `content`.

use super::{Layout, MessageKeys, RowFormat};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "messages",
    doc: "`messages`: a conversation as a list of `role` and `content`, perhaps with `tool_calls`; `tools` optional.",
    columns: &["messages", "tools"],
    layout: Layout::Messages {
        system: None,
        column: "messages",
        tools: "tools",
        keys: MessageKeys::OPENAI,
    },
};
