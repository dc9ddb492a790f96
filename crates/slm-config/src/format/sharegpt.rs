//! `sharegpt`: a conversation as a list of `from` and `value`.

use super::{Layout, MessageKeys, RowFormat};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "sharegpt",
    doc: "`conversations`: a conversation as a list of `from` and `value`; `system` and `tools` optional.",
    columns: &["conversations", "system", "tools"],
    layout: Layout::Messages {
        system: Some("system"),
        column: "conversations",
        tools: "tools",
        keys: MessageKeys {
            role: "from",
            text: "value",
            user: &["human"],
            assistant: &["gpt", "chatgpt", "model"],
        },
    },
};
