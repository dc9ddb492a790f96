//! `sharegpt`: a conversation as a list of `from` and `value`.

use super::{Layout, MessageKeys, RowFormat};

pub(super) const FORMAT: RowFormat = RowFormat {
    name: "sharegpt",
    doc: "`conversations`: a conversation as a list of `from` and `value`; `system` optional.",
    columns: &["conversations", "system"],
    layout: Layout::Messages {
        system: Some("system"),
        column: "conversations",
        keys: MessageKeys {
            role: "from",
            text: "value",
            user: &["human"],
            assistant: &["gpt", "chatgpt", "model"],
        },
    },
};
